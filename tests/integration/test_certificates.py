"""Which certificates are served: unusable ones are named at the start, renewed ones taken up while it runs."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from rt_service import cli
from tests.integration.conftest import tls_settings
from tests.support.certificates import Authority
from tests.support.mqtt_client import MqttClient
from tests.support.service import ROOT, Service
from tests.support.waiting import eventually


def served(port: int) -> int:
    """The serial number of the certificate that a port shows."""
    context = ssl.create_default_context()
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="127.0.0.1") as sock:
        return int(str(sock.getpeercert()["serialNumber"]), 16)  # type: ignore[index]


def shows_another(service: Service, than: int) -> bool:
    return served(service.port) != than and served(service.mqtt_port) != than


def test_a_renewed_certificate_is_taken_up_and_an_unusable_one_is_not(authority: Authority) -> None:
    certificate, key = authority.issue("renewed")
    with Service(*tls_settings(certificate, key)) as service, MqttClient(service.mqtt) as before:
        first = served(service.port)
        assert served(service.mqtt_port) == first
        certificate.write_text("half of a certifi")
        eventually(lambda: served(service.port) == first and service.events("certificate_unusable"))
        authority.issue("renewed")
        eventually(lambda: shows_another(service, than=first))
        second = served(service.port)
        known = len(service.events("certificate_unusable"))
        authority.issue("another")[0].replace(certificate)  # its key is not there yet
        eventually(lambda: served(service.port) == second and len(service.events("certificate_unusable")) > known)
        assert served(service.port) == served(service.mqtt_port) == second
        (key.parent / "another.key").replace(key)
        eventually(lambda: shows_another(service, than=second))
        before.publish("devices/before/telemetry", {"c": 1})  # who was connected stays so


def test_both_ports_may_have_certificates_of_their_own(authority: Authority) -> None:
    files = [*tls_settings(*authority.issue("web")), *tls_settings(*authority.issue("mqtt"), section="mqtt")]
    with Service(*files) as service:
        assert served(service.port) != served(service.mqtt_port)


def test_mqtt_alone_may_speak_tls_with_the_key_in_one_file(authority: Authority, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text("".join(path.read_text() for path in authority.issue("both")))
    with Service("--set", f"mqtt.cert_file={both}") as service:
        assert service.http.startswith("http://") and service.mqtt.startswith("mqtts://")
        with MqttClient(service.mqtt) as device:
            device.publish("devices/alone/telemetry", {"c": 1})


def test_devices_may_be_asked_for_a_certificate(authority: Authority, tmp_path: Path) -> None:
    files = tls_settings(*authority.issue("server"), section="mqtt")
    with Service(*files, "--set", f"mqtt.ca_file={authority.ca}") as service:
        with MqttClient(service.mqtt, tls=(authority.ca, *authority.issue("device-1"))) as device:
            device.publish("devices/device-1/telemetry", {"c": 1})
        anonymous, stranger = ssl.create_default_context(), ssl.create_default_context()
        stranger.load_cert_chain(*Authority(tmp_path).issue("device-1"))  # somebody else signed that
        for wrong in (anonymous, stranger):
            sock = socket.create_connection(("127.0.0.1", service.mqtt_port), 10)
            with wrong.wrap_socket(sock, server_hostname="127.0.0.1") as device, pytest.raises(ssl.SSLError):
                device.recv(1)  # with TLS 1.3 a client learns it only after its handshake
        eventually(lambda: service.metric("rt_refused_total", code="tls") == 2)


def with_password(authority: Authority) -> tuple[str, str]:
    certificate, key = authority.issue("secret")
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    form, secret = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    key.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, secret))
    return str(certificate), str(key)


WRONG = {
    "server.cert_file: /nowhere.pem: no such file or directory": lambda a: ("/nowhere.pem", ""),
    "server.key_file: /nowhere.key: no such file or directory": lambda a: (a.issue("x")[0], "/nowhere.key"),
    "the key is that of another certificate": lambda a: (a.issue("x")[0], a.issue("y")[1]),
    "README.md with": lambda a: (ROOT / "README.md", a.issue("x")[1]),
    "one of them is no PEM file, or not with a certificate and a private key": lambda a: (a.issue("x")[0], ""),
    "the key has a password": with_password,
}


@pytest.mark.parametrize("says", WRONG)
def test_a_certificate_that_cannot_be_used_is_named_in_one_line(
    authority: Authority, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = WRONG[says](authority)
    assert cli.main(["check-config", *tls_settings(certificate, key)]) == 2
    printed = capsys.readouterr()
    assert says in printed.err and printed.err.count("\n") == 1 and printed.out == ""


def test_certificates_that_nobody_is_asked_for_or_nobody_has_are_named(
    authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    ca, files = f"mqtt.ca_file={authority.ca}", tls_settings(*authority.issue("asks"))
    for more, says in (
        ([], "mqtt.ca_file: without"),
        ([*files, "--set", "simulate.devices=1"], "simulate.devices: they"),
    ):
        assert cli.main(["check-config", "--set", ca, *more]) == 2
        assert says in capsys.readouterr().err


def test_a_key_without_a_certificate_does_not_leave_a_port_without_tls(capsys: pytest.CaptureFixture[str]) -> None:
    for section in ("server", "mqtt", "grpc"):
        assert cli.main(["check-config", "--set", f"{section}.key_file=key.pem"]) == 2
        assert f"{section}.key_file: it is the key of no certificate" in capsys.readouterr().err


def test_it_does_not_start_with_one(tmp_path: Path) -> None:
    options = ["--port", "0", "--mqtt-port", "0", "--data-dir", str(tmp_path), "--set", "mqtt.cert_file=/nowhere.pem"]
    ended = subprocess.run(
        [sys.executable, "run.py", *options], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 2 and "mqtt.cert_file: /nowhere.pem" in ended.stderr, ended.stderr

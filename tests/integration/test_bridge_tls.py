"""An outside broker that wants TLS, and a certificate of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.mosquitto import Mosquitto
from tests.support.mqtt_client import MqttClient
from tests.support.service import ROOT, Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually


def settings(**values: object) -> list[str]:
    return [part for name, value in values.items() for part in ("--set", f"bridge.{name}={value}")]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    tmp_path.chmod(0o755)
    for folder in list(tmp_path.parents)[:-2]:  # Mosquitto may have dropped its rights
        folder.chmod(0o755)
    return Authority(tmp_path)


def test_devices_behind_a_broker_with_tls_are_in_the_rooms(authority: Authority) -> None:
    certificate, key = authority.issue("broker")
    ours, our_key = authority.issue("rt-service")
    wanted = (
        f"cafile {authority.ca}", f"certfile {certificate}", f"keyfile {key}", "require_certificate true",
    )  # fmt: skip
    with Mosquitto(settings=wanted) as broker:
        url = broker.url.replace("mqtt://", "mqtts://")
        options = settings(ca_file=authority.ca, cert_file=ours, key_file=our_key, backoff_max_s=0.3)
        with Service("--mqtt-url", url, *options) as service, SocketIoClient(service.http, "/iot") as page:
            eventually(lambda: service.get("/readyz")[0] == 200)
            page.ok("join", room="device:pump-1")
            with MqttClient(url, tls=(authority.ca, ours, our_key)) as device:
                device.subscribe("rt/out/iot/#")
                for n in range(200):
                    device.publish("devices/pump-1/telemetry", {"n": n})
                eventually(lambda: len(page.publications) == 200)
                assert [p["data"]["n"] for p in page.publications] == list(range(200))
                eventually(lambda: len(device.messages) == 200)


def test_a_broker_whose_certificate_nobody_signed_that_we_trust_is_not_spoken_to(
    authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("broker")
    with (
        Mosquitto(settings=(f"certfile {certificate}", f"keyfile {key}")) as broker,
        Service("--mqtt-url", broker.url.replace("mqtt://", "mqtts://")) as service,
    ):
        eventually(lambda: service.events("broker_unreachable"))
        assert "certificate verify failed" in service.events("broker_unreachable")[0]["error"]
        assert service.get("/readyz")[0] == 503


@pytest.mark.parametrize(("name", "says"), [("ca_file", "bridge.ca_file"), ("cert_file", "bridge.cert_file")])
def test_a_certificate_that_cannot_be_used_is_named_in_one_line(name: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.pem").write_text("no certificate")
    command = [
        sys.executable,
        "run.py",
        "--port",
        "0",
        "--mqtt-url",
        "mqtts://127.0.0.1:1",
        "--data-dir",
        str(tmp_path),
    ]
    command += settings(**{name: tmp_path / "wrong.pem"})
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, env=os.environ)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr

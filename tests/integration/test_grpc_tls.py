"""gRPC over TLS, with grpcio's client."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from tests.integration.conftest import tls_settings
from tests.support.certificates import Authority
from tests.support.grpc_client import GrpcChannel, error_of
from tests.support.grpc_gateway import GrpcGateway
from tests.support.service import ROOT, Service
from tests.support.waiting import eventually


def shown(address: str) -> str:
    """The serial number of the certificate that a gRPC port shows."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    with context.wrap_socket(socket.create_connection((host, int(port)), 10), server_hostname=host) as sock:
        return str(sock.getpeercert()["serialNumber"])  # type: ignore[index]


def test_the_certificate_of_the_service_is_that_of_its_grpc_too(authority: Authority) -> None:
    with Service("--grpc-port", "0", *tls_settings(*authority.issue("both"))) as service:
        assert f"gRPC       {service.grpc} with TLS" in service.log
        with GrpcChannel(service.grpc, authority.ca) as client:
            stream = client.subscribe("secure")
            assert next(stream).joined.position.offset == 0
            client.publish("secure", {"text": "hi"})
            assert next(stream).publication.offset == 1


def test_a_client_without_tls_is_refused_and_harms_nobody(authority: Authority) -> None:
    certificate, key = authority.issue("alone")
    with Service("--grpc-port", "0", *tls_settings(certificate, key, section="grpc")) as service:
        assert service.http.startswith("http://")
        with GrpcChannel(service.grpc) as plain, GrpcChannel(service.grpc, authority.ca) as client:
            error = error_of(lambda: plain.publish("secure", 1))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert client.publish("secure", 1).offset == 1


def test_a_renewed_certificate_is_taken_up_and_an_unusable_one_is_not(authority: Authority) -> None:
    certificate, key = authority.issue("renewed-grpc")
    options = ("--grpc-port", "0", *tls_settings(certificate, key, section="grpc"))
    with Service(*options) as service, GrpcChannel(service.grpc, authority.ca) as before:
        before.publish("renewed", 1)
        first = shown(service.grpc)
        certificate.write_text("half of a certifi")
        eventually(lambda: shown(service.grpc) == first and "certificate_unusable" in service.log)
        authority.issue("renewed-grpc")
        eventually(lambda: shown(service.grpc) != first)
        before.publish("renewed", 2)  # who was connected stays so


def test_a_process_of_its_own_has_a_certificate_of_its_own(authority: Authority, service: Service) -> None:
    options = tls_settings(*authority.issue("gateway"), section="grpc")
    with GrpcGateway(service.http, *options) as gateway, GrpcChannel(gateway.address, authority.ca) as client:
        assert client.publish("gateway", 1).offset == 1


@pytest.mark.parametrize("how", [["--grpc-port", "0"], ["grpc", "--port", "0"]], ids=["service", "grpc"])
def test_a_certificate_that_cannot_be_used_is_said_in_one_line(how: list[str], tmp_path: Path) -> None:
    more = [] if how[0] == "grpc" else ["--port", "0", "--mqtt-port", "0", "--data-dir", str(tmp_path)]
    command = [sys.executable, "run.py", *how, *more, "--set", "grpc.cert_file=/nowhere.pem"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert result.returncode == 2
    assert "grpc.cert_file: /nowhere.pem: no such file or directory" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("alone", [False, True])
def test_connections_that_never_become_tls_are_not_written_down_one_by_one(
    authority: Authority, service: Service, alone: bool
) -> None:
    settings = tls_settings(*authority.issue("unwritten"), section="grpc")
    with GrpcGateway(service.http, *settings) if alone else Service("--grpc-port", "0", *settings) as other:
        host, _, port = (other.address if isinstance(other, GrpcGateway) else other.grpc).rpartition(":")
        for _ in range(50):
            with socket.create_connection((host, int(port)), 10) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert not sock.recv(4096).startswith(b"HTTP/")
        assert "andshake" not in other.log

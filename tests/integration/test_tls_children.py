"""What the service starts beside itself knows it by its certificate, whoever signed it, whatever names stand in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from tests.integration.conftest import tls_settings
from tests.support.certificates import Authority
from tests.support.grpc_client import GrpcChannel
from tests.support.service import ROOT, Service
from tests.support.waiting import eventually

NOBODY_TRUSTS_IT = {"SSL_CERT_FILE": "/nowhere", "REQUESTS_CA_BUNDLE": ""}


@pytest.fixture
def files(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("children")


def test_grpc_is_served_also_after_the_certificate_was_renewed(authority: Authority, files: tuple[Path, Path]) -> None:
    options = ("--grpc-port", "0", *tls_settings(*files))
    with Service(*options, environment=NOBODY_TRUSTS_IT) as service, GrpcChannel(service.grpc, authority.ca) as client:
        stream = client.subscribe("secure-grpc")
        assert next(stream).joined.position.offset == 0
        assert client.publish("secure-grpc", {"text": "hi"}).offset == 1
        assert next(stream).publication.offset == 1
        authority.issue("children")
        again = eventually(lambda: opened(client))
        assert again.joined.position.offset == 1


def opened(client: GrpcChannel) -> object:
    """What a stream begins with; nothing as long as the service is not known by its new certificate."""
    try:
        return next(client.subscribe("secure-grpc"))
    except grpc.RpcError:
        return None


def test_simulated_devices_connect(files: tuple[Path, Path]) -> None:
    with Service("--simulate", "1", *tls_settings(*files), environment=NOBODY_TRUSTS_IT) as service:
        eventually(lambda: [device["online"] for device in service.get("/api/v1/devices")[1]["devices"]] == [True])


def test_the_commands_trust_whom_they_are_told_to_and_say_it_where_they_do_not(authority: Authority) -> None:
    def told(*command: str, url: str, trusts: object = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SSL_CERT_FILE": str(trusts), "REQUESTS_CA_BUNDLE": ""}
        arguments = [sys.executable, "run.py", *command, "--url", url]
        return subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30)

    with Service(*tls_settings(*authority.issue("commands"))) as service:
        for command in (["publish", "/chat", "commands", "say", "1"], ["dead-letters"]):
            assert told(*command, url=service.http, trusts=authority.ca).returncode == 0
            wrong = told(*command, url=service.http)
            assert "trusts nobody who signed its certificate" in wrong.stderr and wrong.stderr.count("\n") == 1
            plain = told(*command, url=service.http.replace("https:", "http:"))
            assert "this port speaks TLS: ask with https://" in plain.stderr and "{" not in plain.stderr

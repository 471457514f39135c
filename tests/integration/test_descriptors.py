"""Running out of file descriptors: whoever comes then is sent away, whoever is there is served on."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.test_address_limits import open_files
from tests.support.mqtt_client import MqttClient
from tests.support.raw_http import RawHttp, said
from tests.support.raw_mqtt import RawMqtt
from tests.support.service import Service
from tests.support.waiting import eventually

SPARE = 10


@contextmanager
def short_of_descriptors(service: Service) -> Iterator[None]:
    """Only so many connections more."""
    assert service.process is not None
    pid = service.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_files(service) + SPARE, hard))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def busy_s(service: Service) -> float:
    """Processor time that the service has used."""
    assert service.process is not None
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def shed(client: RawHttp) -> float:
    """How many were sent away, asked on a connection that is open."""
    text = client.send(said("GET", "/metrics")).reply().body.decode()
    lines = [line for line in text.splitlines() if line.startswith('rt_refused_total{code="descriptors"}')]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


def sent_away(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("port", ["port", "mqtt_port"])
def test_without_descriptors_the_service_serves_who_is_there(port: str) -> None:
    with Service() as service, RawHttp(service) as there, MqttClient(service.mqtt) as device:
        assert shed(there) == 0
        address = ("127.0.0.1", getattr(service, port))
        with short_of_descriptors(service):
            crowd = [socket.create_connection(address, timeout=5) for _ in range(60)]
            eventually(lambda: shed(there) >= 60 - SPARE)
            assert sum(sent_away(sock) for sock in crowd[-10:]) == 10
            device.publish("devices/there/telemetry", {"c": 1})
            began, busy = time.monotonic(), busy_s(service)
            eventually(lambda: time.monotonic() > began + 0.5)  # in which nobody asks anything
            assert busy_s(service) - busy < 0.2, "it tries again and again"
            for sock in crowd:
                sock.close()
            if port == "mqtt_port":
                eventually(lambda: connects(service))
            else:
                eventually(lambda: served(service))
        logged = service.events("accept_failed")
        assert logged[0]["error"] == "Too many open files" and len(logged) < 10


def served(service: Service) -> bool:
    try:
        return service.get("/livez")[0] == 200
    except OSError:
        return False


def connects(service: Service) -> bool:
    try:
        with RawMqtt(service.mqtt) as client:
            return client.connect("again").reason == 0
    except (OSError, AssertionError):
        return False

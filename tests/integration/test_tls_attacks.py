"""Connections that never become TLS: each ends alone, and is counted; the ports serve on."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.integration.conftest import tls_settings
from tests.support.certificates import Authority
from tests.support.mqtt_client import MqttClient
from tests.support.raw_http import trickle
from tests.support.service import ROOT, Service
from tests.support.waiting import eventually

HEADERS_S = 0.5
LATE_S = 10.0  # a machine that stands still for a while is not later than that
Counted = Callable[[], float]


@pytest.fixture(scope="module")
def service(authority: Authority) -> Iterator[Service]:
    more = ("--set", f"server.headers_s={HEADERS_S}", "--set", "mqtt.connect_s=1")
    with Service(*more, *tls_settings(*authority.issue("attacked"))) as running:
        yield running


def hello() -> bytes:
    """What a client's handshake begins with."""
    sent = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def dial(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def ended(sock: socket.socket) -> float:
    """Waits until the service closes it; the seconds that took."""
    began = time.monotonic()
    try:
        while sock.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - began


@pytest.fixture(scope="module")
def counted(service: Service) -> Iterator[Counted]:
    """How many handshakes failed. It is asked over one connection: the handshake of another could take too long too."""
    connection = http.client.HTTPSConnection("127.0.0.1", service.port, timeout=30)

    def metrics() -> list[str]:
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode().splitlines()
        except (OSError, http.client.HTTPException):
            connection.close()
            return []

    def count() -> float:
        wanted = 'rt_refused_total{code="tls"} '
        return next((float(line.removeprefix(wanted)) for line in metrics() if line.startswith(wanted)), 0.0)

    eventually(metrics)
    yield count
    connection.close()


def serves(service: Service) -> bool:
    """To who comes new, and is behind the handshake in time."""
    try:
        return service.get("/livez")[0] == 200
    except OSError:
        return False


def test_connections_that_are_reset_at_any_point_do_not_end_the_ports(service: Service, counted: Counted) -> None:
    before, first = counted(), hello()
    for url in (service.http, service.mqtt):
        for n in range(100):
            sock = dial(url)
            sock.sendall(first[: len(first) * n // 99])
            reset(sock)
    with MqttClient(service.mqtt) as device:
        device.publish("devices/after/telemetry", {"c": 1})
    eventually(lambda: counted() == before + 200)
    eventually(lambda: serves(service))


def silence(sock: socket.socket) -> None:
    pass


def half(sock: socket.socket) -> None:
    sock.sendall(hello()[:100])


def first_half(sock: socket.socket) -> None:
    """All of ours, and then nothing to what the service answers."""
    sock.sendall(hello())


@pytest.mark.parametrize("port", ["http", "mqtt"])
@pytest.mark.parametrize("begin", [silence, half, first_half])
def test_a_handshake_that_goes_no_further_is_not_waited_for(
    service: Service, counted: Counted, begin: Callable[[socket.socket], None], port: str
) -> None:
    before = counted()
    with dial(getattr(service, port)) as sock:
        begin(sock)
        assert ended(sock) < LATE_S
    eventually(lambda: counted() == before + 1)


def test_a_handshake_that_trickles_is_not_waited_for(service: Service, counted: Counted) -> None:
    before = counted()
    with dial(service.http) as sock:
        assert trickle(sock, hello()) < LATE_S
    eventually(lambda: counted() == before + 1)


GARBAGE = {
    "zeros": bytes(1000),
    "an endless record": b"\x16\x03\x01\xff\xff" + b"a" * 70_000,
    "MQTT": b"\x10\x0c\x00\x04MQTT\x05\x00\x00\x00\x00",
    "SSL 2": b"\x80\x2e\x01",
}


@pytest.mark.parametrize("port", ["http", "mqtt"])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_what_is_no_handshake_ends_its_connection(service: Service, counted: Counted, garbage: str, port: str) -> None:
    before = counted()
    with dial(getattr(service, port)) as sock:
        with contextlib.suppress(ConnectionError):  # it may be closed before all of it was said
            sock.sendall(GARBAGE[garbage])
        ended(sock)
    eventually(lambda: counted() == before + 1)
    assert service.events("handshake_failed")[0]["address"] == "127.0.0.1"


def test_who_asks_without_tls_is_told_that_it_is_spoken_here(service: Service, counted: Counted) -> None:
    before = counted()
    with dial(service.http) as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while data := sock.recv(65_536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n") and b"https://" in answer
    assert counted() == before + 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_versions_that_are_not_safe_any_more_are_not_spoken(service: Service, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = context.maximum_version = version
    with dial(service.http) as sock, pytest.raises(ssl.SSLError):
        context.wrap_socket(sock, server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_is_cut_off_after_the_handshake_ends_its_connection(secure: Service, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context()
    context.minimum_version = context.maximum_version = version
    for sent in (b"", b"GET /livez HT", b"POST /api/v1/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"):
        with dial(secure.http) as sock:
            secured = context.wrap_socket(sock, server_hostname="localhost")
            secured.sendall(sent)
            plain = socket.socket(fileno=secured.detach())
            plain.sendall(b"\x17\x03\x03\x00\x20" + b"forged record, not encrypted at all"[:32])
            with contextlib.suppress(OSError):  # it may have been reset at once
                plain.shutdown(socket.SHUT_WR)
            plain.settimeout(30)
            ended(plain)
            plain.close()
    assert secure.get("/livez")[0] == 200


def test_a_handshake_that_goes_no_further_keeps_nobody_waiting(secure: Service) -> None:
    """None of them is given up on before the end."""
    silent = [dial(url) for url in (secure.http, secure.mqtt) for _ in range(20)]
    began = time.monotonic()
    with MqttClient(secure.mqtt) as device:
        device.publish("devices/before/telemetry", {"c": 1})
    assert secure.get("/livez")[0] == 200
    assert time.monotonic() - began < LATE_S
    for sock in silent:
        sock.close()


def test_many_handshakes_at_once_leave_the_others_their_turn(authority: Authority) -> None:
    """Each takes milliseconds of the processor, with a key that takes its time."""
    heavy = rsa.generate_private_key(65_537, 3072)
    with Service(*tls_settings(*authority.issue("heavy", heavy))) as service:
        # The machine may stand still in one round, not in all of them.
        assert any(longest_wait_beside_handshakes(service) < 0.5 for _ in range(3))


def longest_wait_beside_handshakes(service: Service) -> float:
    waiting, first = [dial(service.http) for _ in range(400)], hello()
    with ssl.create_default_context().wrap_socket(dial(service.http), server_hostname="localhost") as other:
        for sock in waiting:
            sock.sendall(first)
        late = [answered_after(other) for _ in range(10)]
    for sock in waiting:
        sock.close()
    return max(late)


def answered_after(sock: ssl.SSLSocket) -> float:
    began = time.monotonic()
    sock.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert sock.recv(65_536).startswith(b"HTTP/1.1 200")
    return time.monotonic() - began


FLOOD_S = 3.0
CONNECT = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00"
PING = b"\xc0\x00"
FLOODS = {
    "nothing but keys": ("http", b"", b""),
    "keys of a device": ("mqtt", CONNECT, b""),
    "pings": ("mqtt", CONNECT, PING),
}


@pytest.mark.parametrize("what", FLOODS)
def test_clients_that_have_new_keys_all_the_time_do_not_keep_the_others_waiting(service: Service, what: str) -> None:
    port, first, said = FLOODS[what]
    where = urlsplit(getattr(service, port)).netloc
    command = [sys.executable, "-m", "tests.support.key_updates", where, str(FLOOD_S), first.hex(), said.hex()]
    with ssl.create_default_context().wrap_socket(dial(service.http), server_hostname="localhost") as other:
        answered_after(other)
        floods = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        times = []
        while any(flood.poll() is None for flood in floods):
            times.append(answered_after(other))
    assert all(int(flood.communicate()[0]) > 100 for flood in floods)
    assert sorted(times)[len(times) * 9 // 10] < 0.5  # the machine itself may stand still once or twice

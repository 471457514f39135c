"""Clients that are slow, or stop in the middle: nothing is held for them for ever."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rt_service.mqtt import codec
from rt_service.mqtt.packets import Connect, Subscribe, Subscription
from tests.integration.test_address_limits import open_files
from tests.integration.test_raw_http import JSON, PUBLISH
from tests.support.mqtt_client import MqttClient
from tests.support.raw_http import RawHttp, said, trickle
from tests.support.raw_mqtt import RawMqtt
from tests.support.raw_ws import BINARY, PING, RawWebSocket, masked
from tests.support.service import Service
from tests.support.waiting import eventually

LIVEZ = said("GET", "/livez")
OWN_READ = said("POST", "/reads", "Content-Length: 10", body=b"1")
PATIENCE_S = 3  # longer than a machine that is busy stands still; 200 bytes trickle for ten seconds
IDLE_S = 5


@pytest.fixture(scope="module")
def impatient() -> Iterator[Service]:
    """PATIENCE_S for whatever has a deadline, IDLE_S for who is idle."""
    more = (f"server.keepalive_s={IDLE_S}", f"mqtt.connect_s={PATIENCE_S}")
    settings = [part for one in more for part in ("--set", one)]
    patience = {"PATIENCE_S": str(PATIENCE_S)}
    with Service(*settings, environment=patience, program="tests/support/impatient_service.py") as running:
        yield running


@pytest.mark.parametrize("head", [b"GET /" + b"a" * 200, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200])
def test_a_head_that_trickles_is_not_waited_for(impatient: Service, head: bytes) -> None:
    before, began = impatient.metric("rt_refused_total", code="timeout"), time.monotonic()
    with RawHttp(impatient) as client:
        trickle(client.socket, head)
    assert time.monotonic() - began > PATIENCE_S - 0.1
    assert impatient.metric("rt_refused_total", code="timeout") == before + 1


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_body_that_trickles_is_not_waited_for(impatient: Service, framing: str) -> None:
    body = b"1" * 200 if "Length" in framing else b"1\r\na\r\n" * 50
    began = time.monotonic()
    with RawHttp(impatient) as client:
        client.send(said("POST", PUBLISH, JSON, framing))
        trickle(client.socket, body)
    assert time.monotonic() - began > PATIENCE_S - 0.1


def test_an_application_that_reads_by_itself_does_not_wait_either(impatient: Service) -> None:
    with RawHttp(impatient) as client:
        reply = client.send(OWN_READ).reply()
        assert (reply.status, reply.code) == (400, "bad_request") and client.ended()


@pytest.mark.parametrize("path", [PUBLISH, "/reads"])
def test_a_body_that_ends_too_early_is_not_taken_for_whole(impatient: Service, path: str) -> None:
    with RawHttp(impatient) as client:
        client.send(said("POST", path, JSON, "Content-Length: 25", body=b'{"event":"say","data":1}'))
        client.socket.shutdown(socket.SHUT_WR)
        reply = client.reply()
        assert (reply.status, reply.code) == (400, "bad_request") and client.ended()


def test_a_connection_that_asks_nothing_is_closed(impatient: Service) -> None:
    began = time.monotonic()
    with RawHttp(impatient) as client:
        assert client.ended() and PATIENCE_S - 0.1 < time.monotonic() - began < 12  # unless told, for fifteen


def test_a_connection_may_be_idle_for_longer_once_it_has_asked(impatient: Service) -> None:
    began = time.monotonic()
    with RawHttp(impatient) as client:
        assert client.send(LIVEZ).reply().status == 200
        assert client.ended() and time.monotonic() - began > IDLE_S - 0.1


def test_a_client_that_takes_a_little_of_its_answer_now_and_then_is_not_waited_for(impatient: Service) -> None:
    """It is never quite still, but the answer would take it minutes."""
    before = impatient.metric("rt_refused_total", code="timeout")
    with RawHttp(impatient) as client:
        client.send(said("GET", "/large"))
        taken = 0

        def given_up() -> bool:
            nonlocal taken
            taken += len(client.socket.recv(8192))
            return impatient.metric("rt_refused_total", code="timeout") > before

        eventually(given_up)
        while part := client.socket.recv(65_536):  # what was on its way
            taken += len(part)
        assert taken < 20_000_000


def test_an_answer_without_end_goes_on_only_as_long_as_it_is_read(impatient: Service) -> None:
    before, late = open_files(impatient), impatient.metric("rt_refused_total", code="timeout")
    with RawHttp(impatient) as client:
        client.send(said("GET", "/endless"))
        until, taken = time.monotonic() + PATIENCE_S + 1, 0
        while time.monotonic() < until:
            taken += len(client.socket.recv(1 << 20))
        assert taken > 1_000_000 and impatient.metric("rt_refused_total", code="timeout") == late
        eventually(lambda: impatient.metric("rt_refused_total", code="timeout") == late + 1)
        eventually(lambda: open_files(impatient) <= before)


def test_an_answer_that_is_taken_arrives_whole_however_large(impatient: Service) -> None:
    with RawHttp(impatient) as client:
        assert len(client.send(said("GET", "/large")).reply().body) == 20_000_000
        assert client.send(LIVEZ).reply().status == 200


def test_a_client_that_asks_and_asks_and_never_reads_is_stopped_by_its_own_queue(impatient: Service) -> None:
    """What it sent is not taken in: it waits where it cannot grow."""
    before, late = open_files(impatient), impatient.metric("rt_refused_total", code="timeout")
    with RawHttp(impatient) as client:
        client.socket.settimeout(0.2)
        asked = said("GET", "/web/docs.js") * 100
        sent = 0
        try:
            while sent < 100_000_000:
                sent += client.socket.send(asked)
        except (TimeoutError, ConnectionError):
            pass
        assert sent < 20_000_000
        eventually(lambda: impatient.metric("rt_refused_total", code="timeout") == late + 1)
        eventually(lambda: open_files(impatient) <= before)
        client.socket.settimeout(30)
        assert client.ended()


def test_a_connect_that_trickles_is_not_waited_for(impatient: Service) -> None:
    before, began = impatient.metric("rt_mqtt_refused_total", reason="connect_timeout"), time.monotonic()
    with RawMqtt(impatient.mqtt) as client:
        connect = b"\x10\xff\xff\x03\x00\x04MQTT\x05\x00\x00\x00\x00\xff\xff" + b"a" * 200
        trickle(client.socket, connect)
    assert time.monotonic() - began > PATIENCE_S - 0.1
    assert impatient.metric("rt_mqtt_refused_total", reason="connect_timeout") == before + 1


def test_a_page_that_pings_and_never_reads_is_no_concern_of_others(impatient: Service) -> None:
    """Its answers stand behind a packet that it does not take, or end it."""
    ws = RawWebSocket(impatient.http, "/mqtt", {"Sec-WebSocket-Protocol": "mqtt"}, buffer=4096)
    subscribe = codec.encode(Subscribe(1, [Subscription("#", 0)], {}), 5)
    ws.send(masked(BINARY, codec.encode(Connect("deaf"), 5) + subscribe))
    with ws as deaf, MqttClient(impatient.mqtt) as device:
        eventually(lambda: impatient.metric("rt_sessions", transport="mqtt") == 2)
        for n in range(20):
            device.publish("noise", b"x" * 300_000)
            deaf.socket.settimeout(0.2)
            try:
                deaf.send(masked(PING, b"x" * 125) * (1000 * n))
            except (TimeoutError, ConnectionError):
                break
        device.publish("devices/honest/telemetry", {"c": 1})
    eventually(lambda: impatient.metric("rt_sessions", transport="mqtt") == 0)


@pytest.mark.parametrize("port", ["port", "mqtt_port"])
def test_the_system_looks_whether_a_silent_client_still_exists(service: Service, port: str) -> None:
    """Of one that lost its power nothing is ever heard; the timer is what `ss -o` shows as keepalive."""
    number = getattr(service, port)
    with socket.create_connection(("127.0.0.1", number), timeout=30) as sock:
        ends = f":{number:04X}", f":{sock.getsockname()[1]:04X}"
        eventually(lambda: timer(*ends)[:3] == "02:")


def timer(here: str, there: str) -> str:
    """What the system waits for on a connection; "" where it does not show it."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return next((f[5] for f in lines if f[1].endswith(here) and f[2].endswith(there)), "")

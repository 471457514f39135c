"""How much one address gets: connections, and how fast it may make them. Others do not notice."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rt_service.mqtt.packets import Connack, Connect
from tests.support.raw_http import RawHttp, said
from tests.support.raw_mqtt import RawMqtt
from tests.support.raw_ws import RawWebSocket
from tests.support.service import Service
from tests.support.waiting import eventually

GREEDY = "127.0.0.2"
LIVEZ = said("GET", "/livez")
STREAM = said("GET", "/api/v1/rooms/chat/greedy/stream")
OVER_WS = {"Sec-WebSocket-Protocol": "mqtt"}


def limits(**values: float) -> list[str]:
    return [part for name, value in values.items() for part in ("--set", f"limits.{name}={value}")]


def connack(service: Service, version: int) -> int:
    """What a client is answered; it says nothing but CONNECT."""
    with RawMqtt(service.mqtt, version, GREEDY) as client:
        try:
            return client.send(Connect("greedy", version=version)).expect(Connack).reason
        finally:
            assert client.receive() is None


def stream(service: Service) -> RawHttp:
    client = RawHttp(service, GREEDY).send(STREAM)
    assert client.socket.recv(65_536).startswith(b"HTTP/1.1 200")
    return client


def mqtt(service: Service) -> RawMqtt:
    client = RawMqtt(service.mqtt, source=GREEDY)
    assert client.connect(f"greedy-{id(client)}").reason == 0
    return client


def http(service: Service) -> RawHttp:
    client = RawHttp(service, GREEDY).send(LIVEZ)
    assert client.reply().status == 200
    return client


def websocket(service: Service, path: str, headers: dict[str, str] | None = None) -> RawWebSocket:
    client = RawWebSocket(service.http, path, headers, source=GREEDY)
    assert client.status == 101
    return client


KINDS: dict[str, Callable[[Service], Any]] = {
    "http": http,
    "ws": lambda service: websocket(service, "/ws"),
    "socketio": lambda service: websocket(service, "/socket.io/?EIO=4&transport=websocket"),
    "mqtt over ws": lambda service: websocket(service, "/mqtt", OVER_WS),
    "stream": stream,
    "mqtt": mqtt,
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_has_so_many_connections_and_gets_them_back(kind: str) -> None:
    with Service(*limits(connections_per_address=3)) as service:
        for _ in range(3):
            held = eventually(lambda: three(kind, service))
            assert RawHttp(service, GREEDY).send(LIVEZ).reply().code == "too_many_requests"
            assert service.get("/livez")[0] == 200  # another address
            for one in held:
                close(one)
        eventually(lambda: serves(service))
        assert service.metric("rt_refused_total", code="connections_per_address") >= 3
        refused = service.events("connection_refused")[0]
        assert (refused["address"], refused["reason"]) == (GREEDY, "connections_per_address")


def three(kind: str, service: Service) -> list[Any]:
    """Three that are in; none where the service has not yet noticed that earlier ones have gone."""
    held: list[Any] = []
    try:
        while len(held) < 3:
            held.append(KINDS[kind](service))
    except (AssertionError, EOFError, OSError):
        while held:
            close(held.pop())
    return held


def close(one: Any) -> None:
    (one if hasattr(one, "close") else one.socket).close()


def serves(service: Service) -> bool:
    with RawHttp(service, GREEDY) as client:
        return client.send(LIVEZ).reply().status == 200


def test_whoever_has_too_many_is_told_in_its_own_protocol() -> None:
    with Service(*limits(connections_per_address=1)) as service, RawHttp(service, GREEDY):
        reply = RawHttp(service, GREEDY).send(LIVEZ).reply()
        assert (reply.status, reply.code, reply.headers["retry-after"]) == (429, "too_many_requests", "5")
        assert (connack(service, 5), connack(service, 4)) == (0x97, 3)
        assert service.metric("rt_mqtt_refused_total", reason="connections_per_address") == 2


def test_an_address_connects_so_fast() -> None:
    with Service(*limits(connects_per_s=0.1, connect_burst=4)) as service:
        for _ in range(4):
            assert serves(service)
        reply = RawHttp(service, GREEDY).send(LIVEZ).reply()
        assert (reply.status, reply.code) == (429, "too_many_requests") and 0 < int(reply.headers["retry-after"]) <= 10
        assert (connack(service, 5), connack(service, 4)) == (0x9F, 3)
        with RawMqtt(service.mqtt) as other:
            assert other.connect("another-address").reason == 0
        eventually(lambda: serves(service))
        assert service.metric("rt_refused_total", code="connects_per_address") >= 3


def test_more_devices_than_may_be_are_told_that_it_is_busy() -> None:
    with Service("--set", "mqtt.max_connections=1") as service, RawMqtt(service.mqtt) as device:
        assert device.connect("first").reason == 0
        assert (connack(service, 5), connack(service, 4)) == (0x89, 3)
        assert service.metric("rt_refused_total", code="connections") == 2


def test_whoever_is_refused_and_stays_costs_little() -> None:
    """Those that are told why, but neither ask nor go, are closed; so are those past a hundred, at once."""
    with Service(*limits(connections_per_address=1)) as service, RawHttp(service, GREEDY):
        assert service.process is not None
        before = open_files(service)
        service.process.send_signal(signal.SIGSTOP)
        idle = [RawHttp(service, GREEDY) for _ in range(300)]
        service.process.send_signal(signal.SIGCONT)  # it finds them all at once, however slow they came
        open_while: list[int] = []
        eventually(lambda: open_while.append(open_files(service)) or closed(idle[-1]))
        assert max(open_while) < before + 150
        talking = [RawMqtt(service.mqtt, source=GREEDY) for _ in range(100)]
        assert service.get("/livez")[0] == 200
        eventually(lambda: service.metric("rt_refused_total", code="connections_per_address") == 400)
        eventually(lambda: open_files(service) <= before + 1)
        for one in (*idle, *talking):
            one.__exit__()


def closed(client: RawHttp) -> bool:
    try:
        client.socket.setblocking(False)
        return client.socket.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def open_files(service: Service) -> int:
    assert service.process is not None
    return len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))


def test_connections_that_break_while_they_are_being_made_are_not_counted_for_ever() -> None:
    """Sockets that leave their request take their place along, however that goes."""
    upgrade = said("GET", "/ws", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")  # fmt: skip
    with Service(*limits(connections_per_address=10)) as service:
        for request in (upgrade, STREAM, upgrade[:50], LIVEZ):
            for _ in range(30):
                client = RawHttp(service, GREEDY)
                client.send(request)
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.socket.close()  # with a reset
        eventually(lambda: ten_fit(service))


def ten_fit(service: Service) -> bool:
    held = [RawHttp(service, GREEDY).send(LIVEZ) for _ in range(10)]
    statuses = [client.reply().status for client in held]
    for client in held:
        client.socket.close()
    return statuses == [200] * 10

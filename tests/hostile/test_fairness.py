"""One client does what it may, as fast as it can: it is told to slow down, and nobody else waits for it.

In memory, so that the round trips of others are the loop's and not the disk's.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest

from rt_service.gateways.grpc import realtime_pb2 as rt
from rt_service.mqtt import codec
from rt_service.mqtt.packets import Publish
from tests.hostile import ways
from tests.hostile.siege import LINES, Siege
from tests.support.grpc_client import GrpcChannel, who
from tests.support.raw_http import RawHttp, said
from tests.support.raw_ws import BINARY, TEXT, RawWebSocket, masked
from tests.support.waiting import DEADLINE_S

SETTINGS = ("engine.url=memory",)
MORE = {"arguments": ("--grpc-port", "0")}
TOO_MANY = 'rt_refused_total{code="too_many_requests"}'
FLOOD_S = 1.0
OTHERS_S = 0.5  # p99 of what an honest user publishes; 50 ms is what we want of a machine that has nothing else to do


@contextmanager
def flooded(siege: Siege, *counted: str) -> Iterator[None]:
    with siege.attack(*counted):
        yield
    talk = sorted(LINES[-1].talk)
    assert talk[int(len(talk) * 0.99) - 1] < OTHERS_S


def flood(client: socket.socket, data: bytes) -> None:
    """Send it again and again, and read whatever comes."""
    reader = threading.Thread(target=read_all, args=(client,))
    reader.start()
    until = time.monotonic() + FLOOD_S
    try:
        while time.monotonic() < until:
            client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it may be closed for what it does
    reader.join(10)


def read_all(client: socket.socket) -> None:
    try:
        while client.recv(1 << 20):
            pass
    except OSError:
        pass


SAY = {"room": "fast", "event": "say", "data": "x" * 100}


def socketio_event(name: str, data: object) -> bytes:
    return masked(TEXT, ways.event(name, data).encode())


def request(op: str, **more: object) -> bytes:
    return masked(TEXT, json.dumps({"op": op, "ns": "/chat", "ref": 1, **more}).encode())


def post(path: str, body: bytes) -> bytes:
    return said("POST", path, "Content-Type: application/json", f"Content-Length: {len(body)}", body=body)


FLOODS: dict[str, Callable[[], bytes]] = {
    "publish": lambda: request("publish", **SAY) * 500,
    "volatile": lambda: request("publish", **SAY, **{"class": "volatile"}) * 500,
    "large": lambda: request("publish", room="fast", event="say", data="x" * 60_000) * 10,
    "join and leave": lambda: (request("join", room="fast") + request("leave", room="fast")) * 250,
    "new rooms": lambda: b"".join(
        request("join", room=f"new-{n}") + request("leave", room=f"new-{n}") for n in range(250)
    ),
    "history": lambda: request("history", room="fast", limit=1000) * 100,
    "presence and rooms": lambda: (request("presence", room="fast") + request("rooms")) * 200,
    "send": lambda: request("send", to="user:honest-not", event="say", data=1) * 500,
    "call": lambda: request("call", to="user:fast", method="m", timeout_ms=10) * 500,
    "twin": lambda: request("twin.update", device="fast", desired={"x": 1}) * 500,
    "no verb": lambda: request("nothing") * 500,
    "no JSON": lambda: masked(TEXT, b"{") * 5000,
    "ping": lambda: request("ping") * 500,
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_client_that_asks_as_fast_as_it_can(siege: Siege, what: str) -> None:
    with flooded(siege), ways.plain(siege.service, f"user={what.replace(' ', '-')}") as ws:
        assert ways.ask(ws, "join", room="fast")["ok"]
        flood(ws.socket, FLOODS[what]())


def test_a_client_that_publishes_over_socketio_as_fast_as_it_can(siege: Siege) -> None:
    with flooded(siege, TOO_MANY), ways.socketio(siege.service) as ws:
        ws.send(ways.event("join", {"room": "fast"}))
        flood(ws.socket, socketio_event("publish", SAY) * 500)


def test_a_client_that_joins_and_leaves_namespaces_as_fast_as_it_can(siege: Siege) -> None:
    with flooded(siege), ways.socketio(siege.service) as ws:
        flood(ws.socket, (masked(TEXT, b"41/chat,") + masked(TEXT, b"40/chat,")) * 250)


def test_a_client_that_echoes_as_fast_as_it_can(siege: Siege) -> None:
    with flooded(siege), RawWebSocket(siege.service.http, "/echo") as ws:
        flood(ws.socket, masked(TEXT, b"x" * 1000) * 100)


@pytest.mark.parametrize("qos", [0, 1])
def test_a_device_that_publishes_as_fast_as_it_can(siege: Siege, qos: int) -> None:
    packet = Publish("devices/fast/telemetry", b'{"c":21.5}', qos, packet_id=7 * qos)
    with flooded(siege), ways.device(siege.service, "fast") as mqtt:
        flood(mqtt.socket, codec.encode(packet, 5) * 500)


def test_a_browser_that_publishes_over_mqtt_as_fast_as_it_can(siege: Siege) -> None:
    packets = codec.encode(Publish("rt/in/chat/fast/say", b"1"), 5) * 500
    with flooded(siege), ways.device_on_websocket(siege.service, "fast") as ws:
        flood(ws.socket, masked(BINARY, packets))


def test_a_client_that_publishes_over_http_as_fast_as_it_can(siege: Siege) -> None:
    one = post(ways.PUBLICATIONS.format(room="fast") + "?user=fast", b'{"event":"say","data":1}')
    with flooded(siege, TOO_MANY):
        clients = [RawHttp(siege.service) for _ in range(10)]
        until, statuses = time.monotonic() + FLOOD_S, set[int]()
        while time.monotonic() < until or (429 not in statuses and time.monotonic() < until + DEADLINE_S):
            for client in clients:
                client.send(one)
            statuses |= {client.reply().status for client in clients}
        assert statuses == {201, 429}
        for client in clients:
            client.socket.close()


def test_a_client_that_publishes_over_grpc_as_fast_as_it_can(siege: Siege) -> None:
    with flooded(siege, TOO_MANY), GrpcChannel(siege.service.grpc) as channel:
        asked = rt.PublishRequest(ns="chat", room="fast", event="say", data="1")
        until = time.monotonic() + FLOOD_S
        codes = set()
        while time.monotonic() < until or (len(codes) < 2 and time.monotonic() < until + DEADLINE_S):
            calls = [channel.stub.Publish.future(asked, metadata=who("fast")) for _ in range(200)]
            codes |= {call.code() for call in calls}
        assert codes == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}

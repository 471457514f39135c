"""Everybody comes back at once, after an outage of the network: five thousand clients as fast as they can connect."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import pytest

from rt_service.mqtt import codec
from rt_service.mqtt.packets import Connect, Subscribe, Subscription
from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support.raw_ws import TEXT, masked

CLIENTS = 5000
ROOMS = 50
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def over_websocket(n: int) -> bytes:
    join = {"op": "join", "ns": "/game", "room": f"back-{n % ROOMS}", "ref": 1}
    return UPGRADE.format(path=f"/ws?user=back-{n}").encode() + masked(TEXT, json.dumps(join).encode())


def over_socketio(n: int) -> bytes:
    connect = "40/game," + json.dumps({"user": f"back-{n}"})
    said = (connect, ways.event("join", {"room": f"back-{n % ROOMS}"}, namespace="/game"))
    return UPGRADE.format(path=ways.SOCKETIO).encode() + b"".join(masked(TEXT, one.encode()) for one in said)


def over_mqtt(n: int) -> bytes:
    subscribe = Subscribe(1, [Subscription(f"rt/out/game/back-{n % ROOMS}/#", 0)])
    return codec.encode(Connect(f"back-{n}"), 5) + codec.encode(subscribe, 5)


@pytest.mark.parametrize(
    ("come", "inside"),
    [(over_websocket, b'"ok":true'), (over_socketio, b'"ok":true'), (over_mqtt, b"\x90\x04\x00\x01\x00\x00")],
    ids=["WebSocket", "Socket.IO", "MQTT"],
)
def test_clients_that_come_back_all_at_once(siege: Siege, come: Callable[[int], bytes], inside: bytes) -> None:
    with siege.attack() as service:
        where = ("127.0.0.1", service.mqtt_port if come is over_mqtt else service.port)
        clients = []
        for n in range(CLIENTS):
            clients.append(socket.create_connection(where, timeout=30))
            clients[-1].sendall(come(n))
        for client in clients:
            answer = b""
            while inside not in answer:
                data = client.recv(65536)
                assert data, answer
                answer += data
        for client in clients:
            client.close()

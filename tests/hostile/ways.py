"""The ways in, for attackers: sockets that are as far as an honest client's, and then say whatever they are told to."""

from __future__ import annotations

import json
from typing import Any

from rt_service.mqtt import codec
from rt_service.mqtt.packets import Connect, Packet
from tests.support.raw_mqtt import RawMqtt
from tests.support.raw_ws import BINARY, Http, RawWebSocket, masked
from tests.support.service import Service

SOCKETIO = "/socket.io/?EIO=4&transport=websocket"
POLLING = "/socket.io/?EIO=4&transport=polling"
MQTT = {"Sec-WebSocket-Protocol": "mqtt"}
SLOW = 4096  # bytes that the system keeps for a client that does not read
PUBLICATIONS = "/api/v1/rooms/chat/{room}/publications"


def socketio(service: Service, namespace: str = "/chat", auth: Any = None, buffer: int | None = None) -> RawWebSocket:
    """Connected to a namespace."""
    ws = RawWebSocket(service.http, SOCKETIO, buffer=buffer)
    assert ws.text().startswith("0{")
    ws.send(f"40{namespace},{json.dumps(auth) if auth else ''}")
    assert ws.text().startswith(f"40{namespace},"), "not let in"
    return ws


def event(name: str, *data: Any, ack: int | str = 1, namespace: str = "/chat") -> str:
    """A Socket.IO event as text."""
    return f"42{namespace},{ack}{json.dumps([name, *data])}"


def plain(service: Service, query: str = "", buffer: int | None = None) -> RawWebSocket:
    return RawWebSocket(service.http, f"/ws?{query}", buffer=buffer)


def ask(ws: RawWebSocket, op: str, ns: str = "/chat", **request: Any) -> dict[str, Any]:
    """What `/ws` answers, whatever is pushed before."""
    ws.send(json.dumps({"op": op, "ns": ns, "ref": "ask", **request}))
    return answer(ws, "ask")


def answer(ws: RawWebSocket, ref: Any) -> dict[str, Any]:
    while True:
        said: dict[str, Any] = json.loads(ws.text())
        if "push" not in said and said.get("ref") == ref:
            return said


def pushed(ws: RawWebSocket, what: str) -> dict[str, Any]:
    """The next push of that kind on `/ws`, whatever comes before."""
    while True:
        said: dict[str, Any] = json.loads(ws.text())
        if said.get("push") == what:
            return said


def polling(service: Service, namespace: str = "/chat") -> tuple[Http, str]:
    """A connection, and the address at which it polls and posts."""
    client = Http(service.http)
    path = f"{POLLING}&sid={json.loads(client.ask('GET', POLLING)[1][1:])['sid']}"
    assert client.ask("POST", path, f"40{namespace},".encode())[0] == 200
    assert client.ask("GET", path)[1].startswith("40")
    return client, path


def device(service: Service, client_id: str, version: int = 5, buffer: int | None = None, **options: Any) -> RawMqtt:
    mqtt = RawMqtt(service.mqtt, version, buffer=buffer)
    assert mqtt.connect(client_id, **options).reason == 0
    return mqtt


def device_on_websocket(service: Service, client_id: str, *packets: Packet, buffer: int | None = None) -> RawWebSocket:
    """Connected, with `packets` on the way."""
    ws = RawWebSocket(service.http, "/mqtt", MQTT, buffer=buffer)
    ws.send(masked(BINARY, b"".join(codec.encode(packet, 5) for packet in (Connect(client_id), *packets))))
    assert ws.frame() is not None
    return ws

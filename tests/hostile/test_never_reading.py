"""Clients that never read what they asked for, on every way in, and those that hang up without having read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from rt_service.gateways.grpc import realtime_pb2 as rt
from rt_service.mqtt import codec
from rt_service.mqtt.packets import Publish, Subscribe, Subscription
from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support.grpc_client import GrpcChannel, who
from tests.support.raw_http import RawHttp, said
from tests.support.raw_ws import BINARY, TEXT, RawWebSocket, masked
from tests.support.service import Service
from tests.support.waiting import eventually

SETTINGS = (
    "history.publications=300",
    "limits.waiting_bytes=200000",
    "mqtt.waiting_bytes=200000",
    "limits.publishes_per_s=100000",
    "limits.publish_burst=100000",
)
MORE = {"arguments": ("--grpc-port", "0")}
SLOW = 'rt_sessions_closed_total{reason="slow"}'
QOS0 = 'rt_dropped_total{reason="mqtt_qos0"}'
READERS = 10
ROOM = "/game"  # which is in memory: this is not about the disk


def over_socketio(service: Service) -> Any:
    ws = ways.socketio(service, ROOM, buffer=ways.SLOW)
    ws.send(ways.event("join", {"room": "deaf"}, namespace=ROOM))
    assert '"ok":true' in ws.text()
    return ws


def over_polling(service: Service) -> Any:
    client, path = ways.polling(service, ROOM)
    assert client.ask("POST", path, ways.event("join", {"room": "deaf"}, namespace=ROOM).encode())[0] == 200
    return client


def over_websocket(service: Service) -> Any:
    ws = ways.plain(service, buffer=ways.SLOW)
    assert ways.ask(ws, "join", ROOM, room="deaf")["ok"]
    return ws


def over_http(accept: str) -> Callable[[Service], Any]:
    def read(service: Service) -> Any:
        client = RawHttp(service, buffer=ways.SLOW)
        client.send(said("GET", "/api/v1/rooms/game/deaf/stream", f"Accept: {accept}"))
        assert b"200 OK" in client.socket.recv(100)
        return client.socket

    return read


def over_mqtt(service: Service) -> Any:
    mqtt = ways.device(service, "", buffer=ways.SLOW)
    assert mqtt.subscribe("rt/out/game/deaf/#", qos=0) == [0]
    return mqtt


def over_mqtt_in_websocket(service: Service) -> Any:
    return ways.device_on_websocket(service, "", Subscribe(1, [Subscription("rt/out/game/deaf/#")]), buffer=ways.SLOW)


WAYS = {
    "Socket.IO": (over_socketio, SLOW),
    "polling": (over_polling, SLOW),
    "WebSocket": (over_websocket, SLOW),
    "SSE": (over_http("text/event-stream"), SLOW),
    "NDJSON": (over_http("application/x-ndjson"), SLOW),
    "MQTT": (over_mqtt, QOS0),
    "MQTT over WebSocket": (over_mqtt_in_websocket, QOS0),
}


def say_much(service: Service, megabytes: int = 12) -> None:
    with ways.plain(service, "user=writer") as ws:
        assert ways.ask(ws, "join", ROOM, room="deaf")["ok"]
        for n in range(megabytes * 20):
            answer = ways.ask(ws, "publish", ROOM, room="deaf", event="say", data="x" * 50_000)
            assert answer["ok"], (n, answer)


@pytest.mark.parametrize("way", WAYS)
def test_members_of_a_room_that_never_read(siege: Siege, way: str) -> None:
    join, counted = WAYS[way]
    with siege.attack(counted) as service:
        deaf = [join(service) for _ in range(READERS)]
        say_much(service)
        for one in deaf:
            one.close()


def test_subscribers_over_grpc_that_never_read(siege: Siege) -> None:
    with siege.attack(SLOW) as service:
        channels = [GrpcChannel(service.grpc) for _ in range(READERS)]
        streams = [
            channel.stub.Subscribe(rt.SubscribeRequest(ns="game", room="deaf"), metadata=who(f"deaf-{n}"))
            for n, channel in enumerate(channels)
        ]
        for stream in streams:
            assert next(stream).HasField("joined")
        say_much(service, 20)
        for channel in channels:
            channel.channel.close()


def test_a_client_of_the_echo_that_never_reads(siege: Siege) -> None:
    with siege.attack(SLOW) as service, RawWebSocket(service.http, "/echo", buffer=ways.SLOW) as ws:
        send_until_it_ends(ws, masked(TEXT, b"x" * 60_000), 1000, 30)


def send_until_it_ends(ws: RawWebSocket, data: bytes, times: int, patience_s: float) -> None:
    """`data` again and again, until nothing is taken any more."""
    ws.socket.settimeout(patience_s)
    try:
        for _ in range(times):
            ws.send(data)
    except OSError:
        pass


def test_clients_that_ask_for_histories_and_never_read_them(siege: Siege) -> None:
    with siege.attack() as service:
        say_much(service, 15)
        before = siege.memory()
        path = "/api/v1/rooms/game/deaf/publications?limit=1000"
        asked: list[Any] = []
        for _ in range(20):
            asked.append(RawHttp(service, buffer=ways.SLOW).send(said("GET", path)).socket)
            asked.append(ways.plain(service, buffer=ways.SLOW))
            asked[-1].send('{"op":"history","ns":"/game","room":"deaf","limit":1000,"ref":1}')
        eventually(lambda: service.get("/livez")[0] == 200)
        assert siege.memory() - before < 20 * 8_000_000
        for one in asked:
            one.close()


def test_clients_that_recover_much_and_never_read_it(siege: Siege) -> None:
    with siege.attack() as service:
        say_much(service, 15)
        with ways.plain(service) as ws:
            page = ways.ask(ws, "history", ROOM, room="deaf", limit=1, reverse=True)
        since = {"epoch": page["epoch"], "offset": page["offset"] - 250}
        before = siege.memory()
        asked = [ways.plain(service, buffer=ways.SLOW) for _ in range(20)]
        for ws in asked:
            ws.send(json.dumps({"op": "join", "ns": "/game", "room": "deaf", "since": since, "ref": 1}))
        eventually(lambda: service.get("/livez")[0] == 200)
        assert siege.memory() - before < 20 * 10_000_000
        for ws in asked:
            ws.close()


def test_a_client_that_asks_for_histories_all_the_time(siege: Siege) -> None:
    with siege.attack() as service, ways.plain(service) as ws:
        say_much(service, 15)
        for _ in range(50):
            assert ways.ask(ws, "history", ROOM, room="deaf", limit=1000)["more"] is True


def test_clients_that_send_requests_and_do_not_take_the_answers(siege: Siege) -> None:
    with siege.attack() as service:
        clients = [RawHttp(service, buffer=ways.SLOW) for _ in range(20)]
        for client in clients:
            client.socket.settimeout(0.2)
            try:
                client.send(said("GET", "/web/docs.js") * 500)
            except OSError:
                pass  # nothing is read any more
        for client in clients:
            client.socket.close()


def test_a_device_that_publishes_and_never_reads_its_acknowledgements(siege: Siege) -> None:
    with siege.attack() as service, ways.device_on_websocket(service, "deaf", buffer=ways.SLOW) as ws:
        packets = b"".join(codec.encode(Publish("deaf/topic", b"x", 1, packet_id=n), 5) for n in range(1, 1001))
        send_until_it_ends(ws, masked(BINARY, packets), 100, 1)


def test_a_caller_over_grpc_that_hangs_up_all_the_time(siege: Siege) -> None:
    with siege.attack() as service, GrpcChannel(service.grpc) as channel:
        for n in range(200):
            call = channel.stub.Subscribe(rt.SubscribeRequest(ns="chat", room=f"hangs-{n % 10}"), metadata=who("hangs"))
            call.cancel()
        stream = channel.subscribe("hangs", user="stays")
        assert next(stream).HasField("joined")
        stream.cancel()
        assert stream.code() is grpc.StatusCode.CANCELLED

"""Plain WebSocket at /ws: what its clients may rely on besides the contract of all ways in; and the echo."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from rt_service.mqtt import codec
from rt_service.mqtt.packets import Connect, Kind, Ping
from tests.support.mqtt_client import MqttClient
from tests.support.raw_ws import BINARY, TEXT, RawWebSocket, masked
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually
from tests.support.ws_client import WsClient


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


def test_one_connection_speaks_in_several_namespaces(service: Service) -> None:
    with WsClient(service.http, "/iot", "multi") as client, MqttClient(service.mqtt) as device:
        client.ok("join", room="device:ws-1")
        client.send({"op": "join", "ns": "/chat", "ref": "text", "room": "lobby"})
        eventually(lambda: "text" in client._answers)
        device.publish("devices/ws-1/telemetry", {"c": 21.5})
        eventually(lambda: [p["data"] for p in client.pushed("telemetry")] == [{"c": 21.5}])
        assert {push["ns"] for push in client.pushes if push["push"] == "publication"} == {"/iot"}


def test_a_socketio_client_and_a_plain_one_are_in_one_room(service: Service) -> None:
    with WsClient(service.http, user="plain") as plain, SocketIoClient(service.http, user="sio") as sio:
        plain.ok("join", room="both")
        sio.ok("join", room="both")
        plain.ok("publish", room="both", event="say", data=1)
        sio.ok("publish", room="both", event="say", data=2)
        eventually(lambda: len(plain.publications) == len(sio.publications) == 2)
        assert plain.publications == sio.publications
        sio.on_call = lambda body: {"heard": body["data"]}
        assert plain.ok("call", to="user:sio", method="m", data=3)["data"] == {"heard": 3}


def test_a_callee_answers_a_call_or_fails_it(service: Service) -> None:
    with WsClient(service.http, user="callee") as callee, SocketIoClient(service.http) as caller:
        callee.ok("ping")
        callee.on_call = lambda body: {"double": body["data"] * 2}
        assert caller.ok("call", to="user:callee", method="double", data=4)["data"] == {"double": 8}
        assert callee.refused("answer", id="never-asked", data=1) == "not_found"


def test_who_it_is_may_be_said_first_and_not_later(service: Service) -> None:
    with WsClient(service.http) as client:
        assert client.refused("auth", user="no name") == "bad_request"
        assert client.ask("auth", {"user": "late"})["ok"]
        client.ok("join", room="who")
        assert client.ok("presence", room="who")["members"][0]["id"] == "late"
        assert client.refused("auth", user="another") == "conflict"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no JSON", "invalid_data"),
        ("[1]", "bad_request"),
        ('{"ns":"/chat"}', "bad_request"),
        ('{"op":"join"}', "bad_request"),
        ('{"op":"join","ns":"/nowhere","room":"r"}', "not_found"),
        ('{"op":"dance","ns":"/chat"}', "bad_request"),
        ('{"op":"join","ns":"/chat","room":"a b"}', "invalid_room"),
        ('{"op":7,"ns":"/chat"}', "bad_request"),
        (b"binary", "bad_request"),
        ('{"op":"ping","ns":"/chat","ref":"half: \\ud83d"}', "invalid_data"),
        ('{"op":"ping","ns":"/chat","ref":123456789012345678901234567890,"x":1e999}', "invalid_data"),
        ('{"op":"ping","ns":"/chat","ref":' + "[" * 300 + "]" * 300 + "}", "bad_request"),
    ],
)
def test_bad_input_is_answered_and_the_connection_lives_on(service: Service, text: Any, code: str) -> None:
    with WsClient(service.http) as client:
        client.socket.send(text)
        assert client.answer()["error"]["code"] == code
        assert client.ok("ping")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (
            '{"ref":7,"op":"publish","ns":"/chat","room":"r","event":"say","data":"half an emoji: \\ud83d"}',
            "invalid_data",
        ),
        ('{"ref":7,"op":"publish","ns":"/chat","room":"r","event":"say","data":1e999}', "invalid_data"),
        ('{"ref":7,"op":5,"ns":"/chat"}', "bad_request"),
        ('{"ref":7}', "bad_request"),
    ],
)
def test_a_refusal_has_the_ref_of_what_was_asked(service: Service, request_: str, code: str) -> None:
    with WsClient(service.http) as client:
        client.socket.send(request_)
        assert client.answer(7)["error"]["code"] == code
        assert client.ok("ping")


def test_a_session_past_its_users_limit_is_told_and_closed_but_not_those_beside_it() -> None:
    with (
        Service("--set", "limits.sessions_per_identity=1") as small,
        WsClient(small.http, user="alice") as first,
        WsClient(small.http, user="alice") as second,
    ):
        first.ok("ping")
        assert second.refused("ping") == "too_many_requests"
        eventually(lambda: second.closed is not None)
        (closing,) = second.pushed("closing")
        assert (closing["code"], closing["reconnect"]) == ("too_many_requests", False)
        assert second.closed is not None and second.closed[0] == 1008
        assert small.metric("rt_sessions_closed_total", reason="too_many_requests") == 1
        first.send({"op": "ping", "ns": "/game", "ref": "another namespace"})
        eventually(lambda: "another namespace" in first._answers)
        assert first._answers["another namespace"]["error"]["code"] == "too_many_requests"
        eventually(lambda: [push["ns"] for push in first.pushes if push["push"] == "closing"] == ["/game"])
        assert first.ok("ping")


def test_a_request_without_ref_is_answered_only_when_it_is_refused(service: Service) -> None:
    with WsClient(service.http) as client:
        client.send({"op": "join", "ns": "/chat", "room": "quiet"})
        client.send({"op": "publish", "ns": "/chat", "room": "quiet", "event": "say", "data": 1})
        eventually(lambda: len(client.publications) == 1)
        assert client._answers == {}


def test_a_connection_that_asks_nothing_is_closed() -> None:
    with Service("--set", "limits.join_first_s=0.2") as small:
        client = WsClient(small.http)
        eventually(lambda: client.closed is not None)
        assert client.closed is not None and client.closed[0] == 1008
        assert small.metric("rt_sessions_closed_total", reason="join_timeout") == 1


def test_clients_are_told_that_the_service_stops() -> None:
    running = Service()
    with running:
        client = WsClient(running.http)
        client.ok("join", room="r")
        silent = WsClient(running.http)
        with connect(f"{running.http.replace('http', 'ws', 1)}/echo") as echo:
            echo.send("hello")
            assert echo.recv() == "hello"
            running.stop()
            with pytest.raises(ConnectionClosed):
                echo.recv()
            assert echo.close_code == 1001
        eventually(lambda: client.closed is not None and silent.closed is not None)
        assert silent.closed is not None and silent.closed[0] == 1001
    assert [(c["code"], c["reconnect"]) for c in client.pushed("closing")] == [("shutdown", True)]
    assert client.closed is not None and client.closed[0] == 1001


def test_a_client_that_never_reads_is_closed_and_others_are_served() -> None:
    options = ("--set", "limits.waiting_bytes=200000", "--set", "limits.publishes_per_s=100000")
    with Service(*options, "--set", "limits.publish_burst=100000") as running:
        deaf = RawWebSocket(running.http, "/ws", buffer=4096)
        deaf.send('{"op":"join","ns":"/chat","ref":1,"room":"r"}')
        assert json.loads(deaf.text())["ok"]
        with WsClient(running.http) as honest:
            honest.ok("join", room="r")
            said, last = 0, None
            while not running.metric("rt_sessions_closed_total", reason="slow"):
                assert said < 500
                honest.ok("publish", room="r", event="say", data={"n": said, "pad": "x" * 60_000})
                said += 1
            while (frame := deaf.frame()) is not None and frame[0] != 8:
                last = json.loads(frame[1])
            eventually(lambda: len(honest.publications) == said)
        assert running.metric("rt_sessions_closed_total", reason="slow") == 1
        assert last is not None and (last["push"], last["code"], last["reconnect"]) == ("closing", "slow", True)


def test_the_echo_gives_every_frame_back(service: Service) -> None:
    with connect(service.http.replace("http", "ws", 1) + "/echo") as echo:
        for message in ("text", "ä\u2028", "", b"", b"\x00\xff" * 50_000):
            echo.send(message)
            assert echo.recv(timeout=30) == message
        echo.ping().wait(10)


@pytest.mark.parametrize("path", ["/ws", "/echo"])
def test_a_foreign_page_may_not_connect(service: Service, path: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        connect(service.http.replace("http", "ws", 1) + path, origin="https://evil.example").__enter__()  # type: ignore[arg-type]
    assert caught.value.response.status_code == 403
    assert service.get(path)[0] == 400  # no WebSocket


def test_a_client_that_answers_no_calls_says_so_and_another_of_its_name_is_called(service: Service) -> None:
    address = service.http.replace("http", "ws", 1) + "/ws?user=twins&calls=no"
    with WsClient(service.http, user="twins") as answers, connect(address) as newest:
        answers.on_call = lambda call: "here"
        answers.ok("ping")
        newest.send('{"op":"ping","ns":"/chat","ref":1}')
        assert json.loads(newest.recv(timeout=30))["ok"]
        assert answers.ok("call", to="user:twins", method="m")["data"] == "here"


SAID = {
    "/ws": [masked(TEXT, b'{"op":"ping","ns":"/chat","ref":1}')],
    "/socket.io/?EIO=4&transport=websocket": [masked(TEXT, b"40/chat,"), masked(TEXT, b'42/chat,1["ping"]')],
    "/mqtt": [
        masked(BINARY, codec.encode(Connect("in-one-piece"), 5)),
        masked(BINARY, codec.encode(Ping(Kind.PINGREQ), 5)),
    ],
}
ANSWERED = {"/ws": b'"ok":true', "/mqtt": b"\xd0\x00"}


@pytest.mark.parametrize("path", SAID)
def test_what_comes_in_one_piece_with_the_handshake_is_answered(path: str) -> None:
    head = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
    with Service() as fresh:  # nobody was there before
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", fresh.port), timeout=30) as sock:
                sock.sendall(head.encode() + b"".join(SAID[path]))
                received = b""
                while ANSWERED.get(path, b'43/chat,1[{"ok":true') not in received:
                    data = sock.recv(65_536)
                    assert data, received
                    received += data

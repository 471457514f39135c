"""JSON that parsers stumble over: depth, numbers, names that stand twice, text that is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from rt_service.mqtt.packets import Publish
from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support.raw_http import RawHttp, said
from tests.support.raw_ws import TEXT, RawWebSocket, masked
from tests.support.service import Service

JSON = "Content-Type: application/json"
PUBLISH = ways.PUBLICATIONS.format(room="json")
INVALID = 'rt_refused_total{code="invalid_data"}'


def nested(depth: int, open: str = "[", close: str = "]") -> str:
    return open * depth + "1" + close * depth


DEEP = {"lists": nested(1000), "objects": nested(1000, '{"a":', "}"), "below what parsers take": nested(210)}
DEEPEST = {
    "lists": nested(300_000),
    "lists that are not closed": "[" * 900_000,
    "objects": nested(150_000, '{"a":', "}"),
}
NO_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0x10", "01", "1.", ".5", "+1", "1_000"]
NO_TEXT = ['"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d"', '"\\x41"', '"\n"', '"\0"', "'a'", '"\\u12"']


def over_socketio(service: Service, data: str) -> str:
    """The code of the refusal, or why the connection ended."""
    with ways.socketio(service) as ws:
        ws.send('42/chat,1["join",{"room":"json"}]')
        assert '"ok":true' in ws.text()
        ws.send(f'42/chat,2["publish",{{"room":"json","event":"e","data":{data}}}]')
        while (frame := ws.frame()) is not None and frame[1].startswith(b"42"):
            pass  # somebody comes or goes
        assert frame is not None
        return "closed" if frame[0] != TEXT else str(json.loads(frame[1][9:])[0]["error"]["code"])


def over_websocket(service: Service, data: str) -> str:
    with ways.plain(service) as ws:
        assert ways.ask(ws, "join", room="json")["ok"]
        ws.send(f'{{"op":"publish","ns":"/chat","ref":"x","room":"json","event":"e","data":{data}}}')
        while "push" in (said_ := json.loads(ws.text())):
            pass  # somebody comes or goes
        return str(said_["error"]["code"])


def over_http(service: Service, data: str) -> str:
    body = f'{{"event":"e","data":{data}}}'.encode()
    with RawHttp(service) as client:
        return client.send(said("POST", PUBLISH, JSON, f"Content-Length: {len(body)}", body=body)).reply().code


def over_mqtt(service: Service, data: str) -> str:
    with ways.device(service, "json") as mqtt:
        assert mqtt.publish("rt/in/chat/json/e", data.encode()) in (0, 0x10)
    status, letters = service.get("/api/v1/dead-letters?limit=1")
    assert status == 200
    return str(letters["dead_letters"][0]["reason"])


Way = Callable[[Service, str], str]
WAYS = {"Socket.IO": over_socketio, "WebSocket": over_websocket, "HTTP": over_http, "MQTT": over_mqtt}
by_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def counted(way: Way) -> str:
    if way is over_mqtt:
        return 'rt_dead_letters_total{reason="invalid_data"}'
    return INVALID


@by_way
def test_a_client_whose_data_is_nested_deep(siege: Siege, way: Way) -> None:
    with siege.attack(counted(way)) as service:
        for name, data in DEEP.items():
            assert way(service, data) in ("invalid_data", "closed"), name


@by_way
def test_a_client_whose_data_is_nested_as_deep_as_fits(siege: Siege, way: Way) -> None:
    with siege.attack() as service:
        for name, data in DEEPEST.items():
            assert way(service, data) in ("invalid_data", "closed"), name


@by_way
def test_a_client_with_numbers_that_are_none(siege: Siege, way: Way) -> None:
    with siege.attack() as service:
        for data in NO_NUMBERS:
            assert way(service, data) in ("invalid_data", "closed"), data


@by_way
def test_a_client_with_text_that_is_none(siege: Siege, way: Way) -> None:
    with siege.attack() as service:
        for data in NO_TEXT:
            assert way(service, data) in ("invalid_data", "closed"), data


def test_numbers_of_ten_thousand_digits_reach_nobody_as_something_that_is_no_number(siege: Siege) -> None:
    with siege.attack() as service, ways.plain(service) as ws:
        ways.ask(ws, "join", room="numbers")
        for number in ("9" * 10_000, "-" + "9" * 10_000, "1." + "9" * 10_000, "1e-9999", "0." + "0" * 60_000 + "1"):
            ws.send(f'{{"op":"publish","ns":"/chat","ref":1,"room":"numbers","event":"e","data":{number}}}')
            said = json.loads(ws.text())
            if "push" not in said:
                assert said["error"]["code"] == "invalid_data"
                continue
            assert isinstance(said["data"], (int, float)) and said["data"] * 0 == 0
            assert ways.answer(ws, 1)["ok"]


def test_names_that_stand_twice_cannot_be_read_in_two_ways(siege: Siege) -> None:
    twice = '"room":"json","room":"twice","event":"e","event":"x","data":{"a":1,"a":2}'
    with siege.attack() as service, ways.plain(service) as ws:
        ways.ask(ws, "join", room="twice")
        ws.send(f'{{"op":"publish","ns":"/chat","ref":1,{twice}}}')
        said = ways.pushed(ws, "publication")
        assert (said["room"], said["event"], said["data"]) == ("twice", "x", {"a": 2})


@pytest.mark.parametrize("request_", ["[]", "7", "null", '"x"', '{"op":7}', "{}", '{"op":"join"', "\N{SNOWMAN}", ""])
def test_a_client_whose_requests_are_no_objects(siege: Siege, request_: str) -> None:
    with siege.attack() as service, ways.plain(service) as ws:
        ws.send(request_)
        assert json.loads(ws.text())["error"]["code"] in ("bad_request", "invalid_data")


DEEP_PLACES: list[dict[str, Any]] = [
    {"op": "answer", "id": "DEEP"},
    {"op": "answer", "id": "x", "error": "DEEP"},
    {"op": "DEEP"},
    {"op": "ping", "ref": "DEEP"},
    {"op": "ping", "ns": "DEEP"},
    {"op": "join", "room": "DEEP"},
    {"op": "join", "room": "json", "since": "DEEP"},
    {"op": "history", "room": "json", "limit": "DEEP"},
    {"op": "publish", "room": "json", "event": "DEEP", "data": 1},
    {"op": "publish", "room": "json", "event": "e", "data": 1, "id": "DEEP", "class": "DEEP", "key": "DEEP"},
    {"op": "send", "to": "DEEP", "event": "e", "data": 1},
    {"op": "call", "to": "user:x", "method": "DEEP"},
    {"op": "twin.update", "device": "json", "desired": "DEEP"},
    {"op": "twin.update", "device": "DEEP", "desired": {}, "version": "DEEP"},
    {"op": "refresh", "token": "DEEP"},
    {"op": "auth", "user": "DEEP"},
    {"op": "auth", "token": "DEEP"},
]


@pytest.mark.parametrize("kind", ["lists", "objects"])
def test_a_client_that_puts_depth_wherever_something_short_is_due(siege: Siege, kind: str) -> None:
    with siege.attack() as service, ways.plain(service) as ws:
        for number, place in enumerate(DEEP_PLACES):
            asked = json.dumps({"ns": "/chat", "ref": number, **place}).replace('"DEEP"', DEEP[kind])
            ws.send(asked)
            answer = json.loads(ws.text())
            assert answer["ok"] is (place["op"] == "auth") or answer["error"]["code"] != "internal", place
        assert ways.ask(ws, "auth", info=json.loads(nested(300)))["ok"] is False


def test_a_client_that_connects_with_deep_information_about_itself(siege: Siege) -> None:
    with siege.attack() as service:
        for kind in DEEP:
            with RawWebSocket(service.http, ways.SOCKETIO) as ws:
                ws.text()
                ws.send(f'40/chat,{{"user":"deep","info":{DEEP[kind]}}}')
                assert ws.text().startswith("44/chat,")


def test_a_callee_that_fails_with_deep_errors(siege: Siege) -> None:
    errors = (*DEEP.values(), f'{{"message":{nested(990)}}}', f'{{"code":{nested(990)}}}')
    with siege.attack() as service, ways.plain(service, "user=deep") as callee, ways.plain(service) as caller:
        ways.ask(callee, "ping")
        for error in errors:
            caller.send('{"op":"call","ns":"/chat","ref":1,"to":"user:deep","method":"m","timeout_ms":30000}')
            call = ways.pushed(callee, "call")["id"]
            callee.send(f'{{"op":"answer","ns":"/chat","id":"{call}","error":{error}}}')
            assert ways.answer(caller, 1)["error"]["code"] == "internal"


def test_a_device_whose_messages_are_nested_deep_wherever_they_go(siege: Siege) -> None:
    with siege.attack('rt_dead_letters_total{reason="invalid_data"}') as service, ways.device(service, "json") as mqtt:
        for topic in ("telemetry", "events/e", "status", "twin/reported", "replies/x", "replies/x/error"):
            for data in (*DEEP.values(), DEEPEST["lists"]):
                assert mqtt.publish(f"devices/json/{topic}", data.encode()) in (0, 0x10), topic


@pytest.mark.parametrize(
    "junk", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b'"\xe2\x82"', b"\xef\xbf"]
)
def test_clients_that_send_bytes_that_are_no_utf8(siege: Siege, junk: bytes) -> None:
    with siege.attack('rt_sessions_closed_total{reason="violation"}') as service:
        for path in (ways.SOCKETIO, "/ws", "/echo"):
            with RawWebSocket(service.http, path) as ws:
                ws.send(masked(TEXT, b"4" + junk))
                assert ws.ended() == 1007
        client, path = ways.polling(service)
        assert client.ask("POST", path, b"4" + junk)[0] == 400
        client.close()
        with RawHttp(service) as client:
            body = b'{"event":"e","data":"' + junk + b'"}'
            assert (
                client.send(said("POST", PUBLISH, JSON, f"Content-Length: {len(body)}", body=body)).reply().status
                == 400
            )
        with ways.device(service, "utf8") as mqtt:
            mqtt.send(Publish("devices/utf8/telemetry", b'"' + junk + b'"', 1, packet_id=1))
            assert mqtt.receive() is not None
        for filter in (b"a/" + junk, junk):
            with ways.device(service, "utf8") as mqtt:
                body = b"\0\1\0" + len(filter).to_bytes(2, "big") + filter + b"\0"
                mqtt.send(bytes((0x82, len(body))) + body)
                assert mqtt.ended_with() == 0x81

"""Tokens that are good, and what they do not allow."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from rt_service.mqtt.packets import Disconnect, Publish
from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support import tokens
from tests.support.raw_http import RawHttp, said
from tests.support.raw_mqtt import RawMqtt
from tests.support.service import Service
from tests.support.waiting import eventually

MORE = {"with_tokens": True}
FORBIDDEN = 'rt_refused_total{code="forbidden"}'
GOOD = tokens.make("mallory")
GUEST = tokens.make("guest", grants=[{"rooms": ["/chat:lobby"], "verbs": ["join"]}])
NOT_FOR_GUESTS = [
    ("GET", "/metrics"), ("GET", "/api/v1/sessions"), ("DELETE", "/api/v1/sessions/x"), ("GET", "/api/v1/dead-letters"),
    ("GET", "/api/v1/devices"), ("GET", "/api/v1/rooms/chat"), ("GET", "/api/v1/rooms/iot/device:lamp/stream"),
    ("GET", "/api/v1/devices/lamp/twin"), ("GET", "/api/v1/rooms/chat/lobby/publications"),
    ("GET", "/api/v1/rooms/chat/lobby/members"), ("GET", "/api/v1/rooms/chat/lobby2/stream"),
]  # fmt: skip


def test_a_guest_that_wants_what_was_not_granted(siege: Siege) -> None:
    with siege.attack(FORBIDDEN) as service, RawHttp(service) as client, ways.plain(service, f"token={GUEST}") as ws:
        for method, path in NOT_FOR_GUESTS:
            assert client.send(said(method, path, f"Authorization: Bearer {GUEST}")).reply().code == "forbidden", path
        for room in ("user:alice", "device:lamp", "secret", "lobby2"):
            assert ways.ask(ws, "join", room=room)["error"]["code"] == "forbidden"
        for ask in ("publish", "history", "presence", "send", "call", "twin", "rooms"):
            more = {"room": "lobby", "to": "user:honest", "device": "lamp", "event": "e", "method": "m", "data": 1}
            assert ways.ask(ws, ask, **more)["error"]["code"] in ("forbidden", "not_member"), ask


def test_a_guest_that_waits_in_rooms_that_are_not_for_it_makes_none(siege: Siege) -> None:
    with siege.attack(FORBIDDEN) as service, RawHttp(service) as client:
        for n in range(100):
            path = f"/api/v1/rooms/chat/made-{n}/publications?wait=0.01"
            assert client.send(said("GET", path, f"Authorization: Bearer {GUEST}")).reply().code == "forbidden"
        assert rooms(service, "made-") == 0


def test_a_client_that_waits_in_more_rooms_than_it_may_make(siege: Siege) -> None:
    with siege.attack('rt_refused_total{code="too_many_requests"}') as service, RawHttp(service) as client:
        replies = []
        for n in range(200):
            path = f"/api/v1/rooms/chat/waits-{n}/publications?wait=0.001"
            replies.append(client.send(said("GET", path, f"Authorization: Bearer {GOOD}")).reply().status)
        assert 100 <= replies.count(200) < 200 and set(replies) == {200, 429}
        assert rooms(service, "waits-") < 200


def rooms(service: Service, prefix: str) -> int:
    """How many there are on the disk."""
    (file,) = service.data.glob("*.sqlite3")
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT COUNT(*) FROM room WHERE name LIKE ?", (prefix + "%",)).fetchone()[0])


NOT_ITS_TOPICS = ["devices/lamp/telemetry", "devices/lamp/status", "rt/in/iot/device:lamp/e", "rt/in/chat/x/e", "free"]
NOT_ITS_FILTERS = [
    "#", "+/#", "devices/+/telemetry", "devices/lamp/#", "rt/out/#", "rt/out/iot/+/+", "$SYS/#", "$share/g/#",
    "$share/g/devices/lamp/#", "rt/out/iot/device:lamp/+",
]  # fmt: skip


def test_a_device_that_is_not_whom_its_token_names(siege: Siege) -> None:
    token = tokens.make("pump", kind="device").encode()
    with siege.attack('rt_mqtt_refused_total{reason="client_id_not_valid"}') as service:
        for client_id in ("lamp", "PUMP", "pump ", "pump/", "honest"):
            with RawMqtt(service.mqtt) as mqtt:
                assert mqtt.connect(client_id, username="pump", password=token).reason == 0x85
        with ways.device(service, "pump", username="lamp", password=token) as mqtt:
            assert [mqtt.publish(topic, b"1") for topic in NOT_ITS_TOPICS] == [0x87] * len(NOT_ITS_TOPICS)
            assert [mqtt.subscribe(filter) for filter in NOT_ITS_FILTERS] == [[0x87]] * len(NOT_ITS_FILTERS)


KEPT = {"session_expiry_interval": 60}


def test_a_user_that_opens_mqtt_sessions_without_end(siege: Siege) -> None:
    token = tokens.make("greedy").encode()
    with siege.attack('rt_mqtt_refused_total{reason="quota_exceeded"}') as service:
        reasons = [connect(service, f"greedy-{n}", token, properties=KEPT) for n in range(60)]
        assert reasons == [0] * 50 + [0x97] * 10
    assert connect(siege.service, "greedy-0", token) == 0  # a session that it has; it ends with the connection
    eventually(lambda: connect(siege.service, "greedy-again", token) == 0)


@pytest.mark.parametrize("stays", [True, False])
def test_a_user_that_takes_the_client_id_of_a_device_does_not_keep_it_away(siege: Siege, stays: bool) -> None:
    mallory, valve = tokens.make("mallory").encode(), tokens.make("valve", kind="device").encode()
    with siege.attack(), RawMqtt(siege.service.mqtt) as squatter:
        assert squatter.connect("valve", username="x", password=mallory, properties=KEPT).reason == 0
        assert squatter.subscribe("rt/out/chat/lobby/+") == [2]
        if not stays:
            squatter.send(Disconnect())
            assert squatter.receive() is None
        with RawMqtt(siege.service.mqtt) as device:
            told = device.connect("valve", clean_start=False, username="x", password=valve)
            assert (told.reason, told.session_present) == (0, False)
            if stays:
                assert squatter.ended_with() == 0x85
            assert connect(siege.service, "valve", mallory) == 0x87, "it cannot take it back"
            assert device.nothing_waits()


def test_a_user_that_comes_back_with_less_than_it_was_granted_gets_no_more_than_that(siege: Siege) -> None:
    def login(*rooms: str) -> dict[str, Any]:
        token = tokens.make("mallory", grants=[{"rooms": rooms, "verbs": ["join"]}])
        return {"username": "x", "password": token.encode(), "clean_start": False, "properties": KEPT}

    with siege.attack('rt_mqtt_refused_total{reason="not_authorized"}') as service:
        with RawMqtt(service.mqtt) as before:
            before.connect("less", **login("/chat:lobby", "/chat:board"))
            assert before.subscribe("rt/out/chat/lobby/+", "rt/out/chat/board/+") == [2, 2]
        say(service, "away")
        with RawMqtt(service.mqtt) as after:
            assert after.connect("less", **login("/chat:lobby")).session_present
            say(service, "back")
            got = [after.expect(Publish) for _ in range(2)]
            assert [(one.topic, json.loads(one.payload)["data"]) for one in got] == [
                ("rt/out/chat/lobby/say", "away"), ("rt/out/chat/lobby/say", "back"),
            ]  # fmt: skip
            assert after.nothing_waits()


def say(service: Service, data: str) -> None:
    """Somebody else, in both rooms."""
    with ways.plain(service, f"token={GOOD}") as ws:
        for room in ("board", "lobby"):
            assert ways.ask(ws, "join", room=room)["ok"]
            assert ways.ask(ws, "publish", room=room, event="say", data=data)["ok"]


def connect(service: Service, client_id: str, token: bytes, **more: Any) -> int:
    with RawMqtt(service.mqtt) as mqtt:
        return mqtt.connect(client_id, username="x", password=token, **more).reason

"""Tokens that are good, and what they do not allow."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

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


def test_a_user_that_opens_mqtt_sessions_without_end(siege: Siege) -> None:
    token, properties = tokens.make("greedy").encode(), {"session_expiry_interval": 2}
    with siege.attack('rt_mqtt_refused_total{reason="quota_exceeded"}') as service:
        reasons = [connect(service, f"greedy-{n}", token, properties=properties) for n in range(60)]
        assert reasons == [0] * 50 + [0x97] * 10
    eventually(lambda: connect(siege.service, "greedy-again", token) == 0)


def connect(service: Service, client_id: str, token: bytes, **more: Any) -> int:
    with RawMqtt(service.mqtt) as mqtt:
        return mqtt.connect(client_id, username="x", password=token, **more).reason

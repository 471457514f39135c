"""Who runs the service looks: sessions, rooms and devices found among many, settings, and what topics become."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from tests.support.mqtt_client import MqttClient
from tests.support.raw_ws import RawWebSocket
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually
from tests.support.ws_client import WsClient


def look(service: Service, what: str, **asked: Any) -> dict[str, Any]:
    answer = requests.get(f"{service.http}/api/v1/{what}", params=asked, timeout=30)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_every_session_says_how_it_came_and_since_when(service: Service) -> None:
    before = time.time() * 1000
    stream = f"{service.http}/api/v1/rooms/chat/ways/stream?user=ways"
    with (
        SocketIoClient(service.http, user="ways"),
        WsClient(service.http, user="ways") as ws,
        MqttClient(service.mqtt, "ways-lamp"),
        requests.get(stream, stream=True, timeout=30),
        requests.get(stream, stream=True, timeout=30, headers={"Accept": "application/x-ndjson"}),
    ):
        ws.ok("join", room="ways")
        found = eventually(
            lambda: (
                (here := look(service, "sessions", filter="ways"))["total"] == 5
                and not any(one["waiting"] for one in here["sessions"])  # they are told of each other
                and here
            )
        )
        assert {one["transport"] for one in found["sessions"]} == {"socketio", "ws", "mqtt", "sse", "ndjson"}
        for one in found["sessions"]:
            assert before - 1000 <= one["since"] <= time.time() * 1000 + 1000
            assert one["namespace"] == (None if one["transport"] == "mqtt" else "/chat")


def test_of_many_sessions_those_are_shown_that_were_looked_for(service: Service) -> None:
    clients = [WsClient(service.http, user=f"Crowd-{n}") for n in range(5)]
    for n, client in enumerate(clients):
        client.ok("join", room=f"crowd-room-{n}")
    assert look(service, "sessions", filter="crowd-room-3")["sessions"][0]["id"] == "Crowd-3"
    some = look(service, "sessions", filter="user:crowd", limit=2)
    assert len(some["sessions"]) == 2 and some["total"] == 5
    assert look(service, "sessions", filter="<script>") == {"sessions": [], "total": 0}
    for client in clients:
        client.close()


def test_a_session_that_does_not_read_stands_first_with_what_waits_for_it() -> None:
    with Service("--set", "limits.publish_burst=100000") as service, WsClient(service.http, user="busy") as busy:
        busy.ok("join", room="r")
        deaf = RawWebSocket(service.http, "/ws?user=deaf", buffer=4096)
        deaf.send('{"op":"join","room":"r","ns":"/chat","ref":1}')
        deaf.text()
        for _ in range(300):  # 15 MB, more than sockets hold
            busy.ok("publish", room="r", event="say", data="x" * 50_000)
            first = look(service, "sessions", limit=1)["sessions"][0]
            if first["id"] == "deaf" and first["waiting"]:
                break
        assert first["id"] == "deaf" and 0 < first["waiting"] <= 1 << 20
        deaf.close()


def test_rooms_of_all_namespaces_are_shown_with_their_members_and_how_far_they_are(service: Service) -> None:
    with WsClient(service.http, "/game", user="a") as a, WsClient(service.http, "/game", user="b") as b:
        for client in (a, b):
            client.ok("join", room="looked-full")
        b.ok("join", room="looked-thin")
        b.ok("publish", room="looked-full", event="say", data=1)
        found = look(service, "rooms", filter="/game:LOOKED-")
        full, thin = found["rooms"]
        assert full == {"namespace": "/game", "room": "looked-full", "members": 2, "offset": 1}
        assert (thin["room"], thin["members"], thin["offset"]) == ("looked-thin", 1, 0)
        assert look(service, "rooms", filter="looked-", limit=1) == {"rooms": [full], "total": 2}
    eventually(lambda: look(service, "rooms", filter="looked-full")["rooms"][0]["members"] == 0)
    assert look(service, "rooms", filter="looked-full")["rooms"][0]["offset"] is None  # nobody is in it


def test_a_device_says_when_it_was_last_heard_of(service: Service) -> None:
    with MqttClient(service.mqtt, "seen-1") as lamp, MqttClient(service.mqtt, "seen-2") as other:
        lamp.publish("devices/seen-1/status", b"online", retain=True)
        other.publish("devices/seen-2/telemetry", {"c": 1})
        eventually(lambda: look(service, "devices", filter="seen-")["total"] == 2)
        first = look(service, "devices", filter="seen-1")["devices"][0]
        eventually(lambda: time.time() * 1000 > first["seen"] + 5)
        lamp.publish("devices/seen-1/telemetry", {"c": 2})
        later = eventually(
            lambda: (d := look(service, "devices", filter="seen-1")["devices"][0])["seen"] > first["seen"] and d
        )
        assert later["since"] == first["since"] and later["online"]
    assert [d["id"] for d in look(service, "devices", filter="SEEN-", limit=1)["devices"]] == ["seen-2"]


@pytest.mark.parametrize("what", ["sessions", "rooms", "devices"])
@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 1001}, {"limit": "many"}, {"filter": "x" * 257}])
def test_more_than_may_be_shown_at_once_is_refused(service: Service, what: str, asked: dict[str, Any]) -> None:
    answer = requests.get(f"{service.http}/api/v1/{what}", params=asked, timeout=30)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_request"


def explained(service: Service, body: Any) -> requests.Response:
    return requests.post(f"{service.http}/api/v1/routes/explain", json=body, timeout=30)


def test_what_a_topic_becomes_is_told_as_the_command_line_does(service: Service) -> None:
    answer = explained(service, {"topic": "devices/pump-1/telemetry"})
    assert answer.status_code == 200
    assert answer.json()["lines"][:2] == [
        "route: devices/{id}/telemetry",
        "publishes event telemetry in room device:pump-1 of /iot",
    ]
    assert "ordinary MQTT" in explained(service, {"topic": "home/<b>kitchen"}).json()["lines"][0]


@pytest.mark.parametrize("topic", ["", "devices/+/telemetry", "a/#", "a\0b", "x" * 1025, "/" * 128, 7, None])
def test_what_is_no_topic_is_refused(service: Service, topic: Any) -> None:
    answer = explained(service, {"topic": topic})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_request"


def test_the_settings_in_effect_are_shown_without_their_secrets() -> None:
    secrets = ("--set", "bridge.password=hunter2", "--set", "store.url=postgresql+psycopg://u:hunter2@h/d")
    with Service(*secrets, "--set", "limits.publishes_per_s=17") as service:
        shown = look(service, "settings")["settings"]
    assert shown["limits"]["publishes_per_s"] == 17 and shown["server"]["port"] == 0
    assert "hunter2" not in json.dumps(shown) and "*****" in shown["bridge"]["password"]

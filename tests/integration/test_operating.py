"""Who runs the service: sees who is in, ends sessions, takes tokens back; nobody else does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support import tokens
from tests.support.http_client import Stream
from tests.support.mqtt_client import MqttClient
from tests.support.service import Service
from tests.support.token_mode import (
    NOT_AUTHORIZED,
    SocketIo,
    bearer,
    device,
    operate,
    room,
    token_mode,
    ws,
)
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with token_mode() as running:
        yield running


def test_who_runs_the_service_sees_who_is_in_and_ends_sessions(service: Service) -> None:
    with ws(service, tokens.make("kicked-1")) as client, device(service, "kicked-2") as lamp:
        client.ok("join", room="lobby")
        here = {one["id"]: one for one in operate(service, "GET", "/sessions").json()["sessions"]}
        assert here["kicked-1"]["rooms"] == ["lobby"] and here["kicked-1"]["namespace"] == "/chat"
        assert here["kicked-2"]["sid"] == "mqtt:kicked-2" and here["kicked-2"]["role"] == "device"
        for id in ("kicked-1", "kicked-2"):
            assert operate(service, "DELETE", f"/sessions/{here[id]['sid']}").status_code == 204
        eventually(lambda: client.closed)
        (closing,) = client.pushed("closing")
        assert closing["code"] == "kicked" and closing["reconnect"] is False
        eventually(lambda: lamp.disconnected)
        assert operate(service, "DELETE", "/sessions/nobody").status_code == 404
    assert {event["sid"] for event in service.events("kicked")} >= {"mqtt:kicked-2"}


def test_a_revoked_account_is_out_on_every_way_in(service: Service) -> None:
    old = {"iat": int(time.time()) - 60}
    token, own = tokens.make("gone", **old), tokens.make("gone", kind="device", **old)
    stream = Stream("NDJSON", room(service, "lobby"), "nobody", headers=bearer(token))
    with (
        SocketIo(service, token) as sio,
        ws(service, token) as plain,
        MqttClient(service.mqtt, "gone", login=("", own)) as lamp,
    ):
        plain.ok("join", room="lobby")
        assert sio.ask("join", room="lobby")["ok"]
        for kind in ("user", "device"):
            answer = operate(service, "POST", "/revocations", json={"of": f"{kind}:gone"})
            assert answer.status_code == 200 and answer.json()["ended"] >= 1
        eventually(lambda: plain.closed and stream.over and lamp.disconnected and not sio.client.connected)
        assert plain.pushed("closing")[0]["code"] == "kicked"
    with SocketIo(service, token) as again:
        assert again.refusals[0]["data"]["code"] == "unauthorized"
    assert requests.get(room(service, "lobby") + "/members", headers=bearer(token), timeout=30).status_code == 401
    with MqttClient(service.mqtt, "gone", login=("", own)) as again:
        assert again.reason.value in NOT_AUTHORIZED


@pytest.mark.parametrize("body", [{}, {"of": "alice"}, {"of": "robot:a"}, {"of": "user:a b"}, {"of": 7}, []])
def test_a_revocation_that_says_nothing_is_refused(service: Service, body: Any) -> None:
    answer = operate(service, "POST", "/revocations", json=body)
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "bad_request"


def test_only_who_runs_the_service_may_operate_and_look(service: Service) -> None:
    alice = tokens.make("alice")
    for method, path, body in (
        ("GET", "/sessions", None),
        ("DELETE", "/sessions/x", None),
        ("POST", "/revocations", {"of": "user:bob"}),
        ("GET", "/dead-letters", None),
        ("GET", "/devices", None),
        ("GET", "/rooms", None),
        ("GET", "/settings", None),
        ("POST", "/routes/explain", {"topic": "devices/a/telemetry"}),
    ):
        assert operate(service, method, path, alice, json=body).status_code == 403, path
        assert requests.request(method, f"{service.http}/api/v1{path}", json=body, timeout=30).status_code == 401, path
    assert requests.get(service.http + "/metrics", timeout=30).status_code == 401
    assert requests.get(service.http + "/livez", timeout=30).status_code == 200
    eventually(lambda: requests.get(service.http + "/readyz", timeout=30).status_code == 200)
    assert service.get("/metrics")[0] == 200  # with the token that was granted to look


def test_settings_are_for_admins_and_not_for_whoever_may_look(service: Service) -> None:
    looks = {path: service.get(f"/api/v1{path}")[0] for path in ("/rooms", "/devices", "/settings")}
    assert looks == {"/rooms": 200, "/devices": 200, "/settings": 403}
    settings = operate(service, "GET", "/settings").json()["settings"]
    assert settings["auth"]["mode"] == "token" and tokens.SECRET not in str(settings)

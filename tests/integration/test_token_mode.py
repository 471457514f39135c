"""Token mode over every way in: who has no good token is nobody, and who has one may what it says."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from websockets.sync.client import connect as ws_connect

from rt_client import Client, RtError
from tests.support import tokens
from tests.support.http_client import Refused, Stream
from tests.support.mqtt_client import MqttClient
from tests.support.raw_ws import RawWebSocket
from tests.support.service import ROOT, Service
from tests.support.token_mode import (
    ADMIN,
    NOT_AUTHORIZED,
    SocketIo,
    bearer,
    device,
    room,
    token_mode,
    ws,
)
from tests.support.waiting import eventually
from tests.support.ws_client import WsClient

BAD = ["", "nonsense", tokens.make(key="x" * 32), tokens.make(exp=int(time.time()) - 60)]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with token_mode() as running:
        yield running


@pytest.mark.parametrize("token", BAD, ids=range(len(BAD)))
def test_over_no_way_in_is_somebody_let_in_without_a_good_token(service: Service, token: str) -> None:
    codes = {"unauthorized", "token_expired"}
    for transport in ("websocket", "polling"):
        with SocketIo(service, token, transport=transport) as client:
            assert client.refusals[0]["data"]["code"] in codes
    with ws(service, token) as client:
        assert client.refused("join", room="lobby") in codes
        assert client.refused("auth", token=token) in codes
    for path in ("/stream", "/publications", "/members", "/publications?wait=1"):
        for reply in (
            requests.get(room(service, "lobby") + path, headers=bearer(token), timeout=30),
            requests.get(room(service, "lobby") + path, {"token": token}, timeout=30),
        ):
            assert reply.status_code == 401 and reply.json()["error"]["code"] in codes
            assert reply.headers["WWW-Authenticate"] == "Bearer"
    body = {"event": "say", "data": 1}
    assert (
        requests.post(
            room(service, "lobby") + "/publications", json=body, headers=bearer(token), timeout=30
        ).status_code
        == 401
    )
    for version in (4, 5):
        with MqttClient(service.mqtt, "lamp", version=version, login=("lamp", token)) as device:
            assert device.reason.value in NOT_AUTHORIZED


def test_a_token_gets_in_over_every_way(service: Service) -> None:
    token = tokens.make("alice", info={"name": "Alice"})
    with SocketIo(service, token) as sio, ws(service, token) as plain:
        assert sio.ask("join", room="ways")["ok"]
        (member,) = plain.ok("join", room="ways")["members"]
        assert (member["kind"], member["id"], member["info"]) == ("user", "alice", {"name": "Alice"})
        stream = Stream("Server-Sent Events", room(service, "ways"), "nobody", headers=bearer(token))
        body = {"event": "say", "data": 1}
        kept = requests.post(room(service, "ways") + "/publications", json=body, headers=bearer(token), timeout=30)
        assert kept.status_code == 201
        eventually(lambda: len(plain.publications) == len(stream.publications) == 1)
        assert plain.publications[0]["from"] == {"kind": "user", "id": "alice"}
        stream.close()


def test_on_a_plain_websocket_the_token_may_come_in_the_header_or_first(service: Service) -> None:
    token = tokens.make("alice")
    url = service.http.replace("http", "ws", 1) + "/ws"
    with ws_connect(url, additional_headers=bearer(token)) as socket:
        socket.send('{"op":"join","ns":"/chat","ref":1,"room":"lobby"}')
        assert '"ok":true' in socket.recv(30)
    with WsClient(service.http) as client:
        assert client.ask("auth", {"token": token})["ok"]
        client.ok("join", room="lobby")


def test_a_token_lets_into_what_it_was_granted_and_nothing_else(service: Service) -> None:
    grants = [{"rooms": ["/chat:lobby"], "verbs": ["join", "publish:say"]}]
    token = tokens.make("guest", grants=grants)
    with ws(service, token) as client:
        client.ok("join", room="lobby")
        client.ok("publish", room="lobby", event="say", data=1)
        assert client.refused("publish", room="lobby", event="shout", data=1) == "forbidden"
        assert client.refused("join", room="other") == "forbidden"
        assert client.refused("history", room="lobby") == "forbidden"
        assert client.refused("call", to="user:alice", method="m") == "forbidden"
    assert requests.get(room(service, "other") + "/stream", headers=bearer(token), timeout=30).status_code == 403
    assert requests.get(room(service, "lobby") + "/publications", headers=bearer(token), timeout=30).status_code == 403
    body = {"event": "shout", "data": 1}
    denied = requests.post(room(service, "lobby") + "/publications", json=body, headers=bearer(token), timeout=30)
    assert denied.status_code == 403 and denied.json()["error"]["code"] == "forbidden"


def test_nobody_speaks_for_somebody_else(service: Service) -> None:
    token = tokens.make("mallory")
    with ws(service, token, user="alice") as client:
        client.ok("join", room="forged")
        client.ok(
            "publish", room="forged", event="say", data={"from": {"kind": "user", "id": "alice"}}, **{"from": "alice"}
        )
        eventually(lambda: client.publications)
        assert client.publications[0]["from"] == {"kind": "user", "id": "mallory"}
        assert client.refused("join", room="user:alice") == "forbidden"


def test_a_device_has_its_own_topics_and_no_others(service: Service) -> None:
    viewer = ws(service, tokens.make("viewer", kind="service"), namespace="/iot")
    with device(service) as lamp, device(service, "pump") as pump, viewer as page:
        page.ok("join", room="device:lamp")
        page.ok("join", room="device:pump")
        pump.subscribe("devices/pump/#")
        assert pump.granted == [1]
        for filter in ("devices/lamp/#", "devices/+/telemetry", "#", "rt/out/#", "rt/out/iot/device:lamp/+", "$SYS/#"):
            lamp_granted = pump.subscribe(filter).granted
            assert lamp_granted == [0x87], filter
        assert pump.subscribe("$share/g/devices/lamp/#").granted == [0x87]
        assert pump.publish("devices/lamp/telemetry", {"forged": True}) == 0x87
        assert pump.publish("devices/lamp/status", b"offline") == 0x87
        assert pump.publish("rt/in/iot/device:lamp/telemetry", {"forged": True}) == 0x87
        assert pump.publish("anything/else", b"x") == 0x87
        lamp.publish("devices/lamp/telemetry", {"c": 1})
        pump.publish("devices/pump/telemetry", {"c": 2})
        eventually(lambda: len(page.publications) == 2)
        assert [p["data"] for p in page.publications] == [{"c": 1}, {"c": 2}]


def test_a_device_may_be_granted_a_room(service: Service) -> None:
    grants = [{"rooms": ["/chat:lobby"], "verbs": ["join", "publish"]}]
    with device(service, "speaker", grants=grants) as speaker, ws(service, tokens.make("alice")) as page:
        page.ok("join", room="lobby")
        assert speaker.subscribe("rt/out/chat/lobby/#").granted == [1]
        assert speaker.subscribe("rt/out/chat/other/#").granted == [0x87]
        assert speaker.publish("rt/in/chat/lobby/say", {"text": "ding"}) in (None, 0, 0x10)
        eventually(lambda: page.publications)
        assert page.publications[0]["from"] == {"kind": "device", "id": "speaker"}
        assert speaker.publish("rt/in/chat/other/say", {"text": "ding"}) == 0x87


def test_no_device_takes_the_place_of_another(service: Service) -> None:
    with device(service, "lamp") as lamp:
        with device(service, "pump", client_id="lamp") as thief:
            assert thief.reason.value in (0x85, 0x87)
        assert not lamp.disconnected and lamp.client.is_connected()


@pytest.mark.parametrize("connected", [True, False])
def test_a_device_comes_in_although_somebody_sits_on_its_client_id(service: Service, connected: bool) -> None:
    name = f"valve-{connected}"

    def sits() -> MqttClient:
        return MqttClient(service.mqtt, name, expiry_s=600, login=("", tokens.make("mallory")))

    with sits() as mallory:
        assert not mallory.reason.is_failure
        if not connected:
            mallory.drop()
        token = tokens.make(name, kind="device")
        with MqttClient(service.mqtt, name, clean=False, login=("", token)) as valve:
            assert not valve.reason.is_failure and not valve.session_present
            eventually(lambda: mallory.disconnected or not connected)
            with sits() as again:
                assert again.reason.is_failure
            assert not valve.disconnected


def test_a_will_may_not_say_what_its_device_may_not(service: Service) -> None:
    token = tokens.make("pump", kind="device")
    will = ("devices/lamp/status", b"offline", 1, True)
    with MqttClient(service.mqtt, "pump", login=("", token), will=will) as thief:
        assert thief.reason.value == 0x87


def test_a_session_is_told_when_its_token_expires_and_refreshed_goes_on(service: Service) -> None:
    soon = int(time.time()) + 6  # all of them come in before
    grown = tokens.make("bob", exp=int(time.time()) + 600)
    with ws(service, tokens.make("bob", exp=soon)) as refreshed, ws(service, tokens.make("eve", exp=soon)) as expires:
        refreshed.ok("join", room="r")
        expires.ok("join", room="r")
        assert refreshed.ok("refresh", token=grown)["expires_at"] > soon
        with device(service, "short", exp=soon) as short:
            eventually(lambda: expires.pushed("closing"))
            assert expires.pushed("closing")[0]["code"] == "token_expired"
            eventually(lambda: expires.closed)
            eventually(lambda: short.disconnected)
        refreshed.ok("ping")
        assert refreshed.closed is None
    assert service.metric("rt_sessions_closed_total", reason="token_expired") >= 2


def test_every_refusal_is_counted_and_no_token_is_written_down(service: Service) -> None:
    before = service.metric("rt_refused_total", code="unauthorized")
    with ws(service, "nonsense-that-must-not-be-logged") as client:
        client.refused("ping")
    assert service.metric("rt_refused_total", code="unauthorized") == before + 1
    good = tokens.make("alice")
    with ws(service, good) as client:
        client.ok("ping")
    for secret in ("nonsense-that-must-not-be-logged", good, tokens.SECRET):
        assert secret not in service.log


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "run.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30)


def test_the_commands_take_a_token_and_say_when_one_is_needed(service: Service, tmp_path: Path) -> None:
    url, token = ("--url", service.http), ("--token", ADMIN)
    for told in (
        command("publish", "/chat", "commands", "say", "1", *url),
        command("tail", "/chat", "commands", "--count", "1", *url),
        command("dead-letters", *url),
        command("export", "/chat", "commands", *url),
    ):
        assert (
            told.returncode == 1 and "a token is needed: --token TOKEN" in told.stderr and told.stderr.count("\n") == 1
        )
    assert '"offset": 1' in command("publish", "/chat", "commands", "say", "1", *url, *token).stdout
    file = tmp_path / "room.jsonl"
    assert command("export", "/chat", "commands", "--out", str(file), *url, *token).returncode == 0
    assert command("replay", str(file), "--into", "/chat/again", "--speed", "max", *url, *token).returncode == 0
    assert command("dead-letters", *url, *token).returncode == 0


def test_the_key_that_is_made_on_the_first_start_is_the_one_that_token_signs_with() -> None:
    with Service("--set", "auth.mode=token") as service:
        token = command("token", "--sub", "alice", "--data-dir", str(service.data)).stdout.strip()
        with ws(service, token) as client:
            client.ok("join", room="lobby")
        assert (service.data / "token.key").read_text() not in service.log


def test_a_foreign_page_is_refused_whatever_token_it_has(service: Service) -> None:
    with RawWebSocket(service.http, f"/ws?token={tokens.make()}", {"Origin": "https://evil.example"}) as client:
        assert client.status == 403


@pytest.mark.parametrize("way", ["NDJSON", "Server-Sent Events"])
def test_a_stream_ends_with_its_token(service: Service, way: str) -> None:
    def opened() -> tuple[str, Stream] | None:
        token = tokens.make("reader", exp=int(time.time()) + 2)
        try:
            return token, Stream(way, room(service, "ends"), "nobody", headers=bearer(token))
        except Refused:
            return None  # it expired on the way

    token, stream = eventually(opened)
    eventually(lambda: stream.over)
    assert [body["code"] for name, body in stream.others if name == "closing"] == ["token_expired"]
    with pytest.raises(Refused):
        Stream(way, room(service, "ends"), "nobody", headers=bearer(token))


def test_the_python_client_comes_with_a_token_or_is_told_why_not(service: Service) -> None:
    with Client(service.http, token=tokens.make("alice")) as chat:
        assert chat.join("python").publish("say", 1).offset == 1
    for token, code in ((None, "unauthorized"), (tokens.make(exp=int(time.time()) - 60), "token_expired")):
        with pytest.raises(RtError) as refused:
            Client(service.http, token=token).connect()
        assert refused.value.code == code


def test_a_python_client_comes_back_with_a_new_token_when_the_old_one_expires(service: Service) -> None:
    given: list[str] = []

    def token() -> str:
        given.append(tokens.make("renewed", exp=int(time.time()) + (6 if not given else 600)))
        return given[-1]

    with Client(service.http, token=token) as chat:
        room = chat.join("renewed")
        closed: list[str] = []
        chat.on_closing(lambda closing: closed.append(closing.code))
        eventually(lambda: len(given) == 2)
        assert room.publish("say", 1).offset == 1 and closed == ["token_expired"]

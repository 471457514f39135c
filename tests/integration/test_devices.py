"""Devices and browsers in the same rooms: the same tests over the embedded broker and over outside ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from tests.support.mosquitto import Mosquitto
from tests.support.mqtt_client import MqttClient
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually


class Setup(NamedTuple):
    """`broker` is where devices connect; `service` has the rooms."""

    kind: str
    service: Service
    broker: str


@pytest.fixture(scope="module", params=["embedded", "mosquitto", "mosquitto, MQTT 3.1.1", "another service's broker"])
def setup(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with ExitStack() as stack:
        if request.param == "embedded":
            service = stack.enter_context(Service())
            yield Setup(request.param, service, service.mqtt)
            return
        if request.param.startswith("mosquitto"):
            outside = stack.enter_context(Mosquitto()).url
        else:  # a service without routes is an ordinary broker
            no_routes = tmp_path_factory.mktemp("config") / "routes.toml"
            no_routes.touch()
            outside = stack.enter_context(Service("--set", f"routes.file={no_routes}")).mqtt
        version = ["--set", "bridge.protocol=3.1.1"] if "3.1.1" in request.param else []
        service = stack.enter_context(Service("--mqtt-url", outside, *version))
        eventually(lambda: service.get("/readyz")[0] == 200)
        assert service.mqtt == outside
        yield Setup(request.param, service, outside)


@pytest.fixture(params=[5, 4], ids=["MQTT 5 device", "MQTT 3.1.1 device"])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def browser(setup: Setup, *rooms: str, namespace: str = "/iot") -> SocketIoClient:
    client = SocketIoClient(setup.service.http, namespace)
    for room in rooms:
        client.ok("join", room=room)
    return client


def test_telemetry_reaches_the_browser_with_the_device_as_its_author(setup: Setup, version: int) -> None:
    with browser(setup, "device:pump-1") as page, MqttClient(setup.broker, version=version) as device:
        device.publish("devices/pump-1/telemetry", {"c": 21.5 + version})
        seen = page.sees("telemetry", {"c": 21.5 + version})
        assert seen["from"] == {"kind": "device", "id": "pump-1"} and seen["room"] == "device:pump-1"
    with browser(setup) as late:
        assert late.ok("join", room="device:pump-1")["latest"][0]["data"] == {"c": 21.5 + version}


def test_a_device_publishes_into_any_room(setup: Setup, version: int) -> None:
    with browser(setup, "lobby", namespace="/chat") as page, MqttClient(setup.broker, version=version) as device:
        device.publish("rt/in/chat/lobby/say", {"text": f"hello {version}"}, qos=2)
        page.sees("say", {"text": f"hello {version}"})


def test_messages_of_one_device_keep_their_order(setup: Setup, version: int) -> None:
    with browser(setup, f"device:order-{version}") as page, MqttClient(setup.broker, version=version) as device:
        for n in range(200):
            device.client.publish(f"devices/order-{version}/events/count", json.dumps(n), qos=1)
        eventually(lambda: len(page.publications) == 200)
        assert [p["data"] for p in page.publications] == list(range(200))


def test_a_browsers_publication_reaches_a_device_whole(setup: Setup, version: int) -> None:
    room = f"out-{version}"
    with browser(setup, room, namespace="/chat") as page, MqttClient(setup.broker, version=version) as device:
        device.subscribe("rt/out/#")
        answer = page.ok("publish", room=room, event="say", data={"text": "hi"})
        message = json.loads(device.sees(f"rt/out/chat/{room}/say").payload)
        assert message == page.sees("say") and message["offset"] == answer["offset"]


def test_a_volatile_publication_does_not_go_to_devices(setup: Setup) -> None:
    with browser(setup, "vol", namespace="/game") as page, MqttClient(setup.broker) as device:
        device.subscribe("rt/out/game/vol/#")
        page.ok("publish", room="vol", event="a", data=1, **{"class": "volatile"})
        page.ok("publish", room="vol", event="b", data=2, **{"class": "latest"}, key="k")
        device.sees("rt/out/game/vol/b")
        assert [m.topic for m in device.messages] == ["rt/out/game/vol/b"]


def test_what_a_device_publishes_comes_out_once_and_never_loops(setup: Setup) -> None:
    with MqttClient(setup.broker) as device, browser(setup, "loop", namespace="/chat") as page:
        device.subscribe("rt/out/chat/loop/+")
        device.publish("rt/in/chat/loop/say", 1)
        device.sees("rt/out/chat/loop/say")
        page.ok("publish", room="loop", event="end", data=2)
        device.sees("rt/out/chat/loop/end")
        assert [m.topic for m in device.messages] == ["rt/out/chat/loop/say", "rt/out/chat/loop/end"]


def answer_calls(device: MqttClient, id: str, say: Any, by_property: bool = False) -> None:
    """Answer every call to device `id`, at the topic of the contract or at the one MQTT 5 names."""

    def on_call(client: Any, userdata: Any, message: Any) -> None:
        call_id, method = message.topic.split("/")[3:]
        topic, data = say(method, json.loads(message.payload))
        reply = message.properties.ResponseTopic if by_property else f"devices/{id}/replies/{call_id}"
        client.publish(reply + topic, json.dumps(data), qos=1)

    device.client.on_message = on_call
    device.subscribe(f"devices/{id}/calls/+/+")


@pytest.mark.parametrize("by_property", [False, True], ids=["by topic", "by response topic"])
def test_a_call_to_a_device_is_answered_by_it(setup: Setup, version: int, by_property: bool) -> None:
    by_property = by_property and version == 5 and "3.1.1" not in setup.kind  # only MQTT 5 has response topics
    id = f"called-{version}"
    with browser(setup) as page, MqttClient(setup.broker, version=version) as device:
        answer_calls(device, id, lambda method, data: ("", {"did": method, "with": data}), by_property)
        answer = page.ok("call", to=f"device:{id}", method="set", data={"c": 24})
        assert answer["data"] == {"did": "set", "with": {"c": 24}}


def test_a_devices_failure_reaches_the_caller(setup: Setup) -> None:
    with browser(setup) as page, MqttClient(setup.broker) as device:
        answer_calls(device, "stuck", lambda method, data: ("/error", {"code": "conflict", "message": "valve stuck"}))
        error = page.ask("call", {"to": "device:stuck", "method": "open"})["error"]
        assert error["code"] == "conflict" and "valve stuck" in error["message"]


def test_a_call_to_a_device_that_is_not_there_fails_at_once_or_in_time(setup: Setup) -> None:
    with browser(setup) as page:
        told_at_once = "3.1.1" not in setup.kind
        code = page.refused("call", to="device:ghost", method="m", timeout_ms=20_000 if told_at_once else 300)
        assert code == ("not_online" if told_at_once else "timeout")


def test_something_sent_to_a_device_alone_reaches_it(setup: Setup) -> None:
    with browser(setup) as page, MqttClient(setup.broker) as device:
        device.subscribe("devices/alone/inbox/+")
        page.ok("send", to="device:alone", event="hello", data=1)
        message = json.loads(device.sees("devices/alone/inbox/hello").payload)
        assert (message["room"], message["data"]) == (None, 1)


def test_a_device_that_is_switched_off_is_shown_offline_by_its_will(setup: Setup, version: int) -> None:
    id = f"will-{version}"
    with browser(setup, f"device:{id}") as page:
        device = MqttClient(setup.broker, version=version, will=(f"devices/{id}/status", b"offline", 1, True))
        device.publish(f"devices/{id}/status", b"online", retain=True)
        eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online"])
        [shown] = [m for m in page.ok("presence", room=f"device:{id}")["members"] if m["kind"] == "device"]
        assert (shown["id"], shown["sessions"]) == (id, 1) and shown["info"]["since"] <= page.ok("ping")["at"]
        device.drop()
        eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online", "offline"])


def test_a_device_that_falls_silent_is_shown_offline_within_its_keepalive(setup: Setup) -> None:
    with browser(setup, "device:silent") as page:
        device = MqttClient(setup.broker, keepalive=3, will=("devices/silent/status", b"offline", 1, True))
        device.publish("devices/silent/status", b"online", retain=True)
        eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online"])
        device.client.loop_stop()  # no more pings; the connection itself stays
        eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online", "offline"])
        device.client.socket().close()


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("devices/bad-1/telemetry", b"{bad", "invalid_data"),
        ("rt/in/chat/a b/say", b"1", "invalid_room"),
        ("rt/in/chat", b"1", "no_route"),
        ("rt/in/nowhere/lobby/say", b"1", "not_found"),
    ],
)
def test_a_message_that_means_nothing_is_a_dead_letter_and_hurts_nobody(
    setup: Setup, topic: str, payload: bytes, reason: str
) -> None:
    with MqttClient(setup.broker) as device, browser(setup, "device:bad-2") as page:
        counted = setup.service.metric("rt_dead_letters_total", reason=reason)
        device.publish(topic, payload)
        device.publish("devices/bad-2/events/after", json.dumps(topic))
        page.sees("after", topic)
        assert setup.service.metric("rt_dead_letters_total", reason=reason) == counted + 1
        letters = setup.service.get("/api/v1/dead-letters?limit=1")[1]["dead_letters"]
        assert (letters[0]["topic"], letters[0]["reason"]) == (topic, reason)


def test_a_device_finds_what_it_should_be_and_says_what_it_is(setup: Setup, version: int) -> None:
    id = f"twin-{version}"
    with browser(setup, f"device:{id}") as page:
        page.ok("twin.update", device=id, desired={"c": 20, "fan": {"on": True}})
        with MqttClient(setup.broker, version=version) as device:
            device.subscribe(f"devices/{id}/twin/desired")
            wanted = json.loads(device.sees(f"devices/{id}/twin/desired").payload)
            assert wanted == {"desired": {"c": 20, "fan": {"on": True}}, "version": 1}
            device.publish(f"devices/{id}/twin/reported", {"c": 20})
            eventually(lambda: page.ok("twin", device=id)["reported"] == {"c": 20})
            page.ok("twin.update", device=id, desired={"fan": None})
            eventually(lambda: len(device.payloads(f"devices/{id}/twin/desired")) == 2)
            assert json.loads(device.payloads(f"devices/{id}/twin/desired")[1])["desired"] == {"c": 20}
        told = [p["data"]["delta"] for p in page.publications if p["event"] == "twin"]
        assert told[1:] == [{"reported": {"c": 20}}, {"desired": {"fan": None}}]

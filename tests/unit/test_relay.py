"""Devices' messages into the rooms, without a broker."""

from __future__ import annotations

from typing import Any

import pytest

from rt_service import settings
from rt_service.core.errors import RtError, Unavailable
from rt_service.core.model import Identity, known_as
from rt_service.core.stream import StreamBounds
from rt_service.devices.registry import Devices
from rt_service.engines.memory import MemoryEngine
from rt_service.mqtt import routes
from rt_service.mqtt.dead_letters import DeadLetters
from rt_service.mqtt.relay import Message, Outcome, Relay
from tests.support.clock import ManualClock
from tests.support.core import Client, Core

CONNECTION = known_as(Identity("device", "esp-7"))


class Setup:
    def __init__(self, core: Core | None = None) -> None:
        self.core = core or Core()
        store = MemoryEngine(self.core.clock, StreamBounds())
        self.letters = DeadLetters(self.core.metrics, store, bound=3, payload_bytes=8)
        devices = Devices(self.core.hub, MemoryEngine(self.core.clock, StreamBounds()), self.core.clock)
        self.relay = Relay(
            routes.load(settings.config_dir() / "routes.toml"), self.core.api, devices, self.core.calls, self.letters,
            self.core.clock,
        )  # fmt: skip
        self.page: Client = self.core.client("page", namespace="/iot")
        self.page.ok("join", room="device:pump-1")

    def receive(self, topic: str, payload: bytes = b"1", **more: Any) -> Outcome | RtError:
        outcomes: list[Outcome | RtError] = []
        self.relay.receive(Message(topic, payload, CONNECTION, **more), outcomes.append)
        (outcome,) = outcomes
        return outcome

    def dead(self, topic: str, payload: bytes = b"1") -> str:
        assert self.receive(topic, payload) is Outcome.DEAD
        return self.letters.newest(1)[0].reason


@pytest.fixture
def setup() -> Setup:
    return Setup()


def test_telemetry_is_seen_in_the_devices_room_and_told_to_who_comes_later(setup: Setup) -> None:
    assert setup.receive("devices/pump-1/telemetry", b'{"c":21.5}') is Outcome.TAKEN
    (seen,) = setup.page.publications
    assert (seen["event"], seen["data"], seen["from"], seen["offset"]) == (
        "telemetry", {"c": 21.5}, {"kind": "device", "id": "pump-1"}, 1,
    )  # fmt: skip
    late = setup.core.client(namespace="/iot").ok("join", room="device:pump-1")
    assert [(p["key"], p["data"]) for p in late["latest"]] == [("telemetry", {"c": 21.5})]


def test_a_message_into_any_room_is_from_the_connections_own_identity(setup: Setup) -> None:
    chat = setup.core.client(namespace="/chat")
    chat.ok("join", room="lobby")
    setup.receive("rt/in/chat/lobby/say", b'{"text":"hi"}')
    assert chat.publications[0]["from"] == {"kind": "device", "id": "esp-7"}


def test_a_device_that_says_so_is_online_until_its_will(setup: Setup) -> None:
    setup.receive("devices/pump-1/status", b"online")
    setup.receive("devices/pump-1/status", b"online")
    assert [m["kind"] for m in setup.page.ok("presence", room="device:pump-1")["members"]] == ["user", "device"]
    setup.receive("devices/pump-1/status", b"offline")
    assert [(p["action"], p["member"]["id"]) for p in setup.page.pushes] == [
        ("online", "pump-1"),
        ("offline", "pump-1"),
    ]


def test_a_retained_message_of_earlier_is_no_news(setup: Setup) -> None:
    setup.receive("devices/pump-1/telemetry", b'{"c":1}', stale=True)
    assert setup.page.ok("history", room="device:pump-1")["publications"] == []
    assert [p["data"] for p in setup.core.client(namespace="/iot").ok("join", room="device:pump-1")["latest"]] == [
        {"c": 1}
    ]


def test_a_topic_of_no_route_is_left_alone(setup: Setup) -> None:
    assert setup.receive("home/kitchen") is Outcome.UNROUTED
    assert len(setup.letters) == 0


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("devices/pump-1/telemetry", b"{bad", "invalid_data"),
        ("devices/pump-1/telemetry", b"x" * 70_000, "invalid_data"),
        ("devices/pump-1/telemetry", b'"' + b"x" * 70_000 + b'"', "too_large"),
        ("devices/pump 1/telemetry", b"1", "bad_request"),
        ("devices/pump-1/status", b"sleeping", "bad_request"),
        ("devices/pump-1/events/a b", b"1", "invalid_event"),
        ("devices/pump-1/events/presence", b"1", "invalid_event"),
        ("devices/pump-1/nonsense", b"1", "no_route"),
        ("devices/pump-1/replies/none", b"1", "not_found"),
        ("rt/in/chat/a b/say", b"1", "invalid_room"),
        ("rt/in/nowhere/lobby/say", b"1", "not_found"),
        ("rt/in/chat", b"1", "no_route"),
    ],
)
def test_what_cannot_be_taken_is_a_counted_dead_letter(setup: Setup, topic: str, payload: bytes, reason: str) -> None:
    assert setup.dead(topic, payload) == reason
    assert setup.core.count(setup.core.metrics.dead_letters, reason=reason) == 1
    assert setup.page.publications == []


def test_a_dead_letter_says_what_came_and_why(setup: Setup) -> None:
    setup.dead("devices/pump-1/telemetry", b"\xff{bad and long")
    letter = setup.letters.newest(1)[0].as_dict()
    assert letter["topic"] == "devices/pump-1/telemetry" and letter["from"] == "device:esp-7"
    assert (letter["payload"], letter["size"]) == ("\\xff{bad an", 14)
    assert "JSON" in letter["message"] and letter["at"] == setup.core.clock.ms()


def test_only_the_newest_dead_letters_are_kept_but_all_are_counted(setup: Setup) -> None:
    for n in range(5):
        setup.dead(f"rt/in/{n}")
    assert [letter.topic for letter in setup.letters.newest(10)] == ["rt/in/4", "rt/in/3", "rt/in/2"]
    assert setup.core.count(setup.core.metrics.dead_letters, reason="no_route") == 5


def test_a_reply_answers_only_the_call_of_the_device_that_was_asked(setup: Setup) -> None:
    call = setup.core.calls.open(Identity("device", "pump-1"))
    assert setup.dead(f"devices/other/replies/{call.id}") == "not_found"
    assert setup.receive(f"devices/pump-1/replies/{call.id}", b'{"ok":1}') is Outcome.TAKEN
    assert setup.core.calls.wait(call, 0) == {"ok": 1}


def test_a_devices_failure_ends_the_call_with_its_message(setup: Setup) -> None:
    from rt_service.core.errors import Conflict

    call = setup.core.calls.open(Identity("device", "pump-1"))
    setup.receive(f"devices/pump-1/replies/{call.id}/error", b'{"code":"conflict","message":"valve stuck"}')
    with pytest.raises(Conflict, match="valve stuck"):
        setup.core.calls.wait(call, 0)


def test_what_cannot_be_kept_now_is_not_acknowledged() -> None:
    class Down(MemoryEngine):
        def publish(self, publication: Any, done: Any) -> None:
            done(Unavailable("disk full"))

    setup = Setup(Core(engine=Down(ManualClock(), StreamBounds())))
    assert isinstance(setup.receive("devices/pump-1/telemetry"), Unavailable)
    assert len(setup.letters) == 0

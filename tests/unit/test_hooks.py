"""What an application adds to publishing."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from rt_service.core.errors import Forbidden, RtError
from rt_service.core.model import Identity, known_as
from rt_service.hooks import Said
from tests.support.core import Client, Core


@pytest.fixture
def core() -> Core:
    return Core()


@pytest.fixture
def alice(core: Core) -> Client:
    client = core.client("alice")
    client.ok("join", room="r")
    return client


def test_a_hook_sees_what_is_said_and_by_whom(core: Core, alice: Client) -> None:
    seen: list[Said] = []
    core.api.publishing.hooks.add("/chat", "say", seen.append)
    alice.ok("publish", room="r", event="say", data=1, key="k")
    alice.ok("publish", room="r", event="other", data=2)
    (said,) = seen
    assert (said.namespace, said.room, said.event, said.data, said.key) == ("/chat", "r", "say", 1, "k")
    assert said.sender == Identity("user", "alice")


def test_what_a_hook_puts_there_is_what_is_kept(core: Core, alice: Client) -> None:
    def double(said: Said) -> None:
        said.data *= 2

    core.api.publishing.hooks.add("/chat", "*", double)
    core.api.publishing.hooks.add("/chat", "say", double)
    alice.ok("publish", room="r", event="say", data=3)
    alice.ok("publish", room="r", event="other", data=3)
    assert alice.data() == [12, 6]
    assert [p["data"] for p in alice.ok("history", room="r")["publications"]] == [12, 6]


def test_hooks_run_in_their_order_and_those_for_every_event_first(core: Core, alice: Client) -> None:
    ran: list[str] = []
    for event, name in (("say", "first"), ("say", "second"), ("*", "every"), ("*", "every again")):
        core.api.publishing.hooks.add("/chat", event, lambda said, name=name: ran.append(name))
    core.api.publishing.hooks.add("/game", "*", lambda said: ran.append("elsewhere"))
    alice.ok("publish", room="r", event="say", data=1)
    assert ran == ["every", "every again", "first", "second"]


def test_a_refusal_of_a_hook_reaches_who_published_and_nobody_else(core: Core, alice: Client) -> None:
    def refuse(said: Said) -> None:
        raise Forbidden("not here")

    core.api.publishing.hooks.add("/chat", "say", refuse)
    answer = alice.ask("publish", {"room": "r", "event": "say", "data": 1})
    assert answer["error"] == {"code": "forbidden", "message": "not here"}
    assert alice.publications == [] and alice.ok("history", room="r")["offset"] == 0


def test_a_hook_that_fails_is_answered_internal_and_harms_nobody(core: Core, alice: Client) -> None:
    core.api.publishing.hooks.add("/chat", "say", lambda said: said.data["missing"])
    with capture_logs() as lines:
        answer = alice.ask("publish", {"room": "r", "event": "say", "data": {}})
    assert answer["error"]["code"] == "internal" and "missing" not in answer["error"]["message"]
    (line,) = [line for line in lines if line["event"] == "hook_failed"]
    assert line["reference"] in answer["error"]["message"] and isinstance(line["exc_info"], KeyError)
    alice.ok("publish", room="r", event="other", data=1)
    assert alice.data() == [1]


def test_what_a_hook_puts_there_may_not_be_too_large_either(core: Core, alice: Client) -> None:
    def grow(said: Said) -> None:
        said.data = "x" * 100_000

    core.api.publishing.hooks.add("/chat", "say", grow)
    assert alice.refused("publish", room="r", event="say", data=1) == "too_large"


def test_a_devices_message_that_a_hook_fails_on_is_not_tried_again(core: Core) -> None:
    def look(name: str, said: Said) -> None:
        said.data[name]

    core.api.publishing.hooks.add("/iot", "telemetry", partial(look, "missing"))  # which has no name of its own

    def publish(data: Any) -> None:
        core.api.publishing.publish(
            lambda receipt: None, known_as(Identity("device", "d")), "/iot", "device:d", "telemetry", data
        )

    with pytest.raises(RtError) as failed:
        publish({})
    assert failed.value.code == "internal" and not failed.value.temporary

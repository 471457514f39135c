"""Joining while others publish: nothing is lost and nothing comes twice, whatever runs in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rt_service.core.hub import HubBounds
from rt_service.core.stream import StreamBounds
from rt_service.engines.memory import MemoryEngine
from rt_service.publishing import ApiBounds
from tests.support.clock import ManualClock
from tests.support.core import Client, Core
from tests.support.engines import InterleavingEngine


class Race:
    """A room with three publications; `speaker` publishes more whenever a test says so."""

    def __init__(self, **options: Any) -> None:
        self.engine = InterleavingEngine(MemoryEngine(ManualClock(), StreamBounds()))
        self.core = Core(engine=self.engine, **options)
        self.speaker = self.core.client("speaker")
        self.start = self.speaker.ok("join", room="lobby")
        self.count = 0
        for _ in range(3):
            self.speak()

    def speak(self, **kind: Any) -> None:
        self.count += 1
        self.speaker.ok("publish", room="lobby", event="say", data=self.count, **kind)

    def since(self, offset: int) -> dict[str, Any]:
        return {"epoch": self.start["epoch"], "offset": offset}


def told(answer: dict[str, Any], client: Client) -> list[Any]:
    """Everything a client learns from joining: what the answer says, then what is sent."""
    return [p["data"] for p in answer["publications"]] + client.data()


Hook = Callable[[InterleavingEngine, Callable[[], None]], None]


def before(engine: InterleavingEngine, work: Callable[[], None]) -> None:
    engine.before_read = work


def after(engine: InterleavingEngine, work: Callable[[], None]) -> None:
    engine.after_read = work


@pytest.mark.parametrize("hook", [before, after])
@pytest.mark.parametrize("seen", [0, 1, 3])
def test_what_is_published_during_a_join_is_neither_lost_nor_repeated(hook: Hook, seen: int) -> None:
    race = Race()
    hook(race.engine, lambda: (race.speak(), race.speak()))
    client = race.core.client()
    answer = client.ok("join", room="lobby", since=race.since(seen))
    race.speak()
    assert answer["recovered"] is True
    assert told(answer, client) == list(range(seen + 1, 7))


@pytest.mark.parametrize("hook", [before, after])
def test_a_first_join_starts_at_its_answer_and_misses_nothing_after(hook: Hook) -> None:
    race = Race()
    hook(race.engine, race.speak)
    client = race.core.client()
    answer = client.ok("join", room="lobby")
    race.speak()
    assert answer["publications"] == [] and answer["recovered"] is False
    assert client.data() == list(range(answer["offset"] + 1, 6))


@pytest.mark.parametrize("hook", [before, after])
def test_a_member_that_joins_again_is_told_nothing_twice(hook: Hook) -> None:
    race = Race()
    client = race.core.client()
    client.ok("join", room="lobby")
    race.speak()
    hook(race.engine, race.speak)
    answer = client.ok("join", room="lobby", since=race.since(1))
    race.speak()
    assert sorted(told(answer, client)) == [2, 3, 4, 5, 6]
    assert answer["offset"] == 4  # up to there it has everything; what was held comes after the answer


@pytest.mark.parametrize("hook", [before, after])
def test_a_latest_value_set_during_a_join_is_told_once(hook: Hook) -> None:
    race = Race()
    hook(race.engine, lambda: race.speak(**{"class": "latest"}, key="k"))
    client = race.core.client()
    answer = client.ok("join", room="lobby")
    assert [p["data"] for p in answer["latest"]] + client.data() == [4]


def test_a_position_of_another_epoch_is_not_recovered() -> None:
    race = Race()
    answer = race.core.client().ok("join", room="lobby", since={"epoch": "other", "offset": 1})
    assert (answer["recovered"], answer["publications"], answer["offset"]) == (False, [], 3)


def test_a_position_from_the_future_is_not_recovered() -> None:
    race = Race()
    answer = race.core.client().ok("join", room="lobby", since=race.since(9))
    assert (answer["recovered"], answer["publications"]) == (False, [])


def test_more_than_may_wait_during_a_join_is_refused_and_counted() -> None:
    race = Race(hub_bounds=HubBounds(waiting_bytes=200))
    race.engine.before_read = lambda: [race.speak() for _ in range(5)] and None
    client = race.core.client()
    assert client.refused("join", room="lobby") == "unavailable"
    race.speak()
    assert client.publications == [] and client.session.rooms == set()
    assert race.core.count(race.core.metrics.dropped, reason="join_overflow") == 1


def test_a_session_that_closes_during_its_join_leaves_nothing_behind() -> None:
    race = Race()
    client = race.core.client("gone")
    race.engine.before_read = lambda: race.core.api.disconnect(client.session)
    assert client.refused("join", room="lobby") == "unavailable"
    assert [m["id"] for m in race.speaker.ok("presence", room="lobby")["members"]] == ["speaker"]


def test_an_engine_that_cannot_read_leaves_the_joiner_outside() -> None:
    from rt_service.core.errors import Unavailable

    race = Race()

    def fail() -> None:
        raise Unavailable("down")

    race.engine.before_read = fail
    client = race.core.client()
    assert client.refused("join", room="lobby") == "unavailable"
    race.speak()
    assert client.publications == [] and client.session.rooms == set()


def test_who_missed_more_than_may_be_told_at_once_begins_from_now() -> None:
    race = Race(hub_bounds=HubBounds(recovery_bytes=300))
    for _ in range(2):
        race.speaker.ok("publish", room="lobby", event="say", data="x" * 100)
    assert told(race.core.client().ok("join", room="lobby", since=race.since(3)), race.core.client()) == ["x" * 100] * 2
    race.speaker.ok("publish", room="lobby", event="say", data="x" * 100)
    client = race.core.client()
    answer = client.ok("join", room="lobby", since=race.since(3))
    assert (answer["recovered"], answer["publications"], answer["offset"]) == (False, [], 6)
    race.speak()
    assert client.data() == [4]


def test_a_history_that_does_not_fit_into_one_answer_is_read_in_several() -> None:
    race = Race(api_bounds=ApiBounds(answer_bytes=250))
    for _ in range(4):
        race.speaker.ok("publish", room="lobby", event="say", data="x" * 100)
    client, since, seen = race.core.client(), race.since(0), []
    while True:
        page = client.ok("history", room="lobby", since=since)
        seen.append([p["offset"] for p in page["publications"]])
        if not page["more"]:
            break
        since = race.since(seen[-1][-1])
    assert seen == [[1, 2, 3, 4, 5], [6, 7]]
    newest = client.ok("history", room="lobby", reverse=True)
    assert ([p["offset"] for p in newest["publications"]], newest["more"]) == ([7, 6], True)

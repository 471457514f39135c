"""What every engine keeps to, whatever it is made of."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rt_service import runtime
from rt_service.core.errors import RtError
from rt_service.core.model import Identity, Position, Publication, PublicationClass, Token
from rt_service.core.ports import Engine, Receipt
from rt_service.core.stream import StreamBounds
from rt_service.engines.memory import MemoryEngine
from rt_service.engines.sqlite import Database, SqliteEngine
from tests.support.clock import ManualClock
from tests.support.engines import InterleavingEngine

ALICE, BOB = Identity("user", "alice"), Identity("user", "bob")
BOUNDS = StreamBounds(
    publications=5, age_ms=60_000, keys=3, repeat_ids=4, repeat_ms=30_000, keys_bytes=1000, bytes=5000,
    memory_bytes=16_000,
)  # fmt: skip

ENGINES: dict[str, Callable[[ManualClock, Path], Engine]] = {
    "memory": lambda clock, folder: MemoryEngine(clock, BOUNDS),
    "interleaving": lambda clock, folder: InterleavingEngine(MemoryEngine(clock, BOUNDS)),
    "sqlite": lambda clock, folder: SqliteEngine(Database(folder), clock, BOUNDS, {}),
    "sqlite, in memory": lambda clock, folder: SqliteEngine(Database(folder), clock, BOUNDS, {}, ["/chat"]),
}


class Bench:
    """An engine under test, with what it announced."""

    def __init__(self, make: Callable[[ManualClock, Path], Engine], folder: Path) -> None:
        self.clock = ManualClock()
        self.engine = make(self.clock, folder)
        self.announced: list[Publication] = []
        self.engine.start(self.announced.append)
        self._ids = 0

    def say(self, data: Any, room: str = "lobby", sender: Identity = ALICE, id: str | None = None, **kind: Any) -> Any:
        self._ids += 1
        publication = Publication(
            "/chat",
            room,
            "say",
            data,
            sender,
            id or f"id-{self._ids}",
            self.clock.ms(),
            token=Token(id) if id is not None else None,
            **kind,
        )
        outcomes: list[Receipt | RtError] = []
        self.engine.publish(publication, outcomes.append)
        return self.outcome(outcomes)

    def outcome(self, outcomes: list[Receipt | RtError]) -> Any:
        """What publishing came to, once that is known."""
        until = time.monotonic() + 30
        while not outcomes and time.monotonic() < until:
            runtime.sleep(0.001)
        (outcome,) = outcomes
        return outcome

    def kept(
        self, room: str = "lobby", since: Position | None = None, limit: int = 100, reverse: bool = False
    ) -> list[Any]:
        return [p.data for p in self.engine.read("/chat", room, since, limit, reverse).publications]


@pytest.fixture(params=ENGINES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    bench = Bench(ENGINES[request.param], tmp_path)
    yield bench
    bench.engine.stop()


def test_offsets_of_a_room_grow_by_one(bench: Bench) -> None:
    assert [bench.say(n).offset for n in range(3)] == [1, 2, 3]


def test_rooms_count_for_themselves(bench: Bench) -> None:
    bench.say("a")
    assert bench.say("b", room="other").offset == 1


def test_what_is_published_is_announced_once_in_order_with_its_position(bench: Bench) -> None:
    receipts = [bench.say(n) for n in range(3)]
    assert [(p.data, p.epoch, p.offset) for p in bench.announced] == [
        (n, r.epoch, r.offset) for n, r in enumerate(receipts)
    ]


def test_history_is_read_in_order_after_a_position(bench: Bench) -> None:
    epoch, *_ = (bench.say(n).epoch for n in range(4))
    assert bench.kept() == [0, 1, 2, 3]
    assert bench.kept(since=Position(epoch, 2)) == [2, 3]
    assert bench.kept(since=Position(epoch, 4)) == []


def test_history_is_read_backwards_before_a_position(bench: Bench) -> None:
    epoch, *_ = (bench.say(n).epoch for n in range(4))
    assert bench.kept(reverse=True) == [3, 2, 1, 0]
    assert bench.kept(reverse=True, since=Position(epoch, 3)) == [1, 0]
    assert bench.kept(reverse=True, since=Position(epoch, 1)) == []


def test_a_limit_cuts_the_stretch_and_says_so(bench: Bench) -> None:
    for n in range(4):
        bench.say(n)
    page = bench.engine.read("/chat", "lobby", None, 3)
    assert ([p.data for p in page.publications], page.more, page.offset) == ([0, 1, 2], True, 4)
    assert bench.engine.read("/chat", "lobby", None, 4).more is False
    assert bench.engine.read("/chat", "lobby", None, 3, True).more is True


def test_a_position_of_another_epoch_reads_from_the_start(bench: Bench) -> None:
    bench.say("a")
    assert bench.kept(since=Position("other", 1)) == ["a"]


def test_a_position_from_the_future_reads_nothing(bench: Bench) -> None:
    epoch = bench.say("a").epoch
    assert bench.kept(since=Position(epoch, 99)) == []
    assert bench.kept(since=Position(epoch, 99), reverse=True) == ["a"]


def test_past_the_bound_the_oldest_leave(bench: Bench) -> None:
    for n in range(7):
        bench.say(n)
    page = bench.engine.read("/chat", "lobby", None, 100)
    assert ([p.data for p in page.publications], page.first, page.offset) == ([2, 3, 4, 5, 6], 3, 7)


def test_past_the_bound_of_its_bytes_the_oldest_leave_but_never_the_newest(bench: Bench) -> None:
    for data in ("a" * 1900, "b" * 1900, "c" * 1900):  # and what each takes besides
        bench.say(data)
    assert [data[0] for data in bench.kept()] == ["b", "c"]
    receipt = bench.say("d" * 9000)
    assert [data[0] for data in bench.kept()] == ["d"] and receipt.offset == 4
    assert bench.engine.read("/chat", "lobby", None, 10).first == 4


def test_past_all_memory_the_rooms_in_which_nothing_was_said_for_longest_leave_it(bench: Bench) -> None:
    for room in ("first", "second", "third"):
        bench.say("x" * 3900, room=room)
    bench.say("small", room="first")
    bench.say("x" * 3900, room="fourth")
    assert [len(bench.kept(room)) for room in ("first", "second", "third", "fourth")] == [2, 0, 1, 1]
    page = bench.engine.read("/chat", "second", None, 10)
    assert (page.offset, page.first) == (1, 2)  # who needs what stood there is told that it is gone
    assert bench.say("again", room="second").offset == 2
    assert bench.kept("second") == ["again"]


def test_what_left_memory_takes_none(bench: Bench) -> None:
    for n in range(40):
        bench.say("x" * 3900, room=f"room-{n}")
    assert sum(len(bench.kept(f"room-{n}")) for n in range(40)) == 3
    bench.clock.advance(61)
    bench.engine.sweep(lambda namespace, room: False)
    for n in range(3):
        bench.say("x" * 3900, room=f"new-{n}")
    assert [len(bench.kept(f"new-{n}")) for n in range(3)] == [1, 1, 1]


def test_what_is_too_old_leaves(bench: Bench) -> None:
    bench.say("old")
    bench.clock.advance(61)
    bench.say("new")
    page = bench.engine.read("/chat", "lobby", None, 100)
    assert ([p.data for p in page.publications], page.first, page.offset) == (["new"], 2, 2)


def test_an_empty_room_has_a_position(bench: Bench) -> None:
    bench.engine.open("/chat", "nobody")
    page = bench.engine.read("/chat", "nobody", None, 100)
    assert (page.offset, page.first, list(page.publications)) == (0, 1, [])
    assert bench.say("first", room="nobody").epoch == page.epoch


def test_a_volatile_publication_is_announced_and_kept_nowhere(bench: Bench) -> None:
    receipt = bench.say("v", class_=PublicationClass.VOLATILE, key="k")
    assert receipt.offset is None and receipt.epoch
    assert bench.announced[0].offset is None
    assert bench.kept() == [] and list(bench.engine.latest("/chat", "lobby")) == []


def test_only_the_newest_of_a_key_is_latest(bench: Bench) -> None:
    bench.say(1, class_=PublicationClass.LATEST, key="a")
    bench.say(2, class_=PublicationClass.LATEST, key="b")
    assert bench.say(3, class_=PublicationClass.LATEST, key="a").offset is None
    assert sorted(p.data for p in bench.engine.latest("/chat", "lobby")) == [2, 3]
    assert bench.kept() == []


def test_a_kept_publication_with_a_key_is_both(bench: Bench) -> None:
    bench.say(1, key="a")
    assert bench.kept() == [1] and [p.data for p in bench.engine.latest("/chat", "lobby")] == [1]


def test_past_the_bound_of_their_bytes_the_least_recently_set_values_leave(bench: Bench) -> None:
    for key, size in (("a", 400), ("b", 400), ("a", 300), ("c", 400)):
        bench.say(key * size, class_=PublicationClass.LATEST, key=key)
    assert sorted(p.key for p in bench.engine.latest("/chat", "lobby")) == ["a", "c"]
    bench.say("d" * 2000, class_=PublicationClass.LATEST, key="d")
    assert [p.key for p in bench.engine.latest("/chat", "lobby")] == ["d"]


def test_past_the_bound_of_keys_the_least_recently_set_leaves(bench: Bench) -> None:
    for key in ("a", "b", "c", "a", "d"):
        bench.say(key, class_=PublicationClass.LATEST, key=key)
    assert sorted(p.data for p in bench.engine.latest("/chat", "lobby")) == ["a", "c", "d"]


def test_a_repeated_id_is_answered_with_the_first_position_and_announced_once(bench: Bench) -> None:
    first = bench.say("a", id="x")
    bench.say("b")
    again = bench.say("a", id="x")
    assert (again.epoch, again.offset, again.repeated) == (first.epoch, first.offset, True)
    assert [p.data for p in bench.announced] == ["a", "b"]


@pytest.mark.parametrize("class_", list(PublicationClass))
def test_a_repeated_id_is_announced_once_whatever_its_class(bench: Bench, class_: PublicationClass) -> None:
    first = bench.say("a", id="x", class_=class_, key="k")
    again = bench.say("a", id="x", class_=class_, key="k")
    assert (again.offset, again.repeated, len(bench.announced)) == (first.offset, True, 1)


def test_an_id_repeats_only_for_the_same_identity_and_room(bench: Bench) -> None:
    bench.say("a", id="x")
    assert bench.say("b", id="x", sender=BOB).repeated is False
    assert bench.say("c", id="x", room="other").repeated is False


def test_an_id_is_recognised_for_its_time_only(bench: Bench) -> None:
    bench.say("a", id="x")
    bench.clock.advance(29)
    assert bench.say("a", id="x").repeated is True
    bench.clock.advance(2)
    assert bench.say("a", id="x").repeated is False


def test_past_the_bound_of_ids_the_oldest_is_forgotten(bench: Bench) -> None:
    for n in range(5):
        bench.say(n, id=f"x{n}")
    assert bench.say(4, id="x4").repeated is True
    assert bench.say(0, id="x0").repeated is False


def test_rooms_with_history_are_listed_by_prefix(bench: Bench) -> None:
    for room in ("a1", "a2", "b1"):
        bench.say(1, room=room)
    bench.engine.read("/chat", "a3", None, 1)
    assert sorted(bench.engine.rooms("/chat", "a")) == ["a1", "a2"]
    assert list(bench.engine.rooms("/iot", "")) == []


def test_a_room_with_nothing_left_and_nobody_in_it_begins_again(bench: Bench) -> None:
    first = bench.say(1)
    used = bench.say(1, room="used")
    bench.clock.advance(61)
    bench.engine.sweep(lambda namespace, room: room == "used")
    again, still = bench.say(2), bench.say(2, room="used")
    assert again.epoch != first.epoch and again.offset == 1
    assert still.epoch == used.epoch and still.offset == 2


def test_a_room_with_something_left_does_not_begin_again(bench: Bench) -> None:
    first = bench.say(1)
    value = bench.say(1, room="value", class_=PublicationClass.LATEST, key="k")
    bench.engine.sweep(lambda namespace, room: False)
    assert bench.say(2).epoch == first.epoch
    assert bench.say(2, room="value").epoch == value.epoch


def test_a_new_engine_is_healthy(bench: Bench) -> None:
    assert bench.engine.healthy() is None


def test_nothing_overtakes_what_could_not_be_written_and_is_still_to_be_refused(tmp_path: Path) -> None:
    """Whoever is told may let others run, and those may publish what comes behind in the same room."""
    clock = ManualClock()
    engine = SqliteEngine(Database(tmp_path), clock, BOUNDS, {})
    engine.start(lambda publication: None)
    outcomes: dict[int, Receipt | RtError] = {}
    other = sqlite3.connect(next(tmp_path.glob("*.sqlite3")), isolation_level=None)

    def publish(n: int, told: Callable[[], None] = lambda: None) -> None:
        def done(outcome: Receipt | RtError) -> None:
            outcomes[n] = outcome
            told()

        engine.publish(Publication("/chat", "lobby", "say", n, ALICE, f"id-{n}", clock.ms()), done)

    def meanwhile() -> None:
        other.execute("ROLLBACK")  # it could be written again
        publish(3)

    other.execute("BEGIN IMMEDIATE")  # the file is somebody else's: what is written fails
    publish(1, meanwhile)
    publish(2)
    until = time.monotonic() + 30
    while len(outcomes) < 3 and time.monotonic() < until:
        runtime.sleep(0.01)
    other.close()
    assert all(isinstance(outcome, RtError) for outcome in outcomes.values()) and len(outcomes) == 3
    engine.stop()


def in_a_file(folder: Path, bounds: StreamBounds = BOUNDS) -> Bench:
    return Bench(lambda clock, folder: SqliteEngine(Database(folder), clock, bounds, {}), folder)


def test_what_left_memory_is_still_in_the_file(tmp_path: Path) -> None:
    bench = in_a_file(tmp_path)
    for n in range(4):
        bench.say("x" * 3900, room=f"room-{n}")
    assert bench.kept("room-0") == []
    bench.engine.sweep(lambda namespace, room: False)
    assert bench.kept("room-0") == ["x" * 3900]
    bench.engine.stop()


def test_the_file_keeps_no_more_latest_values_than_a_room_may_have_though_memory_forgot_some(tmp_path: Path) -> None:
    bench = in_a_file(tmp_path)
    for n in range(9):
        bench.clock.advance(0.1)
        bench.say(n, class_=PublicationClass.LATEST, key=f"key-{n}")
        for other in range(4):
            bench.say("x" * 3900, room=f"room-{other}")  # there is no place for the first room any more
    bench.engine.sweep(lambda namespace, room: False)
    assert sorted(p.key for p in bench.engine.latest("/chat", "lobby")) == ["key-6", "key-7", "key-8"]
    bench.engine.stop()
    with contextlib.closing(sqlite3.connect(tmp_path / "rt.sqlite3")) as file:
        (rows,) = file.execute("SELECT COUNT(*) FROM latest").fetchone()
    assert rows == 3


def test_of_a_room_in_the_file_no_more_is_read_than_it_may_keep(tmp_path: Path) -> None:
    before = in_a_file(tmp_path, replace(BOUNDS, bytes=1 << 20))
    for letter in "abcde":
        before.say(letter * 1900)
    assert len(before.kept()) == 5
    before.engine.stop()
    bench = in_a_file(tmp_path)
    assert [data[0] for data in bench.kept()] == ["d", "e"]
    assert bench.say("f").offset == 6
    bench.engine.stop()


def test_the_file_keeps_little_more_than_the_bytes_of_a_room(tmp_path: Path) -> None:
    bench = in_a_file(tmp_path, replace(BOUNDS, publications=100_000))
    for _ in range(600):
        bench.say("x" * 1900)
    bench.engine.stop()
    with contextlib.closing(sqlite3.connect(tmp_path / "rt.sqlite3")) as file:
        (rows,) = file.execute("SELECT COUNT(*) FROM publication").fetchone()
    assert rows < 300

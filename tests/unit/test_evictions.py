"""Who is out since a password or an account was changed, by whichever process shares the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rt_service.core.stream import StreamBounds
from rt_service.engines import sqlite as engine_sqlite
from rt_service.engines.sqlite import SqliteEngine
from tests.support.accounts import House
from tests.support.clock import ManualClock

PASSWORD = "correct horse"


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    house.accounts.register("alice", PASSWORD)
    yield house
    house.database.close()


def test_what_was_changed_elsewhere_is_found_once(alice: House, tmp_path: Path) -> None:
    elsewhere = House(tmp_path)
    alice.evictions.look()
    elsewhere.accounts.disable("alice")
    assert alice.office.ended == []
    for _ in range(2):
        alice.evictions.look()
        assert alice.office.ended == [("user", "alice")]


def test_what_was_changed_here_is_not_done_again(alice: House) -> None:
    alice.evictions.look()
    alice.accounts.disable("alice")
    alice.evictions.look()
    assert alice.office.ended == [("user", "alice")] and not alice.evictions._told
    alice.accounts.disable("alice")
    assert alice.office.ended == [("user", "alice")] * 2


def test_what_a_look_found_before_it_was_told_is_not_done_again(alice: House) -> None:
    alice.evictions.look()
    eviction = alice.store.disable_account("alice")
    assert eviction is not None
    alice.evictions.look()
    alice.evictions.tell(eviction)
    assert alice.office.ended == [("user", "alice")] and not alice.evictions._told


def test_what_was_changed_before_the_first_start_is_over(alice: House, tmp_path: Path) -> None:
    alice.accounts.disable("alice")
    later = House(tmp_path)
    later.evictions.look()
    later.evictions.look()
    assert later.office.ended == []


def test_what_was_changed_while_a_service_did_not_run_is_done_when_it_does(tmp_path: Path) -> None:
    first = remembering(tmp_path)
    house = House(tmp_path / "accounts", kept=first)
    house.evictions.look()
    for name in ("alice", "bob"):
        house.accounts.register(name, PASSWORD)
    house.accounts.disable("bob")
    house.evictions.look()
    first.stop()
    House(tmp_path / "accounts").accounts.disable("alice")
    second = remembering(tmp_path)
    house = House(tmp_path / "accounts", kept=second)
    house.evictions.look()
    assert house.office.ended == [("user", "alice")]
    second.stop()


def test_the_first_change_ever_is_not_missed_by_a_service_that_did_not_run(tmp_path: Path) -> None:
    first = remembering(tmp_path)
    house = House(tmp_path / "accounts", kept=first)
    house.accounts.register("alice", PASSWORD)
    house.evictions.look()
    first.stop()
    House(tmp_path / "accounts").accounts.disable("alice")
    second = remembering(tmp_path)
    house = House(tmp_path / "accounts", kept=second)
    house.evictions.look()
    assert house.office.ended == [("user", "alice")]
    second.stop()


def test_with_another_database_it_begins_with_what_is_new_there(tmp_path: Path) -> None:
    first = remembering(tmp_path)
    house = House(tmp_path / "accounts", kept=first)
    house.accounts.register("alice", PASSWORD)
    for _ in range(3):
        house.accounts.disable("alice")
    house.evictions.look()
    first.stop()
    second = remembering(tmp_path)
    house = House(tmp_path / "other accounts", kept=second)
    house.evictions.look()
    house.accounts.register("bob", PASSWORD)
    House(tmp_path / "other accounts").accounts.disable("bob")
    house.evictions.look()
    assert house.office.ended == [("user", "bob")]
    second.stop()


def remembering(folder: Path) -> SqliteEngine:
    """What a service remembers in a folder."""
    return SqliteEngine(engine_sqlite.Database(folder), ManualClock(), StreamBounds(), {})

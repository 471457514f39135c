from __future__ import annotations

from typing import Any

import pytest

from rt_service.core import names
from rt_service.core.errors import BadRequest, InvalidEvent, InvalidRoom
from rt_service.core.model import Identity

HOSTILE = ["", "a/b", "a+b", "#", "a b", "a\0", "ä", "а", "a\n", "x" * 129, None, 7, True, ["a"], {"a": 1}, b"a", 1.5]


@pytest.mark.parametrize("good", ["a", "device:pump-1", "A.b_c@d-9", "x" * 128])
def test_a_room_name_of_the_grammar_is_taken(good: str) -> None:
    assert names.room_name(good) == good


@pytest.mark.parametrize("bad", HOSTILE)
def test_any_other_room_name_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidRoom):
        names.room_name(bad)


@pytest.mark.parametrize(
    "bad", [*HOSTILE, "x" * 65, "connect", "disconnect", "presence", "call", "closing", "newListener"]
)
def test_any_other_or_reserved_event_name_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidEvent):
        names.event_name(bad)


def test_an_address_names_a_kind_and_an_id() -> None:
    assert names.address("device:lamp-1") == Identity("device", "lamp-1")
    assert names.address("user:a:b") == Identity("user", "a:b")


@pytest.mark.parametrize("bad", ["alice", "robot:r2", "user:", "user:a/b", ":x", None, 5, "USER:a"])
def test_any_other_address_is_refused(bad: Any) -> None:
    with pytest.raises(BadRequest):
        names.address(bad)


def test_a_refusal_shows_what_was_sent_but_not_all_of_it() -> None:
    with pytest.raises(InvalidRoom) as caught:
        names.room_name("x/" * 500)
    assert len(str(caught.value)) < 120

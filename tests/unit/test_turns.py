from __future__ import annotations

import pytest

from rt_service import runtime
from rt_service.core.errors import TooManyRequests
from rt_service.core.turns import Turns
from tests.support.waiting import eventually


class Crowd:
    """Greenlets that each want a turn, and keep it until they are told to go."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.inside: list[int] = []
        self.refused: list[int] = []
        self.left: list[int] = []
        self._go = {}  # type: ignore[var-annotated]

    def come(self, n: int) -> None:
        self._go[n] = runtime.Waiter()
        runtime.spawn(self._want, n)
        runtime.sleep()

    def go(self, n: int) -> None:
        self._go[n].resolve()
        eventually(lambda: runtime.sleep() or n in self.left)

    def _want(self, n: int) -> None:
        try:
            with self.turns.turn():
                self.inside.append(n)
                self._go[n].wait()
                self.inside.remove(n)
                self.left.append(n)
        except TooManyRequests:
            self.refused.append(n)


def crowd(at_once: int = 2, waiting: int = 2, wait_s: float = 10.0) -> Crowd:
    return Crowd(Turns(runtime.Waiter, at_once, waiting, wait_s, "tests"))


def test_only_so_many_are_inside_and_the_others_follow_in_order() -> None:
    people = crowd()
    for n in range(4):
        people.come(n)
    assert people.inside == [0, 1]
    people.go(1)
    eventually(lambda: runtime.sleep() or people.inside == [0, 2])
    people.go(0)
    people.go(2)
    eventually(lambda: runtime.sleep() or people.inside == [3])
    people.go(3)
    assert people.inside == [] and people.refused == []


def test_past_the_bound_of_those_who_wait_one_is_refused_at_once() -> None:
    people = crowd()
    for n in range(5):
        people.come(n)
    assert people.refused == [4]
    people.go(0)
    people.come(5)
    assert people.refused == [4]


def test_who_waits_for_too_long_is_refused_and_its_turn_is_not_lost() -> None:
    people = crowd(at_once=1, wait_s=0.05)
    people.come(0)
    people.come(1)
    eventually(lambda: runtime.sleep(0.01) or people.refused == [1])
    people.go(0)
    people.come(2)
    assert people.inside == [2]


def test_a_refusal_says_what_for_and_when_to_come_again() -> None:
    turns = Turns(runtime.Waiter, 1, 0, 1.0, "log-ins")
    with turns.turn(), pytest.raises(TooManyRequests, match="too many log-ins at once") as caught, turns.turn():
        pass
    assert caught.value.retry_after_ms == 1000


def test_a_turn_that_ends_with_an_error_is_given_back() -> None:
    turns = Turns(runtime.Waiter, 1, 0, 1.0, "tests")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), turns.turn():
            raise ZeroDivisionError

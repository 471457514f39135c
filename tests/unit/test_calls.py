"""Questions that wait for their answer: how many, whose, and what becomes of a failure."""

from __future__ import annotations

from typing import Any

import pytest

from rt_service.core.errors import NotFound, TooManyRequests
from rt_service.core.model import Identity
from rt_service.devices.calls import Calls, error_of
from tests.support.core import NowWaiter

LAMP, PUMP = Identity("device", "lamp"), Identity("device", "pump")


def test_a_caller_has_so_many_calls_and_gets_them_back() -> None:
    calls = Calls(NowWaiter, bound=100, per_caller=2)
    first, _ = calls.open(LAMP, "alice"), calls.open(LAMP, "alice")
    with pytest.raises(TooManyRequests, match="2 calls of yours") as refused:
        calls.open(LAMP, "alice")
    assert refused.value.retry_after_ms == 1000 and calls.open(LAMP, "bob")
    for _ in range(2):  # an answer and a timeout may both end it
        calls.drop(first)
    calls.open(LAMP, "alice")
    with pytest.raises(TooManyRequests):
        calls.open(LAMP, "alice")


def test_all_callers_together_have_so_many_calls() -> None:
    calls = Calls(NowWaiter, bound=2, per_caller=10)
    calls.open(LAMP, "alice"), calls.open(LAMP, "bob")
    with pytest.raises(TooManyRequests, match="2 calls are waiting") as refused:
        calls.open(LAMP, "carol")
    assert refused.value.retry_after_ms == 1000


def test_of_callers_that_are_done_nothing_is_kept() -> None:
    calls = Calls(NowWaiter, bound=1000, per_caller=10)
    for n in range(100):
        calls.drop(calls.open(LAMP, f"caller-{n}"))
    assert len(calls) == 0 and not calls._by_caller


def test_nobody_answers_a_call_to_somebody_else() -> None:
    calls = Calls(NowWaiter, bound=10, per_caller=10)
    call = calls.open(LAMP)
    for answer in (lambda: calls.answer(call.id, PUMP, 1), lambda: calls.fail(call.id, PUMP, NotFound("no"))):
        with pytest.raises(NotFound, match="no call"):
            answer()
    calls.answer(call.id, LAMP, 2)
    assert calls.wait(call, 1.0) == 2


def test_no_id_of_a_call_can_be_guessed_or_comes_twice() -> None:
    calls = Calls(NowWaiter, bound=10, per_caller=10)
    first, second = calls.open(LAMP), calls.open(LAMP)
    calls.drop(first)
    third = calls.open(LAMP)
    assert len({first.id, second.id, third.id}) == 3 and len(third.id) == 16


@pytest.mark.parametrize("said", [{"error": 1, "data": 2}, {}, [], "error", None, 5])
def test_only_an_error_alone_is_a_failure(said: Any) -> None:
    calls = Calls(NowWaiter, bound=10, per_caller=10)
    call = calls.open(LAMP)
    call.answered(said)
    assert calls.wait(call, 1.0) == said


@pytest.mark.parametrize(
    ("said", "code", "message"),
    [
        ({"code": "conflict", "message": "busy"}, "conflict", "busy"),
        ({"code": "conflict"}, "conflict", '{"code":"conflict"}'),
        ({"code": "on_fire", "message": "hot"}, "internal", "hot"),
        ({"code": ["conflict"], "message": {"a": 1}}, "internal", '{"a":1}'),
        ("busy", "internal", "busy"),
        (None, "internal", "null"),
        ("x" * 501, "internal", "x" * 500),
        (2**70, "internal", "data cannot be sent as JSON: Integer exceeds 64-bit range"),
    ],
)
def test_a_callees_error_says_what_it_said(said: Any, code: str, message: str) -> None:
    error = error_of(LAMP, said)
    assert (error.code, error.message) == (code, f"device:lamp answered with an error: {message}")

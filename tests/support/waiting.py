"""Waiting for what is going to happen, with a deadline instead of a sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
DEADLINE_S = 30.0  # of a machine that does much else; a condition that comes is not waited for


def eventually(condition: Callable[[], T], deadline_s: float = DEADLINE_S) -> T:
    """What `condition` returns once it is true. Fails when that does not come in time."""
    until = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"not within {deadline_s} s: last was {value!r}"
        time.sleep(0.005)

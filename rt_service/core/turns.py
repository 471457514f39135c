"""Turns at something that few may do at once: the others wait, but not many and not for long."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rt_service.core.errors import TooManyRequests
from rt_service.core.ports import Waiter


class Turns:
    """At most `at_once` have a turn; at most `waiting` others wait for theirs, no longer than `wait_s` seconds."""

    def __init__(self, waiter: Callable[[], Waiter], at_once: int, waiting: int, wait_s: float, what: str) -> None:
        """`what` stands in the refusal: "log-ins", say."""
        self._waiter = waiter
        self._free = at_once
        self._bound = waiting
        self._wait_s = wait_s
        self._what = what
        self._queue: deque[Waiter] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Raises TooManyRequests when too many wait, or it takes too long."""
        self._take()
        try:
            yield
        finally:
            self._give()

    def _take(self) -> None:
        if self._free:
            self._free -= 1
            return
        if len(self._queue) >= self._bound:
            raise self._refusal()
        mine = self._waiter()
        self._queue.append(mine)
        try:
            mine.wait(self._wait_s)
        except BaseException as error:
            if mine not in self._queue:  # the turn came in the same moment
                self._give()
            else:
                self._queue.remove(mine)
            if isinstance(error, TimeoutError):
                raise self._refusal() from None
            raise

    def _give(self) -> None:
        if self._queue:
            self._queue.popleft().resolve(None)
        else:
            self._free += 1

    def _refusal(self) -> TooManyRequests:
        return TooManyRequests(f"too many {self._what} at once; try later", retry_after_ms=1000)

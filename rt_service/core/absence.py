"""Members whose connection broke: for a little while they count as there, so that a reconnect is no news."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

from rt_service.core.model import Identity


class Place(NamedTuple):
    """One identity in one room."""

    namespace: str
    room: str
    identity: Identity


class Absences:
    """All wait equally long, so the first that left is the first to be given up."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._away: deque[tuple[float, Place]] = deque()
        self._waiting: Counter[Place] = Counter()

    def left(self, place: Place, now: float) -> bool:
        """A session of it broke; False when there is no grace, and it is gone at once."""
        if not self._grace_s:
            return False
        self._away.append((now + self._grace_s, place))
        self._waiting[place] += 1
        return True

    def returned(self, place: Place) -> bool:
        """Whether it was away, and is counted as there already."""
        if not self._waiting[place]:
            del self._waiting[place]
            return False
        self._waiting[place] -= 1
        return True

    def gone(self, now: float) -> Iterator[Place]:
        """Those that did not come back in time."""
        while self._away and self._away[0][0] <= now:
            _, place = self._away.popleft()
            if self._waiting[place]:
                self._waiting[place] -= 1
                yield place
            if not self._waiting[place]:
                del self._waiting[place]

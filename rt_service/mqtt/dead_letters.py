"""Device messages that became nothing: kept for a while, so that somebody can see why."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import Any, NamedTuple

from rt_service.core import encoding
from rt_service.core.ports import Store
from rt_service.metrics import Metrics

SHELF = "dead_letter"
MESSAGE, TOPIC = 300, 1024  # characters that are kept


class DeadLetter(NamedTuple):
    """`payload` is the beginning of what was sent, as text; `size` how many bytes there were; `at` Unix time in ms."""

    reason: str
    message: str
    topic: str
    payload: str
    size: int
    sender: str | None
    at: int

    def as_dict(self) -> dict[str, Any]:
        shown = self._asdict()
        shown["from"] = shown.pop("sender")
        return shown


class DeadLetters:
    """The newest `bound`; older ones leave, the counter does not."""

    def __init__(self, metrics: Metrics, store: Store, bound: int, payload_bytes: int) -> None:
        self._metrics = metrics
        self._store = store
        self._bound = bound
        self._payload_bytes = payload_bytes
        self._letters: deque[tuple[str, DeadLetter]] = deque()
        for key, value in store.load(SHELF):
            self._letters.append((key, DeadLetter(*encoding.loads(value))))
        self._numbers = count(int(self._letters[-1][0]) + 1 if self._letters else 0)

    def add(self, reason: str, message: str, topic: str, payload: bytes, sender: str | None, at: int) -> None:
        start = payload[: self._payload_bytes].decode(errors="backslashreplace")
        key = f"{next(self._numbers):016d}"
        letter = DeadLetter(reason, message[:MESSAGE], topic[:TOPIC], start, len(payload), sender, at)
        self._letters.append((key, letter))
        self._store.put(SHELF, key, encoding.dumps(list(letter)))
        if len(self._letters) > self._bound:
            self._store.put(SHELF, self._letters.popleft()[0], None)
        self._metrics.dead_letters.labels(reason).inc()

    def newest(self, limit: int) -> list[DeadLetter]:
        """At most `limit`, newest first."""
        return [letter for (_, letter), _ in zip(reversed(self._letters), range(limit), strict=False)]

    def __len__(self) -> int:
        return len(self._letters)

"""The kept publications of one room: a bounded history, the newest of each key, and the ids seen lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from rt_service.core.model import Identity, Position, Publication, PublicationClass
from rt_service.core.ports import Page, Receipt

EACH = 500  # bytes that a publication takes in memory besides its data
SHED_TO = 0.9  # of what may be in memory, so that room is not made for each publication


@dataclass(frozen=True)
class StreamBounds:
    """How much one room keeps: past a bound the oldest leave. `rooms` is how many rooms there may be in one engine, and
    `memory_bytes` what all of them may keep in memory."""

    publications: int = 1000
    age_ms: int = 24 * 3600 * 1000
    keys: int = 1000
    repeat_ids: int = 10_000
    repeat_ms: int = 5 * 60 * 1000
    rooms: int = 100_000
    keys_bytes: int = 8 << 20
    bytes: int = 64 << 20  # of the history
    memory_bytes: int = 512 << 20


class Memory:
    """What all rooms of an engine keep in memory."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0

    @property
    def full(self) -> bool:
        return self._bytes > self._most

    def weigh(self, change: int) -> None:
        """So many bytes more, or less."""
        self._bytes += change

    def shed(self, streams: Iterable[Stream]) -> int:
        """Let go of whole rooms, in this order, until there is room again; how many."""
        rooms = 0
        for stream in streams:
            if self._bytes <= self._most * SHED_TO:
                break
            rooms += stream.forget()
        return rooms


class Seen(NamedTuple):
    """A token that may come again; `at` is Unix time in milliseconds."""

    receipt: Receipt
    at: int
    check: str


class Stream:
    """State only: the engine that owns it calls in from one greenlet at a time and hands in the time."""

    def __init__(self, epoch: str, bounds: StreamBounds, weigh: Callable[[int], None] = lambda change: None) -> None:
        """`weigh` is told how many bytes more, or less, it keeps."""
        self.epoch = epoch
        self.offset = 0
        self.left = 0  # nothing up to this offset is kept any more, or ever will be again
        self.forgotten = False  # it may have had more than is here
        self.evicted: list[str] = []  # the keys that the last `append` made room for
        self._bounds = bounds
        self._weigh = weigh
        self._history: deque[Publication] = deque()
        self._history_bytes = 0
        self._latest: dict[str, Publication] = {}
        self._latest_bytes = 0
        self._seen: dict[tuple[Identity, str], Seen] = {}

    @property
    def empty(self) -> bool:
        return not self._history and not self._latest

    def idle(self, now_ms: int) -> bool:
        """Whether nothing is missed if the stream begins again: no history, no value, no id that may come again."""
        oldest = now_ms - self._bounds.age_ms
        return not self._history and not self._seen and all(p.at < oldest for p in self._latest.values())

    @property
    def latest(self) -> list[Publication]:
        return list(self._latest.values())

    def receipt_of(self, publication: Publication, now_ms: int) -> Receipt | None:
        """The receipt of an earlier publication with the same token of the same identity, if it is recent enough."""
        token = publication.token
        seen = self._seen.get((publication.sender, token.name)) if token is not None and token.again else None
        if token is None or seen is None or seen.check != token.check or seen.at <= now_ms - self._bounds.repeat_ms:
            return None
        return seen.receipt._replace(repeated=True)

    def append(self, publication: Publication) -> Receipt:
        """Give `publication` its position and keep it as its class says."""
        publication.epoch = self.epoch
        self.evicted = []
        if publication.class_ is PublicationClass.KEPT:
            self.offset += 1
            publication.offset = self.offset
            self._history.append(publication)
            self._count(publication.size + EACH)
            bounds = self._bounds
            while len(self._history) > bounds.publications or self._too_large:
                self._let_go()
        if publication.key is not None and publication.class_ is not PublicationClass.VOLATILE:
            self._keep_latest(publication.key, publication)
        return Receipt(self.epoch, publication.offset)

    def restore(self, offset: int, history: Iterable[Publication], latest: Iterable[Publication]) -> None:
        """Begin where an earlier process ended: `history` newest first, `latest` oldest first."""
        self.offset = offset
        for publication in history:
            if publication.offset != offset - len(self._history):
                break  # what stands before a gap cannot be recovered
            self._history.appendleft(publication)
            self._count(publication.size + EACH)
            if self._too_large:
                self._let_go()
                break
        for publication in latest:
            assert publication.key is not None
            self._latest[publication.key] = publication
            self._count_latest(publication.size)

    def forget(self) -> bool:
        """Let go of all that is in memory but the position; whether there was anything."""
        if self.empty:
            return False
        self.forgotten = True
        self._count(-self._history_bytes)
        self._history.clear()
        for key in list(self._latest):
            self._drop_latest(key)
        return True

    def recall(self, sender: Identity, token: str, seen: Seen) -> None:
        """Remember what an earlier process remembered; the oldest first."""
        self._seen[sender, token] = seen

    def remember(self, publication: Publication, receipt: Receipt, now_ms: int) -> None:
        """Answer a repetition of `publication` with `receipt` from now on."""
        assert publication.token is not None
        self._forget_ids(now_ms)
        name = (publication.sender, publication.token.name)
        if self._seen.pop(name, None) is None and len(self._seen) >= self._bounds.repeat_ids:
            del self._seen[next(iter(self._seen))]
        self._seen[name] = Seen(receipt, now_ms, publication.token.check)

    def page(self, since: Position | None, limit: int, reverse: bool = False) -> Page:
        """See `Engine.read`."""
        first = self.offset - len(self._history) + 1
        known = since if since is not None and since.epoch == self.epoch else None
        if reverse:
            end = min(known.offset - 1, self.offset) if known else self.offset
            stretch = max(0, end - first + 1)
            found = islice(reversed(self._history), self.offset - end, self.offset - end + limit)
        else:
            start = max(known.offset + 1, first) if known else first
            stretch = max(0, self.offset - start + 1)
            found = islice(self._history, start - first, start - first + limit)
        publications = list(found) if stretch else []
        return Page(self.epoch, self.offset, first, publications, more=stretch > len(publications))

    def trim(self, now_ms: int) -> None:
        """Let go of what is too old."""
        history, oldest = self._history, now_ms - self._bounds.age_ms
        while history and history[0].at < oldest:
            self._let_go()
        if self._seen:
            self._forget_ids(now_ms)

    @property
    def _too_large(self) -> bool:
        return self._history_bytes > self._bounds.bytes and len(self._history) > 1

    def _let_go(self) -> None:
        """Of the oldest."""
        oldest = self._history.popleft()
        self._count(-oldest.size - EACH)
        assert oldest.offset is not None
        self.left = oldest.offset

    def _count(self, change: int) -> None:
        self._history_bytes += change
        self._weigh(change)

    def _count_latest(self, change: int) -> None:
        self._latest_bytes += change
        self._weigh(change)

    def _keep_latest(self, key: str, publication: Publication) -> None:
        self._drop_latest(key)  # the newest stands last, so that the first is the one to evict
        self._latest[key] = publication
        self._count_latest(publication.size)
        bounds = self._bounds
        while len(self._latest) > bounds.keys or (self._latest_bytes > bounds.keys_bytes and len(self._latest) > 1):
            oldest = next(iter(self._latest))
            self.evicted.append(oldest)
            self._drop_latest(oldest)

    def _drop_latest(self, key: str) -> None:
        dropped = self._latest.pop(key, None)
        if dropped is not None:
            self._count_latest(-dropped.size)

    def _forget_ids(self, now_ms: int) -> None:
        oldest, seen = now_ms - self._bounds.repeat_ms, self._seen
        while seen and seen[first := next(iter(seen))].at <= oldest:  # the oldest stand first
            del seen[first]

"""Which kept publications of each room an outside broker still has to get: what it confirmed last, on disk.

Publications are in the history anyway. So none is lost with a full outbox or a killed process: its room is behind, and
is read from the history, in order, once there is room for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rt_service.core import encoding
from rt_service.core.model import Position, Publication
from rt_service.core.ports import Page, Store

SHELF = "bridge"
PAGE = 500

Read = Callable[[str, str, Position, int], Page]


@dataclass(slots=True)
class Progress:
    """`queued` is the newest offset that was handed on to be sent, `confirmed` the newest that the broker has."""

    epoch: str
    queued: int
    confirmed: int


class Backlog:
    def __init__(self, store: Store, read: Read, missed: Callable[[int], None]) -> None:
        """`missed(count)` is told of publications that left the history before the broker got them."""
        self._store = store
        self._read = read
        self._missed = missed
        self._rooms: dict[tuple[str, str], Progress] = {}
        self._behind: dict[tuple[str, str], None] = {}

    def begin(self) -> None:
        """Take up where an earlier process ended: every room may be behind."""
        for key, value in self._store.load(SHELF):
            namespace, _, room = key.partition(" ")
            epoch, confirmed = encoding.loads(value)
            self._rooms[namespace, room] = Progress(epoch, confirmed, confirmed)
            self._behind[namespace, room] = None

    @property
    def waiting(self) -> bool:
        return bool(self._behind)

    def offer(self, publication: Publication) -> bool:
        """Whether it may be sent now; if not, its room is behind, and it is read later."""
        assert publication.room is not None and publication.offset is not None
        key = (publication.namespace, publication.room)
        progress = self._rooms.get(key)
        if progress is None or progress.epoch != publication.epoch:
            before = publication.offset - 1
            progress = self._rooms[key] = Progress(publication.epoch, before, before)
            self._behind.pop(key, None)
            self._keep(key, progress)
        if key in self._behind:
            return False
        progress.queued = publication.offset
        return True

    def postpone(self, publication: Publication) -> None:
        """There was no room for it after all."""
        assert publication.room is not None and publication.offset is not None
        key = (publication.namespace, publication.room)
        self._rooms[key].queued = publication.offset - 1
        self._behind[key] = None

    def confirmed(self, publication: Publication) -> None:
        """The broker has it."""
        if publication.room is None or publication.offset is None:
            return
        progress = self._rooms.get((publication.namespace, publication.room))
        if progress is not None and progress.epoch == publication.epoch and publication.offset > progress.confirmed:
            progress.confirmed = publication.offset
            self._keep((publication.namespace, publication.room), progress)

    def late(self) -> Iterator[Publication]:
        """What rooms that are behind have to send, room by room, in order; who takes no more postpones the last."""
        while self._behind:
            key = next(iter(self._behind))
            progress = self._rooms[key]
            page = self._read(*key, Position(progress.epoch, progress.queued), PAGE)
            if page.epoch != progress.epoch:  # the room began again; what is new in it comes by itself
                self._behind.pop(key, None)
                self._rooms.pop(key, None)
                self._store.put(SHELF, " ".join(key), None)
                continue
            if page.first - 1 > progress.queued:
                self._missed(page.first - 1 - progress.queued)
            for publication in page.publications:
                assert publication.offset is not None
                progress.queued = publication.offset
                yield publication
            if not page.more:
                self._behind.pop(key, None)

    def _keep(self, key: tuple[str, str], progress: Progress) -> None:
        self._store.put(SHELF, " ".join(key), encoding.dumps([progress.epoch, progress.confirmed]))

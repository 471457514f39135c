"""Keeps everything in this process and forgets it at exit."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from rt_service.core.model import Position, Publication
from rt_service.core.ports import Clock, Kept, Page
from rt_service.core.stream import Stream, StreamBounds


class MemoryEngine:
    """Nothing in here blocks or switches, which is what makes `publish` atomic per room."""

    def __init__(self, clock: Clock, bounds: StreamBounds) -> None:
        self._clock = clock
        self._bounds = bounds
        self._streams: dict[tuple[str, str], Stream] = {}
        self._deliver: Callable[[Publication], None] = lambda publication: None

    def start(self, deliver: Callable[[Publication], None]) -> None:
        self._deliver = deliver

    def stop(self) -> None:
        self._deliver = lambda publication: None

    def publish(self, publication: Publication, done: Kept) -> None:
        assert publication.room is not None
        now = self._clock.ms()
        stream = self._stream(publication.namespace, publication.room)
        stream.trim(now)
        earlier = stream.receipt_of(publication, now) if publication.token is not None else None
        if earlier is not None:
            done(earlier)
            return
        receipt = stream.append(publication)
        if publication.token is not None:
            stream.remember(publication, receipt, now)
        self._deliver(publication)
        publication.compact()
        done(receipt)

    def read(self, namespace: str, room: str, since: Position | None, limit: int, reverse: bool = False) -> Page:
        stream = self._stream(namespace, room)
        stream.trim(self._clock.ms())
        return stream.page(since, limit, reverse)

    def latest(self, namespace: str, room: str) -> Sequence[Publication]:
        return self._stream(namespace, room).latest

    def rooms(self, namespace: str, prefix: str) -> Sequence[str]:
        return [
            name
            for (ns, name), stream in self._streams.items()
            if ns == namespace and name.startswith(prefix) and not stream.empty
        ]

    def sweep(self, in_use: Callable[[str, str], bool]) -> None:
        now = self._clock.ms()
        for (namespace, room), stream in list(self._streams.items()):
            stream.trim(now)
            if stream.idle(now) and not in_use(namespace, room):
                del self._streams[namespace, room]

    def healthy(self) -> str | None:
        return None

    def _stream(self, namespace: str, room: str) -> Stream:
        stream = self._streams.get((namespace, room))
        if stream is None:
            stream = self._streams[namespace, room] = Stream(secrets.token_hex(6), self._bounds)
        return stream

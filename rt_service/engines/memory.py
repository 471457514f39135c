"""Keeps everything in this process and forgets it at exit."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from rt_service import log
from rt_service.core.errors import RtError, TooManyRequests
from rt_service.core.model import Position, Publication
from rt_service.core.ports import Clock, Kept, Page
from rt_service.core.stream import Memory, Stream, StreamBounds

_NONE: Mapping[str, StreamBounds] = MappingProxyType({})


class MemoryEngine:
    """Nothing in here blocks or switches, which is what makes `publish` atomic per room."""

    def __init__(
        self,
        clock: Clock,
        bounds: StreamBounds,
        by_namespace: Mapping[str, StreamBounds] = _NONE,
        forgot: Callable[[int], object] = lambda rooms: None,
    ) -> None:
        """`forgot` is told of how many rooms memory had no place any more."""
        self._clock = clock
        self._forgot = forgot
        self._bounds = bounds
        self._by_namespace = by_namespace
        self._streams: dict[tuple[str, str], Stream] = {}  # that in which nothing was said for longest stands first
        self._memory = Memory(bounds.memory_bytes)
        self._log = log.Seldom(log.get("history"), clock)
        self._deliver: Callable[[Publication], None] = lambda publication: None
        self._no_epoch = secrets.token_hex(6)  # of rooms that are not there

    def start(self, deliver: Callable[[Publication], None]) -> None:
        self._deliver = deliver

    def stop(self) -> None:
        self._deliver = lambda publication: None

    def publish(self, publication: Publication, done: Kept) -> None:
        assert publication.room is not None
        now = self._clock.ms()
        stream = self._streams.get((publication.namespace, publication.room))
        if stream is None:
            if len(self._streams) >= self._bounds.rooms:
                done(TooManyRequests(f"{self._bounds.rooms} rooms are kept, the most there may be"))
                return
            stream = self._stream(publication.namespace, publication.room)
        stream.trim(now)
        earlier = stream.receipt_of(publication, now) if publication.token is not None else None
        if earlier is not None:
            done(earlier)
            return
        receipt = stream.append(publication)
        self._streams[publication.namespace, publication.room] = self._streams.pop(
            (publication.namespace, publication.room)
        )
        if self._memory.full:
            self._forgot(forget(self._memory, self._streams.values(), self._log))
        if publication.token is not None:
            stream.remember(publication, receipt, now)
        self._deliver(publication)
        publication.compact()
        done(receipt)

    def open(self, namespace: str, room: str) -> None:
        self._stream(namespace, room)

    def known(self, namespace: str, room: str) -> bool:
        return (namespace, room) in self._streams

    def read(self, namespace: str, room: str, since: Position | None, limit: int, reverse: bool = False) -> Page:
        stream = self._streams.get((namespace, room))
        if stream is None:
            return Page(self._no_epoch, 0, 1, [])
        stream.trim(self._clock.ms())
        return stream.page(since, limit, reverse)

    def latest(self, namespace: str, room: str) -> Sequence[Publication]:
        stream = self._streams.get((namespace, room))
        return [] if stream is None else stream.latest

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
                stream.forget()
                del self._streams[namespace, room]

    def healthy(self) -> str | None:
        return None

    def _stream(self, namespace: str, room: str) -> Stream:
        stream = self._streams.get((namespace, room))
        if stream is None:
            bounds = self._by_namespace.get(namespace, self._bounds)
            stream = self._streams[namespace, room] = Stream(secrets.token_hex(6), bounds, self._memory.weigh)
        return stream

    # -- everything else that would survive; see `ports.Store`

    def load(self, shelf: str) -> Iterator[tuple[str, bytes]]:
        return iter(())

    def put(self, shelf: str, key: str, value: bytes | None) -> None: ...

    def kept(self, done: Callable[[RtError | None], None]) -> None:
        done(None)


def forget(memory: Memory, streams: Iterable[Stream], logger: log.Seldom) -> int:
    """Make room: the first of `streams` are those in which nothing was said for longest. How many were let go of."""
    rooms = memory.shed(streams)
    logger.info("history_forgotten", rooms=rooms, help="more is published than history.memory_bytes holds")
    return rooms

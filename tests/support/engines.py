"""An engine that runs another greenlet's work inside its calls, so that a race is an ordinary test."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rt_service.core.model import Position, Publication
from rt_service.core.ports import Engine, Kept, Page


class InterleavingEngine:
    """`before` and `after` a read run whatever a test puts there: what another greenlet does meanwhile."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self.before_read: Callable[[], None] | None = None
        self.after_read: Callable[[], None] | None = None

    def start(self, deliver: Callable[[Publication], None]) -> None:
        self._inner.start(deliver)

    def stop(self) -> None:
        self._inner.stop()

    def publish(self, publication: Publication, done: Kept) -> None:
        self._inner.publish(publication, done)

    def open(self, namespace: str, room: str) -> None:
        self._inner.open(namespace, room)

    def known(self, namespace: str, room: str) -> bool:
        return self._inner.known(namespace, room)

    def read(self, namespace: str, room: str, since: Position | None, limit: int, reverse: bool = False) -> Page:
        before, self.before_read = self.before_read, None
        if before:
            before()
        page = self._inner.read(namespace, room, since, limit, reverse)
        after, self.after_read = self.after_read, None
        if after:
            after()
        return page

    def latest(self, namespace: str, room: str) -> Sequence[Publication]:
        return self._inner.latest(namespace, room)

    def rooms(self, namespace: str, prefix: str) -> Sequence[str]:
        return self._inner.rooms(namespace, prefix)

    def sweep(self, in_use: Callable[[str, str], bool]) -> None:
        self._inner.sweep(in_use)

    def healthy(self) -> str | None:
        return self._inner.healthy()

"""Long polling: a request that waits until a room has something new. It costs a greenlet, not a thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rt_service import runtime
from rt_service.core.hub import Hub
from rt_service.core.model import Publication
from rt_service.core.session import Session
from rt_service.metrics import Metrics

HEARTBEAT_S = 15.0  # how often it is looked whether the client is still there


class Waiting:
    """A wire whose outboxes are waiters: whoever waits looks into the history, where it is by then."""

    name = "poll"

    def publication(self, publication: Publication) -> None: ...

    def push(self, namespace: str, name: str, body: dict[str, Any]) -> None: ...

    def broadcast(
        self, outboxes: Iterable[runtime.Waiter], frame: None, publication: Publication | None = None
    ) -> None:
        if publication is not None and publication.offset is not None:
            for waiter in outboxes:
                waiter.resolve()


class Poll:
    """The `Transport` of a request while it waits."""

    answers_calls = False
    waiting = 0

    def __init__(self, wire: Waiting) -> None:
        self.wire = wire
        self.outbox = runtime.Waiter()

    def ask(self, body: dict[str, Any], answered: Any) -> Any:
        raise NotImplementedError("a request is not asked: it cannot answer")

    def close(self, code: str, message: str, *, reconnect: bool, retry_after_ms: int = 0) -> None:
        self.outbox.resolve()

    def wait(self, seconds: float, environ: dict[str, Any]) -> None:
        """Until something is published, the time is over, or the client is gone."""
        while seconds > 0:
            try:
                self.outbox.wait(min(seconds, HEARTBEAT_S))
                return
            except TimeoutError:
                seconds -= HEARTBEAT_S
                if runtime.hung_up(environ):
                    return


class Polls:
    def __init__(self, hub: Hub, metrics: Metrics) -> None:
        self._hub = hub
        self._metrics = metrics
        self._wire = Waiting()
        self._open: set[Poll] = set()

    @contextmanager
    def open(self, session: Session, room: str) -> Iterator[Poll]:
        """Notice what is published from now on. Whoever waits is nobody whom the others see."""
        poll = Poll(self._wire)
        waiting = Session("poll", session.namespace, session.who, poll, session.publishes)
        self._hub.watch(waiting, room)
        self._open.add(poll)
        self._metrics.polls.inc()
        try:
            yield poll
        finally:
            self._open.discard(poll)
            self._metrics.polls.dec()
            self._hub.unwatch(waiting, room)

    def stop(self) -> None:
        """Whoever waits is answered now."""
        for poll in list(self._open):
            poll.close("shutdown", "", reconnect=True)

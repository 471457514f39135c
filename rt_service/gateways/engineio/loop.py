"""One turn of the loop: outboxes are flushed at its end, handlers run in pooled greenlets."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import eventlet
from eventlet.hubs import get_hub
from greenlet import getcurrent, greenlet

from rt_service.gateways.engineio.outbox import Outbox

WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
BROADCASTS_PER_TURN = 256  # flush then at the latest, or latency and memory grow with a busy turn
LARGE_BYTES = 16_384  # of one frame: flush at once, so that a turn in which many are made is bounded
IDLE_GREENLETS = 1000

log = logging.getLogger("rt_service.engineio")


class Loop:
    """State of one server on the hub of its thread."""

    def __init__(self) -> None:
        self.dirty: list[Outbox] = []
        self._scheduled = False
        self._broadcasts = 0
        self._idle: list[Any] = []

    # -- sending

    def send(self, out: Outbox, frame: bytes) -> None:
        """Append one frame, for this peer alone, to its outbox."""
        if not out:
            self.dirty.append(out)
            if not self._scheduled:
                self.schedule()
        if len(frame) < LARGE_BYTES:
            out.append(frame)
            return
        if out.owner is not None:
            out.owner.excuse(len(frame))
        out.append(frame)
        self.flush()

    def broadcast(self, outboxes: Iterable[Outbox], frame: bytes) -> None:
        """Append the same frame to many."""
        dirty = self.dirty
        for out in outboxes:
            if not out:
                dirty.append(out)
            out.append(frame)
        self._broadcasts += 1
        if self._broadcasts >= BROADCASTS_PER_TURN or len(frame) >= LARGE_BYTES:
            self.flush()
        elif not self._scheduled:
            self.schedule()

    def offer(self, outboxes: Iterable[Outbox], frame: bytes, key: Any) -> None:
        """The same for a frame that need not arrive (see `Outbox.offer`)."""
        dirty = self.dirty
        for out in outboxes:
            if not out:
                dirty.append(out)
            out.offer(frame, key)
        if not self._scheduled:
            self.schedule()

    def schedule(self) -> None:
        self._scheduled = True
        get_hub().schedule_call_global(0, self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        """Send what every dirty outbox holds, with one system call each."""
        self._broadcasts = 0
        dirty, self.dirty = self.dirty, []
        previous: list[bytes] | None = None
        joined = b""
        for out in dirty:
            if type(out) is not Outbox:
                continue  # blocked or closed since
            if len(out) == 1:
                data = out[0]
            elif out == previous:  # the same frames as the one before: the same bytes
                data = joined
            else:
                previous = out[:]
                data = joined = b"".join(previous)
            try:
                sent = out.send(data)
            except WOULD_BLOCK:
                sent = 0
            except OSError:
                out.owner.lost()
                continue
            if sent == len(data):
                out.clear()
            elif type(out) is Outbox:
                out.owner.block(data, sent)

    # -- running

    def run(self, function: Callable[..., Any], *args: Any) -> None:
        """Run `function` in a greenlet, at once. Only the hub's own greenlet may call this."""
        if not self._idle:
            greenlet(self._work, get_hub().greenlet).switch()  # what it began with it would keep as long as it lives
        self._idle.pop().switch(function, args)

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        """Run `function` in a greenlet, soon. Anybody may call this."""
        get_hub().schedule_call_global(0, self.run, function, *args)

    def _work(self) -> None:
        me, back = getcurrent(), get_hub().greenlet.switch
        while len(self._idle) < IDLE_GREENLETS:
            self._idle.append(me)
            function, args = back()
            try:
                function(*args)
            except (Exception, eventlet.Timeout):
                log.exception("a handler failed")
            function = args = None

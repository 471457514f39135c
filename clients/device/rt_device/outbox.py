"""What a device has said and nobody has acknowledged yet: bounded, in order, kept while there is no connection."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

log = logging.getLogger("rt_device")


class Message(NamedTuple):
    topic: str
    payload: bytes


class Outbox:
    """A few messages are handed to MQTT at a time, which sends them again after a reconnect; the others wait here.

    Where more than `bound` wait the oldest leaves, and is counted in `dropped`, as is what MQTT does not take. What was
    in flight when a connection broke is acknowledged before anything newer is handed over, so the order stays.
    """

    def __init__(self, send: Callable[[Message], int], bound: int) -> None:
        self._send = send  # answers the id that `acknowledged` is told; never called with the lock held
        self._bound = bound
        self._waiting: deque[Message] = deque()
        self._in_flight: set[int] = set()
        self._again: set[int] = set()  # of these, what MQTT has to send once more
        self._early: set[int] = set()  # acknowledged before `_send` had said its id
        self._sending = False
        self._window = 0  # 0: no connection
        self._lock = threading.Condition()
        self.dropped = 0

    def __len__(self) -> int:
        with self._lock:
            return len(self._waiting) + len(self._in_flight) + self._sending

    def put(self, message: Message) -> None:
        with self._lock:
            self._waiting.append(message)
            if len(self._waiting) > self._bound:
                self._waiting.popleft()
                self.dropped += 1
        self._pump()

    def opened(self, window: int) -> None:
        """There is a connection, over which `window` messages may be in flight."""
        with self._lock:
            self._window = window
        self._pump()

    def closed(self) -> None:
        with self._lock:
            self._window = 0
            self._again = set(self._in_flight)

    def acknowledged(self, id: int) -> None:
        with self._lock:
            if self._sending and id not in self._in_flight:
                self._early.add(id)
            self._in_flight.discard(id)
            self._again.discard(id)
            self._lock.notify_all()
        self._pump()

    def wait_until_empty(self, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        with self._lock:
            while self._waiting or self._in_flight or self._sending:
                left = until - time.monotonic()
                if left <= 0 or not self._lock.wait(left):
                    return False
        return True

    def _pump(self) -> None:
        """Hand over what may be; one thread at a time, so that the order stays."""
        while (message := self._next()) is not None:
            try:
                id = self._send(message)
            except Exception as error:  # noqa: BLE001  whatever is wrong with it, the next one goes
                log.warning("a message on %s cannot be sent: %s", message.topic[:100], error)
                self._sent(None)
            else:
                self._sent(id)

    def _sent(self, id: int | None) -> None:
        """What was to be sent has this id now; None: it has left unsent."""
        with self._lock:
            self._sending = False
            if id is None:
                self.dropped += 1
            elif id not in self._early:
                self._in_flight.add(id)
                if not self._window:  # it closed meanwhile
                    self._again.add(id)
            self._early.clear()
            self._lock.notify_all()

    def _next(self) -> Message | None:
        with self._lock:
            if self._sending or self._again or not self._waiting or len(self._in_flight) >= self._window:
                return None
            self._sending = True
            return self._waiting.popleft()

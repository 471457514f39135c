"""Pings for every connection from one timer. All have the same interval, so whoever was heard last is due last."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Protocol

from eventlet.hubs import get_hub

SLACK_S = 0.02  # what is due so soon is done along


class Patient(Protocol):
    """A connection, as far as its heartbeat goes. `beat` is changed by `Heartbeats` alone."""

    beat: int
    closed: bool

    def ping(self) -> None: ...

    def ping_timed_out(self) -> None: ...


class Heartbeats:
    """After `interval_s` of quiet a ping; without an answer within `timeout_s` the connection is given up."""

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._pings: deque[tuple[float, int, Any]] = deque()
        self._pongs: deque[tuple[float, int, Any]] = deque()
        self._timer: Any = None
        self._timer_at = 0.0

    def start(self, patient: Patient) -> None:
        """The connection is new, or has answered a ping."""
        patient.beat += 1
        self._pings.append((time.monotonic() + self._interval_s, patient.beat, patient))
        self._arm()

    def stop(self, patient: Patient) -> None:
        """The connection is closed."""
        patient.beat += 1

    def _arm(self) -> None:
        heads = [queue[0][0] for queue in (self._pings, self._pongs) if queue]
        if not heads:
            return
        at = min(heads)
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = get_hub().schedule_call_global(max(0.0, at - time.monotonic()), self._beat)

    def _beat(self) -> None:
        self._timer = None
        now = time.monotonic()
        for _, patient in self._due(self._pongs, now):
            patient.ping_timed_out()
        for beat, patient in self._due(self._pings, now):
            patient.ping()
            self._pongs.append((now + self._timeout_s, beat, patient))
        self._arm()

    def _due(self, queue: deque[tuple[float, int, Any]], now: float) -> list[tuple[int, Any]]:
        due = []
        while queue and queue[0][0] <= now + SLACK_S:
            _, beat, patient = queue.popleft()
            if beat == patient.beat and not patient.closed:
                due.append((beat, patient))
        return due

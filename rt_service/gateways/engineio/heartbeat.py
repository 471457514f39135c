"""Pings for every connection from one timer. All have the same interval, so whoever was heard last is due last."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any, Protocol

from eventlet.hubs import get_hub

SLACK_S = 0.02  # what is due so soon is done along


class Patient(Protocol):
    """A connection, as far as its heartbeat goes."""

    def ping(self) -> None: ...

    def ping_timed_out(self) -> None: ...


class Heartbeats:
    """After `interval_s` of quiet a ping; without an answer within `timeout_s` the connection is given up."""

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        # When each is due; whoever has been asked stands in `_pongs`, everybody else in `_pings`.
        self._pings: OrderedDict[Patient, float] = OrderedDict()
        self._pongs: OrderedDict[Patient, float] = OrderedDict()
        self._timer: Any = None
        self._timer_at = 0.0

    def start(self, patient: Patient) -> None:
        """The connection is new."""
        self._pings[patient] = time.monotonic() + self._interval_s
        self._arm()

    def answered(self, patient: Patient) -> None:
        """The connection has answered a ping. An answer to what was not asked changes nothing."""
        if self._pongs.pop(patient, None) is not None:
            self.start(patient)

    def stop(self, patient: Patient) -> None:
        """The connection is closed."""
        self._pings.pop(patient, None)
        self._pongs.pop(patient, None)

    def _arm(self) -> None:
        heads = [next(iter(queue.values())) for queue in (self._pings, self._pongs) if queue]
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
        for patient in _due(self._pongs, now):
            patient.ping_timed_out()
        for patient in _due(self._pings, now):
            self._pongs[patient] = now + self._timeout_s
            patient.ping()
        self._arm()


def _due(queue: OrderedDict[Patient, float], now: float) -> list[Patient]:
    """Whoever is due, taken out of the queue."""
    due: list[Patient] = []
    while queue and next(iter(queue.values())) <= now + SLACK_S:
        due.append(queue.popitem(last=False)[0])
    return due

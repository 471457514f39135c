"""Runs simulated devices against a broker: `python run.py simulate`, `serve --simulate N`."""

from __future__ import annotations

import argparse
import heapq
import signal
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rt_device.greenhouse import Greenhouse
from rt_device.simulated import Simulated

LATE_S = 1.0  # readings that are later than that are not caught up with
SHOWN_EVERY_S = 0.5
LONGEST_WAIT_S = 0.2


class Counts(NamedTuple):
    """How it goes, for who looks on."""

    devices: int
    connected: int
    readings: int
    waiting: int
    dropped: int
    seconds: float


class Simulator:
    """Each device's readings, when they are due."""

    def __init__(self, simulated: Sequence[Simulated]) -> None:
        self._simulated = simulated
        self._readings = 0
        self._started = 0.0
        self.stopping = threading.Event()

    @property
    def counts(self) -> Counts:
        devices = [one.device for one in self._simulated]
        return Counts(
            len(devices), sum(d.connected for d in devices), self._readings, sum(d.waiting for d in devices),
            sum(d.dropped for d in devices), time.monotonic() - self._started,
        )  # fmt: skip

    def connect(self, url: str, *, certificate: str = "", wait: bool = True) -> None:
        """Until `stopping` is set, or all are.

        Raises:
            ValueError: no such address.
            OSError: with `wait`, the broker cannot be reached, or refuses.
        """
        for one in self._simulated:
            if self.stopping.is_set():
                return
            one.device.connect(url, tls=pinned(certificate), wait=wait)

    def run(self, seconds: float | None, show: Callable[[Counts], None]) -> None:
        """Until `stopping` is set, or for as many seconds."""
        self._started = shown = time.monotonic()
        end = self._started + (seconds if seconds is not None else float("inf"))
        spread = 1 / max(1, len(self._simulated))  # they do not all speak at the same moment
        due = [(self._started + i * spread / one.rate, i, 0) for i, one in enumerate(self._simulated)]
        heapq.heapify(due)
        while (now := time.monotonic()) < end:
            if now >= shown:
                show(self.counts)
                shown = now + SHOWN_EVERY_S
            if self.stopping.wait(max(0.0, min(due[0][0], end, now + LONGEST_WAIT_S) - now)):
                break
            while due[0][0] <= time.monotonic() < end:
                self._tick(due)
        show(self.counts)

    def _tick(self, due: list[tuple[float, int, int]]) -> None:
        at, index, number = due[0]
        one = self._simulated[index]
        self._readings += one.tick(number)
        heapq.heapreplace(due, (max(at, time.monotonic() - LATE_S) + 1 / one.rate, index, number + 1))

    def disconnect(self) -> None:
        for one in self._simulated:
            one.device.disconnect()


def pinned(certificate: str) -> ssl.SSLContext | None:
    """Trusts the certificate in this file and no other, whatever names stand in it; None without a file."""
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context


def stop_at_signals(simulator: Simulator) -> None:
    """The first one lets its devices say goodbye, a second one of its kind ends it at once."""

    def stop(number: int, _: object) -> None:
        simulator.stopping.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _stop_at_end_of_input(simulator: Simulator) -> None:
    sys.stdin.read()
    simulator.stopping.set()


def main() -> int:
    """What a service runs beside it: it ends with its parent, which holds the other end of standard input."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="mqtt://127.0.0.1:1883", help="the MQTT broker")
    parser.add_argument("--devices", type=int, default=3, help="how many")
    parser.add_argument("--certificate", default="", help="PEM file with the one that the broker has to show")
    options = parser.parse_args()
    simulator = Simulator([Greenhouse(number) for number in range(options.devices)])
    threading.Thread(target=_stop_at_end_of_input, args=(simulator,), daemon=True).start()
    stop_at_signals(simulator)
    try:
        # A service's broker may come later than its devices.
        simulator.connect(options.url, certificate=options.certificate, wait=False)
    except ValueError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    simulator.run(None, lambda counts: None)
    simulator.disconnect()
    return 0


if __name__ == "__main__":
    sys.exit(main())

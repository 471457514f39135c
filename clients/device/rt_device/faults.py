"""What goes wrong with simulated devices, at times that depend on a seed alone."""

from __future__ import annotations

import math
import random
from typing import NamedTuple

from rt_device.table import Table

KINDS = ("silent", "reconnect", "garbage", "battery")


class Fault(NamedTuple):
    """Every `every_s` seconds, for `for_s` of them (silent) or once; a battery lasts `every_s`."""

    kind: str
    every_s: float
    for_s: float = 0.0

    def part(self, t: float, phase: float) -> float:
        """How far it is to the next time, from 0 (it has just come) to 1; `phase` is the device's own."""
        return (t / self.every_s + phase) % 1.0

    def comes(self, before: float, t: float, phase: float) -> bool:
        """Whether it comes after `before` and not after `t`."""
        return math.floor(t / self.every_s + phase) > math.floor(before / self.every_s + phase)

    def lasts(self, t: float, phase: float) -> bool:
        """Whether it has come and is not over yet."""
        return t / self.every_s + phase >= 1 and self.part(t, phase) * self.every_s < self.for_s


def read_fault(table: Table) -> Fault:
    """What a table of a scenario says.

    Raises:
        ScenarioError: it says something that cannot be.
    """
    kind = table.text("kind")
    if kind not in KINDS:
        raise table.wrong(f"there is no fault {kind!r}; there are {', '.join(KINDS)}")
    every_s = table.number("lasts_s" if kind == "battery" else "every_s", least=0.1)
    for_s = table.number("for_s", least=0, most=every_s) if kind == "silent" else 0.0
    table.end()
    return Fault(kind, every_s, for_s)


def phases(faults: tuple[Fault, ...], seed: random.Random) -> list[float]:
    """Where in its period each fault of a device begins; batteries are full at first."""
    return [0.0 if fault.kind == "battery" else seed.random() for fault in faults]

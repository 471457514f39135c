"""Scenarios of simulated devices: TOML files that say how many of which kind, what they measure, what goes wrong."""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rt_device.faults import Fault, read_fault
from rt_device.signals import Maker, read_signal
from rt_device.simulated import SimulatedDevice
from rt_device.table import ScenarioError, Table

MOST_DEVICES = 300  # a thread and three descriptors each, in one process
MOST_RATE = 100.0
MOST_SIGNALS = 50


@dataclass(frozen=True)
class Group:
    """`count` devices, `<name>-1` and so on, with `rate` readings a second each."""

    name: str
    count: int
    rate: float
    signals: dict[str, Maker]
    faults: tuple[Fault, ...]


class Scenario(NamedTuple):
    """The same `seed` gives the same readings."""

    seed: int
    groups: list[Group]

    def devices(self) -> list[SimulatedDevice]:
        return [self._device(group, number) for group in self.groups for number in range(1, group.count + 1)]

    def _device(self, group: Group, number: int) -> SimulatedDevice:
        id = f"{group.name}-{number}"
        seed = random.Random(f"{self.seed} {id}")
        signals = {name: make(random.Random(f"{self.seed} {id} {name}")) for name, make in group.signals.items()}
        return SimulatedDevice(id, group.rate, signals, group.faults, seed)


def load(file: Path) -> Scenario:
    """The scenario in a file.

    Raises:
        ScenarioError: there is none that could be used.
    """
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{file}: {error.strerror}") from None
    except ValueError as error:  # no UTF-8, or no TOML
        raise ScenarioError(f"{file}: {error}") from None
    except RecursionError:
        raise ScenarioError(f"{file}: too much is nested in it") from None
    return read(Table(values, str(file)))


def read(table: Table) -> Scenario:
    seed = table.whole("seed", 1)
    groups = [_read_group(one) for one in table.tables("group", "group")]
    table.end()
    if not groups:
        raise table.wrong("there is no [[group]]")
    names = [group.name for group in groups]
    if len(set(names)) < len(names):
        raise table.wrong("two groups have one name")
    if (devices := sum(group.count for group in groups)) > MOST_DEVICES:
        raise table.wrong(f"{devices} devices; {MOST_DEVICES} are the most for one simulator")
    return Scenario(seed, groups)


def _read_group(table: Table) -> Group:
    name = table.text("name")
    if not re.fullmatch(r"[A-Za-z0-9_.:@-]{1,100}", name):
        raise table.wrong(f"name has to be 1-100 of A-Za-z0-9_.:@-, not {name!r}")
    table.where = table.where.rpartition(": ")[0] + f": group {name}"
    signals = table.named("signals", "signal")
    if not 0 < len(signals) <= MOST_SIGNALS:
        raise table.wrong(f"from 1 to {MOST_SIGNALS} [group.signals.NAME] are wanted")
    group = Group(
        name,
        table.whole("count", 1, least=1),
        table.number("rate", 1.0, least=0.001, most=MOST_RATE),
        {name: read_signal(signal) for name, signal in signals.items()},
        tuple(read_fault(fault) for fault in table.tables("fault", "fault")),
    )
    table.end()
    return group

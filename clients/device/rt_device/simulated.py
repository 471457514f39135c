"""One simulated device of a scenario: its signals as telemetry, its faults, a twin that follows, answers to calls."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Protocol

from rt_device.device import Device
from rt_device.faults import Fault, phases
from rt_device.signals import Signal

LOW_BATTERY = 20.0


class Simulated(Protocol):
    """What the simulator runs."""

    device: Device
    rate: float

    def tick(self, number: int) -> bool:
        """Publish reading `number` (0, 1, …); whether there was one."""
        ...


class SimulatedDevice:
    """`seed` decides when its faults come; the signals have seeds of their own."""

    def __init__(
        self, id: str, rate: float, signals: Mapping[str, Signal], faults: tuple[Fault, ...], seed: random.Random
    ) -> None:
        self.device = Device(id)
        self.rate = rate
        self._signals = signals
        self._faults = list(zip(faults, phases(faults, seed), strict=True))
        self._battery_is_low = False
        self.device.on_call("ping", lambda data: {"pong": data})
        self.device.on_desired(self.device.report)

    def tick(self, number: int) -> bool:
        before, t = (number - 1) / self.rate, number / self.rate
        values: dict[str, Any] = {name: signal(t) for name, signal in self._signals.items()}
        silent = False
        for fault, phase in self._faults:
            if fault.kind == "battery":
                values["battery"] = round(100 * (1 - fault.part(t, phase)), 1)
                self._watch(values["battery"])
            elif fault.kind == "silent":
                silent = silent or fault.lasts(t, phase)
            elif number > 0 and fault.comes(before, t, phase):
                self._suffer(fault.kind)
        if not silent:
            self.device.telemetry(values)
        return not silent

    def _suffer(self, kind: str) -> None:
        if kind == "reconnect":
            self.device.drop()
        else:  # garbage: a dead letter, for an operator to find
            self.device.publish(f"devices/{self.device.id}/telemetry", b'{"c": \xff')

    def _watch(self, battery: float) -> None:
        low = battery < LOW_BATTERY
        if low and not self._battery_is_low:
            self.device.event("battery_low", {"battery": battery})
        self._battery_is_low = low

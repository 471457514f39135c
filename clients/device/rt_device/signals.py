"""Shapes of simulated signals. A reading depends on its time and a seed alone, so a run can be repeated."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from rt_device.table import Table

Signal = Callable[[float], float]  # the value at a time in seconds; asked for later and later times
Maker = Callable[[random.Random], Signal]  # a signal of one device


def read_signal(table: Table) -> Maker:
    """What a table of a scenario says.

    Raises:
        ScenarioError: it says something that cannot be.
    """
    shape = table.text("shape")
    if shape not in SHAPES:
        raise table.wrong(f"there is no shape {shape!r}; there are {', '.join(SHAPES)}")
    maker = SHAPES[shape](table)
    noise = table.number("noise", 0.0, least=0)
    digits = table.whole("digits", 2, most=12)
    table.end()
    return lambda seed: _noisy(maker(seed), noise, digits, seed)


def _noisy(signal: Signal, noise: float, digits: int, seed: random.Random) -> Signal:
    return lambda t: round(signal(t) + (seed.gauss(0, noise) if noise else 0.0), digits)


def _constant(table: Table) -> Maker:
    value = table.number("value")
    return lambda seed: lambda t: value


def _periodic(form: Callable[[float], float]) -> Callable[[Table], Maker]:
    """`form` says for a part of the period (0 to 1) which part of the way from low to high it is."""

    def read(table: Table) -> Maker:
        low, high = table.number("low"), table.number("high")
        period_s = table.number("period_s", least=0.001)
        if high < low:
            raise table.wrong(f"high has to be at least low, not {high:g}")

        def make(seed: random.Random) -> Signal:
            phase = seed.random()  # devices of a group are not all at the same point
            return lambda t: low + (high - low) * form((t / period_s + phase) % 1.0)

        return make

    return read


def _random_walk(table: Table) -> Maker:
    start, step = table.number("start"), table.number("step", least=0)
    low, high = table.number("low", -1e12), table.number("high", 1e12)
    if not low <= start <= high:
        raise table.wrong(f"start has to be from low to high, not {start:g}")

    def make(seed: random.Random) -> Signal:
        value = start

        def walk(_: float) -> float:
            nonlocal value
            value = min(high, max(low, value + seed.uniform(-step, step)))
            return value

        return walk

    return make


SHAPES: dict[str, Callable[[Table], Maker]] = {
    "constant": _constant,
    "sine": _periodic(lambda part: 0.5 + 0.5 * math.sin(2 * math.pi * part)),
    "random_walk": _random_walk,
    "step": _periodic(lambda part: float(part >= 0.5)),
    "sawtooth": _periodic(lambda part: part),
}

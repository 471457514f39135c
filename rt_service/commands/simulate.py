"""`simulate`: simulated devices against a broker, and how they do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from rt_service.settings import SettingsError

if TYPE_CHECKING:
    from rt_device.simulated import Simulated
    from rt_device.simulator import Counts

MOST_DEVICES = 300
LINE_EVERY_S = 10.0
Seconds = Annotated[float | None, typer.Option(min=0.1, help="end after as many seconds")]


def simulate(
    url: Annotated[str, typer.Option(help="the MQTT broker; mqtts:// for TLS")] = "mqtt://127.0.0.1:1883",
    devices: Annotated[int | None, typer.Option(min=1, max=MOST_DEVICES, help="how many (3)")] = None,
    scenario: Annotated[Path | None, typer.Option(help="a TOML file that says how many of what")] = None,
    seconds: Seconds = None,
) -> None:
    """Run simulated devices against a broker: telemetry, will, twin, answers to calls, faults."""
    from rt_device.simulator import Simulator, stop_at_signals

    if scenario is not None and devices is not None:
        raise SettingsError("--devices: a scenario says how many; leave one of the two out")
    simulator = Simulator(_devices(scenario, devices or 3))
    stop_at_signals(simulator)
    try:
        simulator.connect(url)
    except ValueError as error:
        raise SettingsError(f"--url: {error}") from None
    except OSError as error:
        print(f"simulator: {error}", file=sys.stderr)
        simulator.disconnect()
        raise typer.Exit(1) from None
    with _display() as show:
        simulator.run(seconds, show)
    simulator.disconnect()
    print(_summary(simulator.counts))


def _devices(scenario: Path | None, devices: int) -> list[Simulated]:
    from rt_device.greenhouse import Greenhouse
    from rt_device.scenario import ScenarioError, load

    if scenario is None:
        return [Greenhouse(number) for number in range(devices)]
    try:
        return list(load(scenario).devices())
    except ScenarioError as error:
        raise SettingsError(str(error)) from None


def _display() -> AbstractContextManager[Callable[[Counts], None]]:
    """What is told the counts now and then: on a terminal a line that changes, elsewhere one every ten seconds."""
    console = Console(highlight=False)
    return _Line(console) if console.is_terminal else nullcontext(_Log().show)


class _Log:
    def __init__(self) -> None:
        self._due_s = LINE_EVERY_S

    def show(self, counts: Counts) -> None:
        if counts.seconds < self._due_s:
            return
        self._due_s += LINE_EVERY_S
        online = f"{counts.connected} of {counts.devices} devices online"
        print(f"{online}, {counts.readings} readings in {counts.seconds:.0f} s, {counts.dropped} dropped", flush=True)


class _Line:
    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, transient=True, auto_refresh=False)
        self._last: Counts | None = None

    def __enter__(self) -> Callable[[Counts], None]:
        self._live.start()
        return self._show

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def _show(self, counts: Counts) -> None:
        last, self._last = self._last, counts
        passed = counts.seconds - last.seconds if last else 0.0
        rate = (counts.readings - last.readings) / passed if last and passed > 0 else 0.0
        row = Table.grid(padding=(0, 2))
        row.add_row(
            f"[bold]{counts.connected}[/] of {counts.devices} devices online", f"[bold]{rate:.0f}[/] readings/s",
            f"{counts.readings} in all", f"{counts.waiting} wait", f"{counts.dropped} dropped",
            f"{counts.seconds:.0f} s",
        )  # fmt: skip
        self._live.update(row, refresh=True)


def _summary(counts: Counts) -> str:
    return f"{counts.devices} devices, {counts.readings} readings in {counts.seconds:.0f} s, {counts.dropped} dropped"

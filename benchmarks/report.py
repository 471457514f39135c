"""The table and the plot of one run."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.loads import LOADS, Figure, Load, Result, faults, met
from benchmarks.servers import OURS, PEERS, Peer

Results = dict[str, dict[str, list[Result]]]  # load, server, rounds


def values(figure: Figure, load: Load, results: Results) -> dict[str, float]:
    """The median of the rounds, by server."""
    return {name: median(figure.of(r) for r in rounds) for name, rounds in results.get(load.name, {}).items() if rounds}


def rows(results: Results) -> Iterator[tuple[Figure, dict[str, float], bool | None]]:
    for load in LOADS:
        for figure in load.figures if load.name in results else []:
            found = values(figure, load, results)
            yield figure, found, met(figure, found)


def written(value: float | None, unit: str) -> str:
    """A figure as people read it: 4.71 M/s, 285 k/s, 0.82 ms, 37 %."""
    if value is None:
        return ""
    if unit == "/s" and value >= 1e6:
        return f"{value / 1e6:.2f} M/s"
    if unit == "/s" and value >= 1e3:
        return f"{value / 1e3:.3g} k/s"
    return f"{value:.3g} {unit}".replace(" /s", "/s")


def ratio(figure: Figure, found: dict[str, float]) -> str:
    ours, base = found.get(OURS.name), found.get(figure.against)
    return f"{ours / base:.2f} × {figure.against}" if ours and base and not figure.absolute else ""


def goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    sign = "≤" if figure.less_is_better else "≥"
    return f"{sign} {figure.goal:g} " + (figure.unit if figure.absolute else f"× {figure.against}")


def markdown(results: Results, seconds: float, rounds: int) -> str:
    """The table of docs/performance.md, with what it was measured on."""
    peers = [peer for peer in PEERS if any(peer.name in by for by in results.values())]
    lines = [
        f"| what | {' | '.join(peer.title for peer in peers)} | ratio | goal |",
        f"|---|{'---:|' * len(peers)}---:|---|",
    ]
    for figure, found, reached in rows(results):
        cells = [written(found.get(peer.name), figure.unit) for peer in peers]
        verdict = goal(figure) + {True: " ✓", False: " **missed**", None: ""}[reached]
        lines.append(f"| {figure.title} | {' | '.join(cells)} | {ratio(figure, found)} | {verdict} |")
    wrong = [str(wrongs(peer, results)) for peer in peers]
    lines.append(f"| lost, repeated, out of order, ended | {' | '.join(wrong)} | | 0 |")
    lines += ["", f"Median of {rounds} rounds of {seconds:g} s; {machine()}."]
    return "\n".join(lines)


def wrongs(peer: Peer, results: Results) -> int:
    return sum(faults(result) for by in results.values() for result in by.get(peer.name, []))


def machine() -> str:
    """What the figures were measured on: they differ between machines, the ratios less so."""
    processors = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = processors[0].partition(":")[2].strip() if processors else platform.machine()
    return f"{name}, one core for the server and one for the load, Python {platform.python_version()}"


def plot(results: Results, path: Path) -> None:
    """Four panels: fan-out by window, round trips, latency at a steady load, memory."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.hashsalt": "rt-service", "font.size": 9, "axes.spines.top": False})
    plt.rcParams.update({"axes.spines.right": False, "axes.titlelocation": "left", "axes.titleweight": "bold"})
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    _lines(axes[0][0], results)
    _bars(axes[0][1], results, ["echo-100", "echo-1000"], 0, "Acked round trips per second", "more is better")
    _bars(
        axes[1][0],
        results,
        ["steady-200", "steady-1000"],
        1,
        "p99 in ms at 100 publishes/s",
        "less is better",
        log=True,
    )
    _bars(axes[1][1], results, ["idle-10000"], 1, "KiB per idle connection", "less is better")
    axes[0][0].legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def _lines(axis: Any, results: Results) -> None:
    windows = [1, 4, 32, 256]
    loads = [load for window in windows for load in LOADS if load.name == f"fanout-1000-{window}"]
    for peer in PEERS:
        points = [
            (w, values(load.figures[0], load, results).get(peer.name)) for w, load in zip(windows, loads, strict=True)
        ]
        shown = [(window, value) for window, value in points if value]
        axis.plot(*zip(*shown, strict=True), "o-", label=peer.title, color=peer.colour) if shown else None
    axis.set(xscale="log", yscale="log", xlabel="publishes in flight", title="Deliveries per second, 1,000 in the room")
    axis.set_xticks(windows, [str(window) for window in windows])


def _bars(axis: Any, results: Results, names: list[str], which: int, title: str, note: str, log: bool = False) -> None:
    loads = [load for load in LOADS if load.name in names and load.name in results]
    labels, heights, colours = [], [], []
    for load in reversed(loads):
        found = values(load.figures[which], load, results)
        for peer in reversed([peer for peer in PEERS if peer.name in found]):
            labels.append(f"{peer.title}, {min(load.clients, peer.most):,}")
            heights.append(found[peer.name])
            colours.append(peer.colour)
    bars = axis.barh(labels, heights, color=colours, log=log)
    axis.bar_label(bars, [f"{height:,.3g}" if height < 1000 else f"{height:,.0f}" for height in heights], padding=3)
    axis.set(title=title, xlabel=note)
    axis.margins(x=0.2)

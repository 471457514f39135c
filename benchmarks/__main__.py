"""`python -m benchmarks`: every load on every server, in one run; a table on the terminal, a plot in results/."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import loads, report
from benchmarks.servers import PEERS, RESULTS, ROOT, Missing, Peer, check_machine, running

DOCS = ROOT / "docs"
BEGIN, END = "<!-- the table of the last `make bench ARGS=--docs` -->", "<!-- its end -->"
console = Console(width=None if sys.stdout.isatty() else 140)


def main(
    only: Annotated[
        str, typer.Option(help="Loads whose name contains this, such as fanout-1000.", metavar="TEXT")
    ] = "",
    servers: Annotated[str, typer.Option(help="Which servers, with commas.", metavar="LIST")] = "ours,node,flask,c",
    seconds: Annotated[float, typer.Option(help="Of each measurement.", min=0.5, metavar="SECONDS")] = 3,
    rounds: Annotated[int, typer.Option(help="The median counts.", min=1, metavar="N")] = 3,
    out: Annotated[Path, typer.Option(help="Where results and plot go.", metavar="FOLDER")] = RESULTS,
    docs: Annotated[bool, typer.Option("--docs", help="Put table and plot into docs/performance.md.")] = False,
    set_: Annotated[list[str], typer.Option("--set", help="A setting of rt-service.", metavar="NAME=VALUE")] = [],  # noqa: B006
) -> None:
    """Measure rt-service and its peers side by side."""
    try:
        check_machine()
    except Missing as missing:
        raise SystemExit(str(missing)) from None
    chosen = [load for load in loads.LOADS if only in load.name]
    peers = [peer for peer in PEERS if peer.name in servers.split(",")]
    results = measure(chosen, peers, seconds, rounds, set_)
    out.mkdir(exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=1))
    show(results, peers)
    if not only:
        report.plot(results, out / "performance.svg")
        console.print(f"plot: {out / 'performance.svg'}")
    if docs:
        write_docs(report.markdown(results, seconds, rounds), out)


def measure(
    chosen: list[loads.Load], peers: list[Peer], seconds: float, rounds: int, options: list[str]
) -> report.Results:
    results: report.Results = {load.name: {peer.name: [] for peer in peers} for load in chosen}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=rounds * len(chosen) * len(peers))
        for _ in range(rounds):
            for load in chosen:
                for peer in list(peers):
                    progress.update(task, description=f"{load.name} on {peer.title}")
                    try:
                        with running(peer, options) as server:
                            results[load.name][peer.name].append(loads.run(load, peer, server, seconds))
                    except Missing as missing:
                        console.print(f"[yellow]left out: {peer.title}: {missing}")
                        peers.remove(peer)
                    progress.advance(task)
    return results


def show(results: report.Results, peers: list[Peer]) -> None:
    table = Table(title="medians")
    table.add_column("what")
    for heading in [*(peer.title for peer in peers), "ratio"]:
        table.add_column(heading, justify="right")
    table.add_column("goal")
    for figure, found, reached in report.rows(results):
        colour = {True: "[green]", False: "[red]", None: ""}[reached]
        cells = [report.written(found.get(peer.name), figure.unit) for peer in peers]
        table.add_row(figure.title, *cells, report.ratio(figure, found), colour + report.goal(figure))
    wrong = [str(report.wrongs(peer, results)) for peer in peers]
    table.add_row("lost, repeated, out of order, ended", *wrong, "", "0")
    console.print(table)


def write_docs(table: str, out: Path) -> None:
    page = DOCS / "performance.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")
    shutil.copy(out / "performance.svg", DOCS / "performance.svg")


if __name__ == "__main__":
    typer.run(main)

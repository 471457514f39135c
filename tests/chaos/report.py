"""The table of a run."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from tests.chaos.verdict import Result

COLUMNS = {
    "acked by devices": lambda r: r.by_devices,
    "by clients": lambda r: r.by_talkers,
    "seen by all": lambda r: r.seen_by_all,
    "lost": lambda r: r.lost,
    "twice": lambda r: r.duplicates,
    "out of order": lambda r: r.out_of_order,
    "recovered": lambda r: r.recovered,
    "not recovered": lambda r: r.unrecovered,
    "faults": lambda r: r.faults,
    "MiB before": lambda r: r.memory_before >> 20,
    "after": lambda r: r.memory_after >> 20,
    "s": lambda r: round(r.seconds),
}


def show(console: Console, results: list[Result]) -> None:
    """The figures of every scenario, what has to be known to read them, and what is wrong."""
    table = Table(
        title="Nothing acknowledged is lost", caption="Each number counts once, however many subscribers saw it."
    )
    table.add_column("scenario", no_wrap=True)
    for title in COLUMNS:
        table.add_column(title, justify="right")
    table.add_column("")
    for result in results:
        cells = [f"{figure(result):,}" for figure in COLUMNS.values()]
        table.add_row(result.title, *cells, "[red]FAILED" if result.wrong else "[green]ok")
    console.print(table)
    for result in results:
        for note in result.notes:
            console.print(f"{result.title}: {note}", highlight=False, markup=False)
    for result in results:
        for line in result.wrong:
            console.print(f"{result.title}: {line}", style="red", highlight=False, markup=False)
        if result.wrong:
            for line in result.details:
                console.print(f"   {line}", highlight=False, markup=False)

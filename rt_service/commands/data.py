"""`check-data`: what a data file holds, whether it is sound, and saving what can be saved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from rt_service.engines.sqlite.check import Report, check, repair
from rt_service.engines.sqlite.database import CannotOpen
from rt_service.settings import SettingsError


def check_data(
    data_dir: Annotated[Path, typer.Option(help="the folder that the service was given", metavar="FOLDER")] = Path(
        "var"
    ),
    repair_: Annotated[bool, typer.Option("--repair", help="move a damaged file aside and save what can be")] = False,
) -> None:
    """Look through what is kept on disk, while the service does not run."""
    console = Console(highlight=False, soft_wrap=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.fields[rows]} rows")
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading", rows=0)

        def show(what: str, rows: int) -> None:
            progress.update(task, description=what, rows=rows)

        try:
            report = check(data_dir, show)
            saved = repair(data_dir, show) if report.problems and repair_ else None
        except CannotOpen as error:
            raise SettingsError(str(error)) from None
    _print(console, report)
    if saved is not None:
        aside, rows = saved
        console.print(f"[yellow]repaired[/]: the damaged file is {aside}")
        console.print("saved: " + ", ".join(f"{count} of {table}" for table, count in rows.items()))
        raise typer.Exit(0)
    if report.problems:
        console.print("`check-data --repair` moves the file aside and saves what can be saved")
        raise typer.Exit(1)


def _print(console: Console, report: Report) -> None:
    for table, count in report.rows.items():
        console.print(f"{table:12} {count} rows")
    for problem in report.problems:
        console.print(f"[red]damaged[/]: {problem}")
    if not report.problems:
        console.print("[green]sound[/]")

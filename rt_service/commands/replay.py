"""`export` a room's history to a file, and `replay` it into a room: to see again what a game or a plant did."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rt_service.commands.remote import DEFAULT_URL, Namespace, RemoteError, Room, Token, Url, ask, connect
from rt_service.core.encoding import in_base64

PAGE = 1000
IDENTITY = {"user": "replay", "kind": "service"}


def export(
    namespace: Namespace,
    room: Room,
    url: Url = DEFAULT_URL,
    token: Token = "",
    out: Annotated[Path | None, typer.Option(help="the file; without one, standard output", metavar="FILE")] = None,
) -> None:
    """Write the history of a room as JSON lines: each publication with its position and time."""
    client = connect(url, namespace, {"token": token})
    count = 0
    try:
        with _opened(out) as file, _progress("exporting", None) as (progress, task):
            for epoch, publication in _history(client, namespace, room):
                file.write(json.dumps({"epoch": epoch, **publication}, default=in_base64) + "\n")
                count += 1
                progress.update(task, completed=count)
    finally:
        client.disconnect()
    Console(stderr=True, highlight=False).print(f"{count} publications of {room} in {namespace}")


def replay(
    file: Annotated[Path, typer.Argument(help="what `export` wrote")],
    into: Annotated[str, typer.Option(help="namespace and room, such as /game/copy", metavar="NS/ROOM")],
    speed: Annotated[
        str, typer.Option(help="1x as it was, 4x, 0.5x, max; step: one with each Enter", metavar="SPEED")
    ] = "1x",
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Publish an exported history into a room, in its own time, as service:replay (in token mode as the token says)."""
    namespace, _, room = into.rpartition("/")
    if not namespace or not room:
        raise RemoteError(f"--into {into}: write namespace and room, such as /game/copy")
    factor = _factor(speed)
    publications = _read(file)
    client = connect(url, namespace, {**IDENTITY, "token": token})
    try:
        ask(client, namespace, "join", {"room": room})
        with _progress("replaying", len(publications)) as (progress, task):
            before = publications[0]["at"] if publications else 0
            for publication in publications:
                _pause(factor, (publication["at"] - before) / 1000)
                before = publication["at"]
                request: dict[str, Any] = {
                    name: publication[name] for name in ("event", "data", "key") if name in publication
                }
                _publish(client, namespace, {"room": room, **request})
                progress.advance(task)
    finally:
        client.disconnect()
    Console(stderr=True, highlight=False).print(f"{len(publications)} publications into {room} of {namespace}")


def _history(client: Any, namespace: str, room: str) -> Iterator[tuple[str, dict[str, Any]]]:
    request: dict[str, Any] = {"room": room, "limit": PAGE}
    while True:
        page = ask(client, namespace, "history", request)
        for publication in page["publications"]:
            yield page["epoch"], publication
        if not page["more"]:
            return
        request["since"] = {"epoch": page["epoch"], "offset": page["publications"][-1]["offset"]}


def _publish(client: Any, namespace: str, request: dict[str, Any]) -> None:
    while True:
        try:
            ask(client, namespace, "publish", request)
            return
        except RemoteError as error:
            if error.retry_after_ms is None:
                raise
            time.sleep(error.retry_after_ms / 1000)  # faster than the service takes it


def _factor(speed: str) -> float | None:
    """How much faster than it was; None: step by step."""
    if speed == "step":
        return None
    try:
        factor = float("inf") if speed == "max" else float(speed.removesuffix("x"))
    except ValueError:
        factor = 0
    if factor <= 0:
        raise RemoteError(f"--speed {speed}: write 1x, 4x, 0.5x, max or step")
    return factor


def _pause(factor: float | None, seconds: float) -> None:
    if factor is None:
        input()
    elif seconds > 0:
        time.sleep(seconds / factor)


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RemoteError(f"{file}: cannot be read: {getattr(error, 'strerror', error)}") from None
    publications = []
    for number, line in enumerate(lines, 1):
        try:
            publication = json.loads(line)
            publication["event"], publication["data"], publication["at"] + 0
        except (ValueError, TypeError, KeyError):
            raise RemoteError(f"{file}, line {number}: is no publication as `export` writes them") from None
        publications.append(publication)
    return publications


def _opened(out: Path | None) -> Any:
    if out is None:
        return nullcontext(sys.stdout)
    try:
        file: IO[str] = out.open("w", encoding="utf-8")
    except OSError as error:
        raise RemoteError(f"{out}: cannot be written: {error.strerror}") from None
    return file


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[tuple[Progress, Any]]:
    columns = TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress, progress.add_task(what, total=total)

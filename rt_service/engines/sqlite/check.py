"""Looks a data file through, and saves what can be saved of a damaged one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rt_service.engines.sqlite.database import FILE, CannotOpen, check_version, connect, explained, lock, migrate
from rt_service.engines.sqlite.schema import TABLES

Progress = Callable[[str, int], None]


class Report(NamedTuple):
    """`problems` are lines for an operator; `rows` counts what can be read, by table."""

    problems: list[str]
    rows: dict[str, int]


def check(folder: Path, progress: Progress) -> Report:
    """Read everything. Raises CannotOpen when the file is not there, in use, or of a newer version."""
    path = _existing(folder)
    held = lock(folder)
    try:
        check_version(path)
        connection = connect(path)
        progress("integrity", 0)
        problems = [str(line) for (line,) in connection.execute("PRAGMA integrity_check(20)") if line != "ok"]
        rows = {table: _count(connection, table, problems, progress) for table in TABLES}
        if not problems:
            problems += _positions(connection)
        connection.close()
        return Report(problems, rows)
    except sqlite3.Error as error:
        return Report([explained(error, path)], {})
    finally:
        held.close()


def repair(folder: Path, progress: Progress) -> tuple[Path, dict[str, int]]:
    """Move the file aside and write what can be read of it into a new one; where it is now, and what was saved.

    Raises:
        CannotOpen: the file is not there, or in use.
    """
    path = _existing(folder)
    held = lock(folder)
    try:
        aside = path.with_name(f"{FILE}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        for suffix in ("", "-wal", "-shm"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        new = connect(path)
        migrate(new)
        saved = {table: _copy(aside, new, table, progress) for table in TABLES}
        # A room must never give an offset a second time.
        new.execute(
            "UPDATE room SET offset = MAX(offset, COALESCE((SELECT MAX(p.offset) FROM publication p"
            " WHERE p.room = room.id), 0))"
        )
        new.close()
        return aside, saved
    except sqlite3.Error as error:
        raise CannotOpen(explained(error, path)) from None
    finally:
        held.close()


def _existing(folder: Path) -> Path:
    path = folder / FILE
    if not path.is_file():
        raise CannotOpen(f"{path}: is not there; --data-dir names the folder")
    return path


def _count(connection: sqlite3.Connection, table: str, problems: list[str], progress: Progress) -> int:
    count = 0
    try:
        for _ in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608
            count += 1
            if count % 10_000 == 0:
                progress(table, count)
    except sqlite3.Error as error:
        problems.append(f"{table}: after {count} rows: {error}")
    progress(table, count)
    return count


def _positions(connection: sqlite3.Connection) -> list[str]:
    """Rooms whose position is behind their publications, and publications of no room."""
    behind = connection.execute(
        "SELECT namespace || ' ' || name FROM room WHERE offset <"
        " (SELECT MAX(p.offset) FROM publication p WHERE p.room = room.id) LIMIT 5"
    )
    orphans = connection.execute("SELECT COUNT(*) FROM publication WHERE room NOT IN (SELECT id FROM room)")
    found = [f"room {name}: its position is behind its publications" for (name,) in behind]
    (count,) = orphans.fetchone()
    return found + ([f"{count} publications belong to no room"] if count else [])


def _copy(aside: Path, new: sqlite3.Connection, table: str, progress: Progress) -> int:
    """As many rows as can be read, from both ends: damage in the middle hides neither."""
    names = ", ".join(f'"{column}"' for column in TABLES[table])
    marks = ",".join("?" * len(TABLES[table]))
    old = sqlite3.connect(f"file:{aside}?mode=ro", uri=True)
    new.execute("BEGIN")
    for direction in ("ASC", "DESC"):
        try:
            for row in old.execute(f'SELECT {names} FROM {table} ORDER BY "{TABLES[table][0]}" {direction}'):  # noqa: S608
                new.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row)  # noqa: S608
        except sqlite3.Error:
            continue  # the rest of it may be reached from the other end
        break
    new.execute("COMMIT")
    old.close()
    (saved,) = new.execute(f"SELECT COUNT(*) FROM {table}").fetchone()  # noqa: S608
    progress(table, saved)
    return int(saved)

"""The file: opened with care, read on the loop, written by one thread at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from rt_service.engines.sqlite.schema import MIGRATIONS, TABLES, VERSION

FILE = "rt.sqlite3"
CHUNKS = (256, 64, 16, 4, 1)
Row = tuple[Any, ...]


class CannotOpen(Exception):
    """The file cannot be used; one line that says why and what to do."""


@dataclass
class Batch:
    """What one transaction writes: it deletes first. Rows replace those of the same key."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {table: [] for table in TABLES})
    deletes: list[tuple[str, Row]] = field(default_factory=list)  # statements with their parameters


class Database:
    """`read` and `write` raise sqlite3.Error. `write` may run in any thread, one at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises CannotOpen."""
        self.path = folder / FILE
        self._lock: sqlite3.Connection | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock(folder)
            check_version(self.path)
            self._writer = connect(self.path)
            migrate(self._writer)
            self._reader = connect(self.path)
            self._reader.execute("PRAGMA query_only = 1")
        except OSError as error:
            raise CannotOpen(f"{folder}: {error.strerror}; --data-dir names another folder") from None
        except sqlite3.Error as error:
            self._unlock()
            raise CannotOpen(explained(error, self.path)) from None

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def read(self, sql: str, *values: Any) -> Iterator[Row]:
        return self._reader.execute(sql, values)

    def write(self, batch: Batch) -> None:
        """One transaction; it is on the disk when this returns, or nothing of it ever will be.

        Many rows go into one statement, because each statement lets go of Python's lock and has to get it back from a
        busy loop, which takes longer than writing.
        """
        writer = self._writer
        try:
            writer.execute("BEGIN IMMEDIATE")
            for statement, values in batch.deletes:
                writer.execute(statement, values)
            for table, rows in batch.rows.items():
                self._insert(table, rows)
            writer.execute("COMMIT")
        except sqlite3.Error:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            raise

    def _insert(self, table: str, rows: list[Row]) -> None:
        columns = TABLES[table]
        one = f"({','.join('?' * len(columns))})"
        names = ", ".join(f'"{column}"' for column in columns)
        for chunk in _chunks(rows):
            many = ",".join([one] * len(chunk))
            self._writer.execute(f"REPLACE INTO {table} ({names}) VALUES {many}", list(chain.from_iterable(chunk)))  # noqa: S608


def _chunks(rows: list[Row]) -> Iterator[list[Row]]:
    """In few sizes, so that there are few statements to prepare."""
    at = 0
    while at < len(rows):
        size = next(size for size in CHUNKS if size <= len(rows) - at)
        yield rows[at : at + size]
        at += size


def lock(folder: Path) -> sqlite3.Connection:
    """Held as long as the process lives, however it ends: two services must not write the same rooms."""
    held = sqlite3.connect(folder / "rt.lock", timeout=0, isolation_level=None, check_same_thread=False)
    try:
        held.execute("PRAGMA locking_mode = EXCLUSIVE")
        held.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        held.close()
        if "locked" in str(error):
            raise CannotOpen(f"{folder}: another rt-service uses it; stop that one, or give --data-dir") from None
        raise
    return held


def check_version(path: Path) -> None:
    """Before anything is written to the file. Raises CannotOpen."""
    if not path.exists():
        return
    looking = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    (version,) = looking.execute("PRAGMA user_version").fetchone()
    looking.close()
    if version > VERSION:
        raise CannotOpen(
            f"{path}: was written by a newer rt-service (data version {version}, this one knows {VERSION}); "
            f"use that one, or give --data-dir"
        )


def connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False, cached_statements=256)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 4000", "cache_size = -16000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def migrate(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number in range(version, VERSION):
        connection.executescript(f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;")
    if version == VERSION:  # so that a file that cannot be written is found now
        connection.executescript("BEGIN IMMEDIATE; ROLLBACK;")


def explained(error: sqlite3.Error, path: Path) -> str:
    """One line for an operator."""
    text = str(error)
    helps = {
        "readonly": "it cannot be written; check who owns the folder, or give --data-dir",
        "unable to open": "it cannot be opened; check who owns the folder, or give --data-dir",
        "not a database": "it is no database; move it away, or give --data-dir",
        "malformed": "it is damaged; `python run.py check-data --repair` saves what can be saved",
        "full": "the disk is full",
        "locked": "another process uses it",
    }
    help = next((help for word, help in helps.items() if word in text), "")
    return f"{path}: {text}" + (f": {help}" if help else "")

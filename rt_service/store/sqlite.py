"""SQLite under which the loop goes on: each call runs in a thread, which neither logs nor locks (decisions/0011)."""

from __future__ import annotations

import os
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

from rt_service import runtime

BUSY_S = 5.0  # for another process that writes to the same file


class Cursor(sqlite3.Cursor):
    def execute(self, *args: Any) -> Cursor:
        runtime.offload(super().execute, *args)
        return self

    def executemany(self, *args: Any) -> Cursor:
        runtime.offload(super().executemany, *args)
        return self

    def fetchone(self) -> Any:
        return runtime.offload(super().fetchone)

    def fetchmany(self, *args: Any) -> Any:
        return runtime.offload(super().fetchmany, *args)

    def fetchall(self) -> Any:
        return runtime.offload(super().fetchall)


class Connection(sqlite3.Connection):
    def cursor(self, factory: Any = Cursor) -> Any:
        return super().cursor(factory)

    def commit(self) -> None:
        runtime.offload(super().commit)

    def rollback(self) -> None:
        runtime.offload(super().rollback)

    def close(self) -> None:
        runtime.offload(super().close)


def make_file(path: Path) -> None:
    """There is a file that only its owner may read. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def connect(*args: Any, **more: Any) -> Connection:
    """Raises sqlite3.Error. Transactions begin where they are told to, also those that change tables."""
    more |= {"factory": Connection, "isolation_level": None, "timeout": BUSY_S, "check_same_thread": False}
    connection: Connection = runtime.offload(partial(sqlite3.connect, *args, **more))
    return connection

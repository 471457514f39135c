"""Rooms and what else has to survive, in one SQLite file: docs/decisions/0008-sqlite.md says how and why."""

from rt_service.engines.sqlite.database import CannotOpen, Database
from rt_service.engines.sqlite.engine import SqliteEngine

__all__ = ["CannotOpen", "Database", "SqliteEngine"]

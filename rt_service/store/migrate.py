"""Bringing a database's tables to what this version works with."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

FOLDER = Path(__file__).parent / "migrations"


class Newer(Exception):
    """The tables are of a version that this one does not know: (theirs, ours)."""


def upgrade(connection: Connection) -> str | None:
    """In the transaction that `connection` is in; the version the tables had before, None for an empty database.

    Raises Newer.
    """
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    found = MigrationContext.configure(connection).get_current_revision()
    ours = script.get_current_head()
    if found is not None and found not in {revision.revision for revision in script.walk_revisions()}:
        raise Newer(found, ours)
    if found != ours:
        command.upgrade(config, "head")
    return found

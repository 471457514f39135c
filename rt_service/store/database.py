"""The database that `store.url` names: opened with care, asked by a few at a time, refused at once while it is down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, InterfaceError, InternalError, OperationalError, SQLAlchemyError, TimeoutError

from rt_service import log, runtime
from rt_service.core.errors import Unavailable
from rt_service.core.turns import Turns
from rt_service.store import migrate, sqlite

FILE = "accounts.db"
AT_ONCE = 4
WAITING = 200
ANSWER_S = 2.0  # for one answer of the database
MIGRATE_S = 60.0  # the same, for others that migrate and for a step over many rows
LOCK = 7_214_552  # a number of our own among the advisory locks of a PostgreSQL database

# It is down, full, locked or read-only. Other errors are faults of ours, and are not hidden.
DOWN = (OperationalError, InterfaceError, InternalError, TimeoutError)


class CannotOpen(Exception):
    """The database cannot be used; one line that says why and what to do."""


def location(url: str, folder: Path) -> URL:
    """What `store.url` names. Raises CannotOpen when that is neither SQLite nor PostgreSQL."""
    if url == "sqlite":
        return URL.create("sqlite", database=str(folder / FILE))
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        found = None
    if found is None or found.drivername not in ("postgresql", "postgresql+psycopg"):
        raise CannotOpen("store.url: write sqlite, or postgresql+psycopg://user:password@host/database")
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise CannotOpen("store.url: PostgreSQL needs psycopg: pip install 'psycopg[binary]'") from None
    return found.set(drivername="postgresql+psycopg")


class Database:
    def __init__(self, url: str, folder: Path) -> None:
        """`url` is `store.url`, `folder` where a SQLite file is. Raises CannotOpen."""
        self.trouble: str | None = "it is not open yet"
        self._url = location(url, folder)
        self._engine = self._made(ANSWER_S, "BEGIN")
        self._opened = False
        self._turns = Turns(runtime.Waiter, AT_ONCE, WAITING, 2 * ANSWER_S, "requests for accounts")
        self._log = log.get("store")

    @property
    def name(self) -> str:
        """For people, without its password."""
        return str(self._url.database) if self._is_file else self._url.render_as_string(hide_password=True)

    @property
    def _is_file(self) -> bool:
        return self._url.drivername == "sqlite"

    # -- opening

    def open(self) -> None:
        """Bring its tables up to date. Raises CannotOpen where somebody has to help, Unavailable where time may."""
        engine = self._made(MIGRATE_S, "BEGIN IMMEDIATE")
        try:
            if self._is_file:
                sqlite.make_file(Path(str(self._url.database)))
            with engine.begin() as connection:
                self.lock(connection)
                before = migrate.upgrade(connection)
        except OSError as error:
            raise CannotOpen(f"{error.filename}: {error.strerror}; --data-dir names another folder") from None
        except migrate.Newer as error:
            theirs, ours = error.args
            raise CannotOpen(
                f"{self.name}: was written by a newer rt-service (version {theirs}, this one knows {ours}); "
                f"use that one, or give another store.url"
            ) from None
        except DOWN as error:
            raise self._down(_why(error)) from None
        except SQLAlchemyError as error:
            raise CannotOpen(f"{self.name}: {_why(error)}; give another store.url, or --data-dir") from None
        finally:
            engine.dispose()
        self._opened, self.trouble = True, None
        self._log.info("store_opened", store=self.name, migrated_from=before)

    def _made(self, answer_s: float, begin: str) -> Engine:
        more: dict[str, Any] = {} if self._is_file else {"use_native_hstore": False}
        engine = create_engine(
            self._url, pool_size=AT_ONCE, max_overflow=0, pool_timeout=ANSWER_S, hide_parameters=True, **more
        )
        if self._is_file:
            connect: Any = sqlite.connect
            event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        else:
            from rt_service.store import postgresql

            connect = partial(postgresql.connect, answer_s)
        event.listen(engine, "do_connect", lambda dialect, record, args, more: connect(*args, **more))
        return engine

    def close(self) -> None:
        self._engine.dispose()

    # -- asking

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Committed when the block ends well.

        Raises:
            Unavailable: the database is down, or was when it was asked last.
            TooManyRequests: too many ask it at once.
        """
        self._refuse_while_down()
        with self._turns.turn():
            self._refuse_while_down()  # others found out meanwhile
            with self._connection() as connection:
                yield connection

    def check(self) -> None:
        """Ask whether it answers (again). Called again and again. Raises Unavailable, TooManyRequests."""
        try:
            if not self._opened:
                self.open()
        except CannotOpen as error:
            raise self._down(str(error)) from None
        with self._turns.turn(), self._connection() as connection:
            connection.execute(text("SELECT version_num FROM alembic_version"))
        if self.trouble is not None:
            self._log.info("store_works", store=self.name)
            self.trouble = None

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except DOWN as error:
            raise self._down(_why(error)) from None

    def _refuse_while_down(self) -> None:
        if self.trouble is not None:
            raise _unavailable()

    def lock(self, connection: Connection) -> None:
        """Until the transaction ends, nobody else has this lock. SQLite has one writer at a time anyway."""
        if not self._is_file:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})

    def _down(self, why: str) -> Unavailable:
        if self.trouble != why:
            self._log.warning("store_failed", store=self.name, why=why)
        self.trouble = why
        return _unavailable()


def _why(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]


def _unavailable() -> Unavailable:
    return Unavailable("the accounts cannot be looked up or changed now; try again", retry_after_ms=1000)

"""What the store keeps to on SQLite and on PostgreSQL."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text
from structlog.testing import capture_logs

from rt_service.auth.accounts import Account
from rt_service.auth.credentials import Credential
from rt_service.core.errors import Conflict, Unavailable
from rt_service.store import CannotOpen, Database, Store
from rt_service.store.database import LOCK
from rt_service.store.tables import metadata
from tests.support.clock import ManualClock
from tests.support.postgresql import PASSWORD, PostgreSql
from tests.support.service import ROOT
from tests.support.waiting import eventually

GRANTS = [{"rooms": ["/iot:device:*"], "verbs": ["join", "publish"]}]
DAY_S = 86_400.0


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSql]:
    with PostgreSql() as server:
        yield server


class Bench:
    """A place for a store, and the store in it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.clock = ManualClock()
        self.url = url
        self.folder = folder
        self.database = Database(url, folder)
        self.store = Store(self.database, self.clock)

    def open(self) -> Store:
        self.database.open()
        return self.store

    def sql(self, *statements: str) -> list[tuple[object, ...]]:
        """Done by somebody else; the rows of the last one."""
        url = f"sqlite:///{self.folder}/accounts.db" if self.url == "sqlite" else self.url
        engine = create_engine(url)
        with engine.begin() as connection:
            results = [connection.execute(text(statement)) for statement in statements]
            rows = [tuple(row) for row in results[-1]] if results[-1].returns_rows else []
        engine.dispose()
        return rows


@pytest.fixture(params=["sqlite", "postgresql"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    url = "sqlite" if request.param == "sqlite" else request.getfixturevalue("postgresql").database()
    bench = Bench(url, tmp_path / "data")
    yield bench
    bench.database.close()


@pytest.fixture
def store(bench: Bench) -> Store:
    return bench.open()


def alice(name: str = "alice", **other: object) -> Account:
    return Account(name, "hash", "user", 1)._replace(**other)  # type: ignore[arg-type]


def lamp(id: str = "lamp-1", **other: object) -> Credential:
    return Credential(id, "0" * 64, GRANTS, 1)._replace(**other)  # type: ignore[arg-type]


# -- accounts


def test_an_account_is_there_as_it_was_added(store: Store) -> None:
    account = Account("al.ice_:@-9", "$argon2id$…", "admin", 1_735_689_600_000)
    store.add_account(account)
    assert store.account("al.ice_:@-9") == account
    assert store.account("bob") is None


def test_a_name_is_taken_whatever_its_capitals(store: Store) -> None:
    store.add_account(alice())
    for name in ("alice", "Alice", "ALICE"):
        with pytest.raises(Conflict, match=f"the name {name} is taken"):
            store.add_account(alice(name, role="admin"))
    assert store.accounts() == [alice()] and store.account("Alice") is None


def test_accounts_are_listed_and_counted(store: Store) -> None:
    assert store.accounts() == [] and store.count_accounts() == 0
    for name in ("carol", "alice", "bob"):
        store.add_account(alice(name))
    assert [account.name for account in store.accounts()] == ["alice", "bob", "carol"]
    assert store.count_accounts() == 3


def test_a_changed_password_is_the_only_one_and_revokes(bench: Bench, store: Store) -> None:
    store.add_account(alice())
    eviction = store.change_password("alice", "other")
    assert eviction is not None and eviction[1:] == ("user", "alice", bench.clock.ms())
    assert store.account("alice") == alice(password_hash="other")
    assert store.evictions_since(0) == [eviction]


def test_a_password_that_was_changed_meanwhile_is_left_alone(store: Store) -> None:
    store.add_account(alice())
    assert store.change_password("alice", "mine", was="hash") is not None
    assert store.change_password("alice", "late", was="hash") is None
    store.rehash("alice", "late", was="hash")
    assert store.account("alice") == alice(password_hash="mine")
    assert len(store.evictions_since(0)) == 1


def test_another_hash_of_the_same_password_revokes_nothing(store: Store) -> None:
    store.add_account(alice())
    store.rehash("alice", "stronger", was="hash")
    assert store.account("alice") == alice(password_hash="stronger") and store.last_eviction() == 0


def test_an_account_is_disabled_and_enabled(store: Store) -> None:
    store.add_account(alice())
    store.add_account(alice("billing", role="service"))
    for name, kind in (("alice", "user"), ("billing", "service")):
        eviction = store.disable_account(name)
        assert eviction is not None and (eviction.kind, eviction.id) == (kind, name)
        account = store.account(name)
        assert account is not None and account.disabled
    assert store.enable_account("alice") and store.account("alice") == alice()


def test_an_account_gets_another_role(store: Store) -> None:
    store.add_account(alice(role="service"))
    eviction = store.change_role("alice", "admin")
    assert eviction is not None and (eviction.kind, eviction.id) == ("service", "alice")  # who it was until then
    assert store.account("alice") == alice(role="admin")
    assert store.change_role("nobody", "admin") is None


def test_what_is_not_there_cannot_be_changed(store: Store) -> None:
    assert store.change_password("nobody", "x") is None and store.disable_account("nobody") is None
    assert not store.enable_account("nobody")
    assert store.change_secret("nothing", "x") is None and store.disable_device("nothing") is None
    assert not store.enable_device("nothing")
    assert store.last_eviction() == 0


# -- devices


def test_devices_are_looked_up_together(store: Store) -> None:
    for n in range(3):
        store.add_credential(lamp(f"lamp-{n}"))
    found = store.credentials_of(["lamp-2", "lamp-7", "lamp-0"])
    assert found == {"lamp-0": lamp("lamp-0"), "lamp-2": lamp("lamp-2")}
    assert store.credentials_of([f"lamp-{n}" for n in range(500)]).keys() == {"lamp-0", "lamp-1", "lamp-2"}
    assert [credential.id for credential in store.credentials()] == ["lamp-0", "lamp-1", "lamp-2"]


def test_a_device_is_added_once(store: Store) -> None:
    store.add_credential(lamp())
    with pytest.raises(Conflict, match="there is a device lamp-1 already"):
        store.add_credential(lamp(secret_hash="1" * 64))
    assert store.credentials() == [lamp()]


def test_a_device_gets_another_secret_and_is_disabled_and_enabled(store: Store) -> None:
    store.add_credential(lamp())
    first, second = store.change_secret("lamp-1", "1" * 64), store.disable_device("lamp-1")
    assert first is not None and (first.kind, first.id) == ("device", "lamp-1")
    assert second is not None and second.number > first.number
    assert store.credentials() == [lamp(secret_hash="1" * 64, disabled=True)]
    assert store.enable_device("lamp-1") and store.credentials() == [lamp(secret_hash="1" * 64)]


# -- evictions


def test_evictions_are_read_on_from_the_last_one_seen(store: Store) -> None:
    for n in range(3):
        store.add_credential(lamp(f"lamp-{n}"))
        store.disable_device(f"lamp-{n}")
    first = store.evictions_since(0)[0]
    assert [eviction.id for eviction in store.evictions_since(first.number)] == ["lamp-1", "lamp-2"]
    assert store.evictions_since(store.last_eviction()) == []


def test_a_eviction_is_forgotten_after_thirty_days_but_its_number_stays_used(bench: Bench, store: Store) -> None:
    store.add_credential(lamp())
    first = store.disable_device("lamp-1")
    bench.clock.advance(31 * DAY_S)
    second = store.disable_device("lamp-1")
    assert first and second and second.number > first.number
    assert store.evictions_since(0) == [second]


# -- opening


def test_what_was_kept_is_there_for_the_next_process(bench: Bench, store: Store) -> None:
    store.add_account(alice())
    bench.database.close()
    assert Bench(bench.url, bench.folder).open().accounts() == [alice()]


@pytest.mark.filterwarnings("ignore:.*expression-based index")  # of SQLite; the test of names has it
def test_an_empty_database_gets_the_tables_that_the_code_works_with(bench: Bench) -> None:
    bench.open()
    with bench.database.transaction() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_an_older_database_is_upgraded_and_keeps_what_is_in_it(bench: Bench) -> None:
    bench.open().add_account(alice())
    bench.sql("DROP TABLE evictions", "UPDATE alembic_version SET version_num = '0001'")
    bench.database.close()
    store = Bench(bench.url, bench.folder).open()
    assert store.accounts() == [alice()] and store.disable_account("alice") is not None
    assert bench.sql("SELECT version_num FROM alembic_version") == [("0002",)]


def test_a_migration_that_fails_leaves_the_database_as_it_was(bench: Bench) -> None:
    bench.folder.mkdir()
    bench.sql("CREATE TABLE evictions (mine INTEGER)")  # of somebody else; a later step wants to make it
    with pytest.raises((CannotOpen, Unavailable)):
        bench.open()
    bench.sql("CREATE TABLE accounts (mine INTEGER)", "CREATE TABLE devices (mine INTEGER)")  # they are not there


def test_a_newer_database_is_refused_in_one_line_and_left_alone(bench: Bench) -> None:
    bench.open().add_account(alice())
    bench.sql("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(CannotOpen, match=r"was written by a newer rt-service \(version 0999, this one knows") as caught:
        Bench(bench.url, bench.folder).open()
    assert "\n" not in str(caught.value) and PASSWORD not in str(caught.value)
    assert bench.sql("SELECT id FROM accounts") == [("alice",)]


def test_until_it_is_open_everything_is_unavailable(bench: Bench) -> None:
    with pytest.raises(Unavailable):
        bench.store.accounts()
    bench.database.check()
    assert bench.store.accounts() == []


def test_a_database_that_is_not_there_is_unavailable_and_says_why_once(tmp_path: Path) -> None:
    database = Database("postgresql://rt:s3cret@127.0.0.1:9/rt", tmp_path)
    with capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                database.check()
    (line,) = lines
    assert line["event"] == "store_failed" and "refused" in line["why"] and "127.0.0.1" not in str(caught.value)
    assert PASSWORD not in str(lines) and database.name == "postgresql+psycopg://rt:***@127.0.0.1:9/rt"


def test_one_process_after_the_other_migrates(postgresql: PostgreSql) -> None:
    url = postgresql.database()
    command = [sys.executable, "run.py", "account", "list", "--set", f"store.url={url}"]
    with postgresql.connection(url) as other:
        other.execute(f"SELECT pg_advisory_lock({LOCK})")
        second = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        eventually(lambda: other.execute(waiting).fetchall())
        assert other.execute("SELECT 1 FROM pg_tables WHERE tablename = 'accounts'").fetchall() == []
    assert second.communicate(timeout=30)[0] == "there are no accounts\n"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://rt:s3cret@h/rt",
        "postgres:s3cret",
        "",
        "sqlite:///s3cret.db",
        "postgresql+asyncpg://rt:s3cret@h/rt",
        "postgresql://rt:s3cret@h:port/rt",
        "//rt:s3cret@h",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_in_one_line_that_does_not_repeat_it(url: str, tmp_path: Path) -> None:
    with pytest.raises(CannotOpen, match=r"store\.url: write sqlite, or postgresql\+psycopg://") as caught:
        Database(url, tmp_path)
    assert "\n" not in str(caught.value) and PASSWORD not in str(caught.value)


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path: Path) -> None:
    content = b"this is no database, it is text\n" * 100
    (tmp_path / "accounts.db").write_bytes(content)
    with pytest.raises(CannotOpen, match=r"accounts\.db: file is not a database; ") as caught:
        Database("sqlite", tmp_path).open()
    assert "\n" not in str(caught.value) and (tmp_path / "accounts.db").read_bytes() == content


def test_a_folder_that_cannot_be_had_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotOpen, match=r"--data-dir") as caught:
        Database("sqlite", tmp_path / "file" / "data").open()
    assert "\n" not in str(caught.value)


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    Database("sqlite", tmp_path).open()
    assert stat.S_IMODE((tmp_path / "accounts.db").stat().st_mode) == 0o600


def test_a_role_that_may_not_change_tables_works_with_a_database_that_is_up_to_date(
    postgresql: PostgreSql, tmp_path: Path
) -> None:
    owners = Bench(postgresql.database(), tmp_path)
    owners.open().add_account(alice())
    owners.sql(
        "CREATE ROLE plain LOGIN PASSWORD 'plain'",
        "GRANT SELECT ON alembic_version TO plain",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON accounts, devices, evictions TO plain",
        "GRANT USAGE ON SEQUENCE evictions_number_seq TO plain",
    )
    plain = Bench(owners.url.replace(f"rt:{PASSWORD}@", "plain:plain@"), tmp_path)
    assert plain.open().disable_account("alice") is not None
    plain.database.check()
    for bench in (owners, plain):
        bench.database.close()

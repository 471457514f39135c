"""What happens to accounts over HTTP while their database is away, is slow, or is held by somebody else."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.account_service import ON, UNLIMITED, Accounts, Livez, ready
from tests.support.mqtt_client import MqttClient
from tests.support.postgresql import PASSWORD as DATABASE_PASSWORD
from tests.support.postgresql import PostgreSql
from tests.support.service import ROOT
from tests.support.waiting import eventually

UNASKED_S = 1.8  # who waits for a database waits for two seconds, or five; who is answered sooner did not wait for it
OTHERS = 20  # answers that others get meanwhile; where the wait holds them up they get one or two


def refused_within_s(service: Accounts) -> float:
    """The quickest of three log-ins: a machine that stands still for once holds up only one of them."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        assert service.log_in("alice") == 503
        took.append(time.monotonic() - began)
    return min(took)


@pytest.fixture
def own_postgresql() -> Iterator[PostgreSql]:
    """One that may be stopped."""
    with PostgreSql() as server:
        yield server


def test_a_postgresql_that_is_restarted_is_used_again(own_postgresql: PostgreSql) -> None:
    url = own_postgresql.database()
    with Accounts("--set", f"store.url={url}", "--set", "accounts.registration=open", *UNLIMITED) as service:
        assert service.register("alice") == 201
        own_postgresql.stop()
        assert refused_within_s(service) < UNASKED_S
        eventually(lambda: not ready(service))
        checks = service.get("/readyz")[1]["checks"]
        assert checks["accounts"] == "the database of accounts cannot be used" and checks["engine"] == "ok"
        own_postgresql.start()
        eventually(lambda: ready(service))
        assert service.log_in("alice") == 200 and service.register("bob") == 201
        assert len(service.events("store_failed")) >= 1 and len(service.events("store_works")) == 1
        assert DATABASE_PASSWORD not in service.log


def test_a_postgresql_that_stops_answering_holds_nobody_up_for_long(own_postgresql: PostgreSql) -> None:
    url = own_postgresql.database()
    with Accounts("--set", f"store.url={url}", "--set", "accounts.registration=open", *UNLIMITED) as service:
        assert service.register("alice") == 201
        own_postgresql.freeze()
        with Livez(service) as livez, ThreadPoolExecutor(20) as crowd:
            began, before = time.monotonic(), livez.answers
            assert set(crowd.map(service.log_in, ["alice"] * 20)) == {503}
            assert time.monotonic() - began < 8.0  # four at once, of whom each would wait for two seconds: ten
            assert livez.answers - before > OTHERS
            eventually(lambda: not ready(service))
            assert refused_within_s(service) < UNASKED_S  # it is known to be down
        own_postgresql.thaw()
        eventually(lambda: ready(service))
        assert service.log_in("alice") == 200


def test_a_slow_question_holds_nobody_up(own_postgresql: PostgreSql) -> None:
    url = own_postgresql.database()
    with Accounts("--set", f"store.url={url}", "--set", "accounts.registration=open", *UNLIMITED) as service:
        assert service.register("alice") == 201
        with own_postgresql.connection(url) as other, Livez(service) as livez:
            other.execute("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
            before = livez.answers
            assert service.log_in("alice") == 503
            assert livez.answers - before > OTHERS
        eventually(lambda: ready(service))
        eventually(lambda: service.log_in("alice") == 200)


def test_a_service_starts_without_its_postgresql_and_uses_it_when_it_comes(own_postgresql: PostgreSql) -> None:
    url = own_postgresql.database()
    own_postgresql.stop()
    with Accounts("--set", f"store.url={url}", "--set", "accounts.registration=open", *UNLIMITED) as service:
        assert service.register("alice") == 503 and not ready(service)
        own_postgresql.start()
        eventually(lambda: ready(service))
        assert service.register("alice") == 201
        why = [event["why"] for event in service.events("store_failed")]
        assert len(why) == len(set(why))  # each once, not at every look


def test_a_device_that_cannot_be_looked_up_now_is_not_told_that_its_secret_is_wrong(
    own_postgresql: PostgreSql,
) -> None:
    url = own_postgresql.database()
    with Accounts("--set", f"store.url={url}") as service:
        own_postgresql.stop()
        eventually(lambda: not ready(service))
        with MqttClient(service.mqtt, "pump-1", login=("pump-1", "s" * 43)) as pump:
            assert pump.reason.value == 0x88  # server unavailable


def test_a_database_of_a_newer_version_stops_the_start_in_one_line(own_postgresql: PostgreSql) -> None:
    url = own_postgresql.database()
    with Accounts("--set", f"store.url={url}"):
        pass
    with own_postgresql.connection(url) as other:
        other.execute("UPDATE alembic_version SET version_num = '0999'")
    options = [*ON, "--set", f"store.url={url}", "--port", "0", "--mqtt-port", "0", "--engine", "memory"]
    command = [sys.executable, "run.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert "was written by a newer rt-service (version 0999" in line and DATABASE_PASSWORD not in done.stderr


def test_somebody_who_holds_the_file_holds_nobody_else_up() -> None:
    with Accounts("--set", "accounts.registration=open", *UNLIMITED) as service:
        service.register("alice")
        held = sqlite3.connect(service.data / "accounts.db", isolation_level=None)
        held.execute("BEGIN EXCLUSIVE")
        with Livez(service) as livez:
            before = livez.answers
            assert service.register("bob") in (503, 429)
            assert livez.answers - before > OTHERS
        held.execute("ROLLBACK")
        eventually(lambda: ready(service))
        assert service.register("bob") == 201 and service.log_in("alice") == 200

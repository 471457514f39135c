"""`account` and `device`, as an operator types them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import tokens
from tests.support.postgresql import PASSWORD as DATABASE_PASSWORD
from tests.support.postgresql import PostgreSql
from tests.support.service import ROOT

PASSWORD = "correct horse"


class Operator:
    """Types commands about one store."""

    def __init__(self, *options: str) -> None:
        self._options = options

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "run.py", *arguments, *self._options]

    def types(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=60, input=stdin
        )

    def says(self, *arguments: str, stdin: str = "") -> str:
        """What a command prints that does what it should."""
        done = self.types(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str, code: int = 1, stdin: str = "") -> str:
        """The one line of a command that does not."""
        done = self.types(*arguments, stdin=stdin)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done
        return done.stderr

    def listed(self, what: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.says(what, "list", "--json").splitlines()]


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator("--data-dir", str(tmp_path / "data"))


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSql]:
    with PostgreSql() as server:
        yield server


def test_accounts_are_added_listed_disabled_and_enabled(operator: Operator) -> None:
    assert operator.says("account", "list") == "there are no accounts\n"
    operator.says("account", "add", "alice", "--role", "admin", "--password-stdin", stdin=PASSWORD + "\n")
    operator.says("account", "add", "billing", "--role", "service", "--password-stdin", stdin=PASSWORD)
    operator.says("account", "disable", "alice")
    found = operator.listed("account")
    assert [(one["name"], one["role"], one["disabled"]) for one in found] == [
        ("alice", "admin", True),
        ("billing", "service", False),
    ]
    assert "disabled" in operator.says("account", "list")
    operator.says("account", "enable", "alice")
    operator.says("account", "role", "billing", "user")
    assert [one["role"] for one in operator.listed("account")] == ["admin", "user"]
    operator.says("account", "password", "alice", "--password-stdin", stdin="battery staple\n")
    assert "disabled" not in operator.says("account", "list")


def test_what_cannot_be_done_is_said_in_one_line(operator: Operator) -> None:
    operator.says("account", "add", "alice", "--password-stdin", stdin=PASSWORD)
    add = ("account", "add")
    assert "the name Alice is taken" in operator.refused(*add, "Alice", "--password-stdin", stdin=PASSWORD)
    assert "8 to 256 characters" in operator.refused(*add, "bob", "--password-stdin", stdin="short")
    assert "a role is" in operator.refused(*add, "bob", "--role", "king", "--password-stdin", stdin=PASSWORD)
    assert "use --password-stdin" in operator.refused(*add, "bob", code=2)
    assert "a role is" in operator.refused("account", "role", "alice", "king")
    assert "there is no account bob" in operator.refused("account", "role", "bob", "admin")
    assert "there is no account bob" in operator.refused("account", "password", "bob")
    assert "there is no device pump-1" in operator.refused("device", "rotate", "pump-1")
    assert "a grant is rooms and verbs" in operator.refused("device", "add", "pump-1", "--grant", "everything")
    assert "--set store: write section.key=value" in operator.refused("account", "list", "--set", "store", code=2)
    assert [one["name"] for one in operator.listed("account")] == ["alice"] and operator.listed("device") == []


def test_a_device_gets_a_secret_that_is_printed_alone_and_once(operator: Operator) -> None:
    added = operator.types(
        "device", "add", "pump-1", "--grant", "/iot:device:* join,publish", "--grant", "/chat:* join"
    )
    assert added.returncode == 0 and len(added.stdout) == 44 and "not shown again" in added.stderr
    assert len(rotated := operator.says("device", "rotate", "pump-1")) == 44 and rotated != added.stdout
    operator.says("device", "disable", "pump-1")
    (found,) = operator.listed("device")
    assert found["grants"] == [
        {"rooms": ["/iot:device:*"], "verbs": ["join", "publish"]},
        {"rooms": ["/chat:*"], "verbs": ["join"]},
    ]
    assert found["disabled"] is True and "secret" not in str(found)
    assert "/iot:device:* join,publish; /chat:* join" in " ".join(operator.says("device", "list").split())


def test_a_password_is_asked_for_twice_and_not_echoed(operator: Operator) -> None:
    ours, theirs = pty.openpty()
    asked = subprocess.Popen(
        operator.command("account", "add", "alice"), cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    screen = _answer(ours, b"Password: ", PASSWORD) + _answer(ours, b"Repeat for confirmation: ", PASSWORD)
    screen += _answer(ours, b"was added", "")
    assert asked.wait(timeout=30) == 0 and PASSWORD.encode() not in screen
    os.close(ours)
    assert [one["name"] for one in operator.listed("account")] == ["alice"]


def _answer(terminal: int, question: bytes, answer: str) -> bytes:
    """What stood on the screen up to the question."""
    screen = b""
    until = time.monotonic() + 20
    while question not in screen:
        assert time.monotonic() < until, screen
        screen += os.read(terminal, 1024)
    os.write(terminal, answer.encode() + b"\n")
    return screen


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_many_who_want_a_name_at_once_in_a_new_database_one_gets_it(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        operator = Operator("--data-dir", str(tmp_path))
    else:
        operator = Operator("--set", f"store.url={request.getfixturevalue('postgresql').database()}")
    command = operator.command("account", "add", "alice", "--password-stdin")
    pipe = subprocess.PIPE
    rivals = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    said = [rival.communicate(PASSWORD, timeout=60)[1] for rival in rivals]
    assert sorted(rival.returncode for rival in rivals) == [0, 1, 1, 1], said
    assert sum("the name alice is taken" in text for text in said) == 3, said
    assert [one["name"] for one in operator.listed("account")] == ["alice"]


def test_a_database_that_is_not_there_is_said_in_one_line_without_its_password() -> None:
    url = f"postgresql+psycopg://rt:{DATABASE_PASSWORD}@127.0.0.1:9/rt"
    said = Operator("--set", f"store.url={url}").refused("account", "list")
    assert "127.0.0.1:9/rt" in said and "refused" in said and DATABASE_PASSWORD not in said


def test_a_store_that_is_neither_sqlite_nor_postgresql_is_said_in_one_line() -> None:
    said = Operator("--set", "store.url=mysql://root:hunter2@127.0.0.1/rt").refused("account", "list", code=2)
    assert "store.url: write sqlite, or postgresql+psycopg://" in said and "hunter2" not in said


def test_a_database_that_refuses_its_password_says_so(postgresql: PostgreSql) -> None:
    url = postgresql.database().replace(DATABASE_PASSWORD, "wr0ng")
    said = Operator("--set", f"store.url={url}").refused("account", "list")
    assert "password authentication failed" in said and "wr0ng" not in said


def test_check_config_shows_the_database_without_its_password() -> None:
    for url in (
        "postgresql+psycopg://rt:hunter2@db.example/rt",
        "postgresql+psycopg://rt:hunter2/hunter2@db.example/rt",
        "postgresql+psycopg://rt:hunter2@hunter2@db.example/rt",
        "postgresql+psycopg://db.example/rt?user=rt&password=hunter2",
    ):
        said = Operator("--set", f"store.url={url}").says("check-config")
        assert "db.example/rt" in said and "hunter2" not in said


def test_accounts_need_tokens_and_a_key_to_sign_them_with(tmp_path: Path) -> None:
    said = Operator("--set", "accounts.enabled=true").refused("check-config", code=2)
    assert 'set auth.mode = "token"' in said
    key = tmp_path / "public.pem"
    key.write_bytes(tokens.public_pem("ES256"))
    options = ["--set", "accounts.enabled=true", "--set", "auth.mode=token", "--engine", "memory"]
    theirs = Operator(*options, "--set", f'auth.keys={{ theirs = {{ algorithm = "ES256", file = "{key}" }} }}')
    assert "there is no HS256 key in auth.keys to sign tokens with" in theirs.refused("serve", code=2)

"""Accounts and devices' secrets as the service puts them together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from rt_service import runtime, settings
from rt_service.admission import Talk
from rt_service.auth.tokens import Expected, Key, Tokens
from rt_service.core.errors import TooManyRequests, Unauthorized
from rt_service.core.model import Grant, Identity
from rt_service.core.ports import Store
from rt_service.core.stream import StreamBounds
from rt_service.engines.memory import MemoryEngine
from rt_service.registrar import Issuer, Registrar
from rt_service.settings import SettingsError
from tests.support import tokens
from tests.support.core import Client, Core, ListLine
from tests.support.waiting import eventually
from tests.unit.test_evictions import remembering
from tests.unit.test_tokens import PEMS, RULES

PASSWORD, OTHER = "correct horse", "battery staple"
FIRST, SECOND = Key("first", "HS256", tokens.SECRET.encode()), Key("second", "HS256", b"x" * 32)


class Setup:
    """A registrar over a folder, with a core that takes its tokens."""

    def __init__(self, folder: Path, kept: Store | None = None) -> None:
        self.core = Core(policy=Tokens(
            lambda: self.keys, Expected("rooms", "us"), RULES, lambda *about: self.core.revocations.revoked(*about)
        ))  # fmt: skip
        self.core.clock.now_s = time.time() + 0.25  # PyJWT looks at the real clock
        self.keys = [*PEMS, FIRST, SECOND]
        self.settings = settings.load(
            overrides={
                "server.data_dir": str(folder), "auth.audience": "rooms", "auth.issuer": "us",
                "accounts.attempts_per_name": 2, "accounts.attempts_per_address": 3, "accounts.most": 2,
                "accounts.token_s": 100,
            }
        )  # fmt: skip
        about = (self.core.clock, self.core.metrics, self.core.admission)
        kept = kept or MemoryEngine(self.core.clock, StreamBounds())
        self.registrar = Registrar(self.settings, kept, *about, lambda: self.keys)
        self.registrar.start()

    def issuer(self, keys: list[Key]) -> Issuer:
        return Issuer(self.settings, keys, self.core.clock, self.core.admission)

    def enters(self, name: str, password: str = PASSWORD) -> Client:
        return self.core.client(token=self.registrar.login.log_in(name, password, "192.0.2.1")[0])


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    setup = Setup(tmp_path)
    yield setup
    setup.registrar.stop()


def closed(client: Client) -> str | None:
    return client.transport.closed and client.transport.closed["code"]


def test_whoever_logs_in_gets_a_token_that_lets_in_until_it_ends(setup: Setup) -> None:
    setup.registrar.login.register("alice", PASSWORD, "192.0.2.1")
    now = setup.core.clock.now_s
    token, expires_at = setup.registrar.login.log_in("alice", PASSWORD, "192.0.2.1")
    assert expires_at == int(now + 100) and jwt.get_unverified_header(token)["kid"] == "first"
    assert setup.core.client(token=token).session.who.expires_at == expires_at


def test_a_token_may_be_issued_for_another_time(setup: Setup) -> None:
    assert setup.issuer(setup.keys).issue("alice", "user", "user", 10.0)[1] == int(setup.core.clock.now_s + 10)


def test_without_a_secret_there_is_nothing_to_sign_tokens_with(setup: Setup) -> None:
    with pytest.raises(SettingsError, match="there is no HS256 key"):
        setup.issuer(PEMS)


def test_a_password_that_is_changed_ends_what_was_open_at_once_and_not_what_comes_after(setup: Setup) -> None:
    setup.registrar.accounts.register("alice", PASSWORD)
    setup.registrar.accounts.register("Bob", PASSWORD)
    alice, bob = setup.enters("alice"), setup.enters("Bob")
    setup.core.clock.advance(0.01)
    setup.registrar.accounts.set_password("alice", OTHER)
    assert (closed(alice), closed(bob)) == ("kicked", None)
    setup.core.clock.advance(0.01)
    assert setup.enters("alice", OTHER)
    setup.registrar.accounts.disable("Bob")
    assert closed(bob) == "kicked"


def test_a_device_whose_secret_is_changed_is_out_at_once(setup: Setup) -> None:
    lamp = setup.registrar.device("lamp", setup.registrar.credentials.add("lamp", []))
    line = ListLine([Talk("mqtt:lamp", lamp, "mqtt", 0, 0)])
    setup.core.admission.lines.append(line)
    setup.registrar.credentials.rotate("lamp")
    assert line.ended == [("mqtt:lamp", "kicked")]


def test_what_was_changed_elsewhere_is_found_soon(setup: Setup, tmp_path: Path) -> None:
    setup.registrar.accounts.register("alice", PASSWORD)
    alice, elsewhere = setup.enters("alice"), Setup(tmp_path)
    elsewhere.registrar.accounts.disable("alice")
    eventually(lambda: runtime.sleep(0.01) or closed(alice) == "kicked")
    elsewhere.registrar.stop()


def test_whoever_was_disabled_while_the_service_did_not_run_is_out_from_its_start(tmp_path: Path) -> None:
    kept = remembering(tmp_path)
    before = Setup(tmp_path, kept)
    before.registrar.accounts.register("alice", PASSWORD)
    token, _ = before.registrar.login.log_in("alice", PASSWORD, "192.0.2.1")
    before.registrar.stop()
    kept.stop()
    meanwhile = Setup(tmp_path)
    meanwhile.registrar.accounts.disable("alice")
    meanwhile.registrar.stop()
    kept = remembering(tmp_path)
    after = Setup(tmp_path, kept)
    with pytest.raises(Unauthorized, match="revoked"):
        after.core.client(token=token)
    after.registrar.stop()
    kept.stop()


def test_a_device_has_its_grants_or_else_what_devices_may(setup: Setup) -> None:
    add = setup.registrar.credentials.add
    granted = setup.registrar.device("pump", add("pump", [{"rooms": ["/chat:lobby"], "verbs": ["join"]}]))
    assert granted.grants == (Grant(("/chat:lobby",), ("join",)),)
    lamp = setup.registrar.device("lamp", add("lamp", []))
    assert (lamp.identity, lamp.role, lamp.grants) == (Identity("device", "lamp"), "device", None)
    with pytest.raises(Unauthorized):
        setup.registrar.device("lamp", "guessed")


def test_names_and_addresses_are_tried_as_often_a_minute_as_the_settings_say(setup: Setup) -> None:
    def attempt(name: str, address: str) -> int | None:
        try:
            setup.registrar.login.log_in(name, PASSWORD, address)
        except (Unauthorized, TooManyRequests) as error:
            return error.retry_after_ms
        return None

    assert [attempt("alice", f"192.0.2.{n}") for n in range(3)] == [None] * 2 + [30_001]
    assert [attempt(f"nobody-{n}", "198.51.100.1") for n in range(4)] == [None] * 3 + [20_001]


def test_so_many_accounts_are_registered_and_no_more(setup: Setup) -> None:
    for name in ("alice", "bob"):
        setup.registrar.login.register(name, PASSWORD, "192.0.2.1")
    with pytest.raises(TooManyRequests, match="there are 2 accounts"):
        setup.registrar.login.register("carol", PASSWORD, "192.0.2.1")


def test_a_database_that_cannot_be_used_is_said(setup: Setup) -> None:
    assert setup.registrar.healthy() is None
    setup.registrar._database.trouble = "it is down"
    assert setup.registrar.healthy() == "the database of accounts cannot be used"
    eventually(lambda: runtime.sleep(0.01) or setup.registrar.healthy() is None)

"""Registering, logging in, changing a password: what may be, what may not, and what a stranger learns from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import argon2
import pytest
from argon2 import PasswordHasher
from structlog.testing import capture_logs

from rt_service import runtime
from rt_service.auth.passwords import Passwords
from rt_service.core.errors import BadRequest, Conflict, Forbidden, NotFound, TooManyRequests, Unauthorized
from rt_service.core.turns import Turns
from tests.support.accounts import CHEAP, House

PASSWORD, OTHER = "correct horse", "battery staple"
HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.database.close()


@pytest.fixture
def alice(house: House) -> House:
    house.accounts.register("alice", PASSWORD)
    return house


# -- registering


def test_whoever_registered_logs_in(house: House) -> None:
    house.login.register("alice", PASSWORD, HOME)
    assert house.login.log_in("alice", PASSWORD, HOME) == ("user:alice as user", 1_003_600.0)


@pytest.mark.parametrize(
    ("role", "token"), [("admin", "user:x as admin"), ("user", "user:x as user"), ("service", "service:x as service")]
)
def test_a_role_says_what_somebody_is_in_the_rooms(house: House, role: str, token: str) -> None:
    house.accounts.register("x", PASSWORD, role)
    assert house.login.log_in("x", PASSWORD, HOME)[0] == token


@pytest.mark.parametrize(
    "name", ["", "a" * 129, "al ice", "al/ice", "alice\n", "älice", "al\0ice", "#", None, 7, ["a"]]
)
def test_a_name_has_the_letters_of_all_names(house: House, name: object) -> None:
    with pytest.raises(BadRequest, match="a name is 1-128 of"):
        house.login.register(name, PASSWORD, HOME)


@pytest.mark.parametrize("name", ["anon-1", "ANON-x"])
def test_nobody_registers_as_anonymous(house: House, name: str) -> None:
    with pytest.raises(BadRequest, match="who did not say who they are"):
        house.login.register(name, PASSWORD, HOME)


@pytest.mark.parametrize("password", ["", "seven77", "x" * 257, None, 12345678, ["x" * 8]])
def test_a_password_is_neither_short_nor_endless(house: House, password: object) -> None:
    with pytest.raises(BadRequest, match="a password has 8 to 256 characters"):
        house.login.register("alice", password, HOME)


@pytest.mark.parametrize(("password", "says"), [("Alice-123", "is not the name"), ("\ud800 surrogate", "half a char")])
def test_a_password_is_something_else_than_the_name_and_text(house: House, password: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        house.login.register("alice-123", password, HOME)


@pytest.mark.parametrize("password", ["x" * 8, "y" * 256, "pässwörd", "        ", "\0" * 8])
def test_any_other_password_will_do(house: House, password: str) -> None:
    house.accounts.register("alice", password)
    assert house.login.log_in("alice", password, HOME)


def test_a_name_is_registered_once(alice: House) -> None:
    for name in ("alice", "Alice"):
        with pytest.raises(Conflict):
            alice.login.register(name, OTHER, HOME)
    assert alice.login.log_in("alice", PASSWORD, HOME)


def test_a_role_that_does_not_exist_is_refused(house: House) -> None:
    with pytest.raises(BadRequest, match="a role is admin, user, service, not king"):
        house.accounts.register("alice", PASSWORD, "king")
    house.accounts.register("alice", PASSWORD)
    with pytest.raises(BadRequest, match="a role is admin, user, service, not device"):
        house.accounts.change_role("alice", "device")
    assert house.accounts.get("alice").role == "user"


def test_strangers_register_so_many_accounts_and_no_more(tmp_path: Path) -> None:
    house = House(tmp_path, most=2)
    house.login.register("a", PASSWORD, HOME)
    house.login.register("b", PASSWORD, HOME)
    with pytest.raises(TooManyRequests, match="there are 2 accounts"):
        house.login.register("c", PASSWORD, HOME)
    house.accounts.register("c", PASSWORD)  # an operator may


# -- logging in


@pytest.mark.parametrize(
    ("name", "password"),
    [("alice", OTHER), ("nobody", PASSWORD), ("Alice", PASSWORD), ("alice", PASSWORD + "\n"), ("alice", ""),
     ("#", PASSWORD), (None, PASSWORD), ("alice", None), ("alice", "x" * 257), ("alice", ["x"]), ({}, {})],
)  # fmt: skip
def test_a_wrong_name_and_a_wrong_password_are_told_the_same(alice: House, name: object, password: object) -> None:
    with pytest.raises(Unauthorized, match=r"^wrong name or password$"):
        alice.login.log_in(name, password, HOME)


def test_an_unknown_name_is_as_much_work_as_a_wrong_password(tmp_path: Path) -> None:
    alice = House(tmp_path, hasher=PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    alice.accounts.register("alice", PASSWORD)
    work = []
    for name in ("alice", "nobody"):
        alice.offloaded.clear()
        with pytest.raises(Unauthorized):
            alice.login.log_in(name, OTHER, HOME)
        work.append([(step, argon2.extract_parameters(hash), password) for step, hash, password in alice.offloaded])
    assert work[0] == work[1] and len(work[0]) == 1


def test_more_than_may_wait_for_their_password_to_be_checked_are_asked_to_come_again() -> None:
    def offload(function: Any, *args: Any) -> Any:
        for another in (lambda: passwords.hash(OTHER), lambda: passwords.matches(None, OTHER)):
            with pytest.raises(TooManyRequests, match="too many passwords"):
                another()
        return function(*args)

    passwords = Passwords(offload, Turns(runtime.Waiter, 1, 0, 10.0, "passwords"), CHEAP)
    assert passwords.matches(passwords.hash(PASSWORD), PASSWORD)


def test_the_same_password_is_another_hash_each_time(alice: House) -> None:
    alice.accounts.register("bob", PASSWORD)
    assert alice.accounts.get("alice").password_hash != alice.accounts.get("bob").password_hash
    assert alice.accounts.get("alice").password_hash.startswith("$argon2id$")


def test_a_disabled_account_is_told_so_only_with_its_password(alice: House) -> None:
    alice.accounts.disable("alice")
    with pytest.raises(Forbidden, match="disabled"):
        alice.login.log_in("alice", PASSWORD, HOME)
    with pytest.raises(Unauthorized):
        alice.login.log_in("alice", OTHER, HOME)
    alice.accounts.enable("alice")
    assert alice.login.log_in("alice", PASSWORD, HOME)


def test_a_hash_of_older_parameters_is_made_anew_at_the_next_log_in(tmp_path: Path) -> None:
    House(tmp_path, hasher=PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)).accounts.register(
        "alice", PASSWORD
    )
    house = House(tmp_path)
    with pytest.raises(Unauthorized):
        house.login.log_in("alice", OTHER, HOME)
    assert argon2.extract_parameters(house.accounts.get("alice").password_hash).time_cost == 2
    house.login.log_in("alice", PASSWORD, HOME)
    assert argon2.extract_parameters(house.accounts.get("alice").password_hash).time_cost == 1
    assert house.login.log_in("alice", PASSWORD, HOME) and house.office.ended == []


def test_whoever_logs_in_is_in_although_the_new_hash_cannot_be_kept(tmp_path: Path) -> None:
    House(tmp_path, hasher=PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)).accounts.register(
        "alice", PASSWORD
    )
    house = House(tmp_path)

    def breaks_down() -> None:
        house.database.trouble = "it is down"

    def between() -> None:  # once the password is checked, and before it is hashed again
        house.meanwhile = breaks_down

    house.meanwhile = between
    assert house.login.log_in("alice", PASSWORD, HOME)
    assert [step for step, *_ in house.offloaded] == ["_verify", "hash"]


def test_a_hash_as_it_is_made_now_is_checked_and_left_as_it_is(alice: House) -> None:
    hash = alice.accounts.get("alice").password_hash
    alice.offloaded.clear()
    alice.login.log_in("alice", PASSWORD, HOME)
    assert [step for step, *_ in alice.offloaded] == ["_verify"] and alice.accounts.get("alice").password_hash == hash


def test_a_hash_that_is_none_lets_nobody_in(alice: House) -> None:
    alice.store.rehash("alice", "rubbish", alice.accounts.get("alice").password_hash)
    with pytest.raises(Unauthorized):
        alice.login.log_in("alice", PASSWORD, HOME)


def test_one_name_is_tried_so_often_from_wherever(alice: House) -> None:
    for n in range(3):
        with pytest.raises(Unauthorized):
            alice.login.log_in("alice", OTHER, f"192.0.2.{n}")
    with pytest.raises(TooManyRequests) as caught:
        alice.login.log_in("alice", PASSWORD, "192.0.2.9")
    assert caught.value.retry_after_ms == pytest.approx(20_000, abs=2)  # three a minute
    alice.clock.advance(0.0005)
    with pytest.raises(TooManyRequests) as caught:
        alice.login.log_in("alice", PASSWORD, "192.0.2.9")
    assert caught.value.retry_after_ms
    alice.clock.advance(caught.value.retry_after_ms / 1000)
    assert alice.login.log_in("alice", PASSWORD, "192.0.2.9")


def test_one_address_tries_so_many_names(alice: House) -> None:
    for n in range(6):
        with pytest.raises(Unauthorized):
            alice.login.log_in(f"nobody-{n}", OTHER, HOME)
    for refused in (
        lambda: alice.login.log_in("alice", PASSWORD, HOME),
        lambda: alice.login.register("bob", PASSWORD, HOME),
        lambda: alice.login.change_password("alice", PASSWORD, OTHER, HOME),
    ):
        with pytest.raises(TooManyRequests):
            refused()
    assert alice.login.log_in("alice", PASSWORD, ELSEWHERE)


def test_attempts_that_are_refused_cost_no_hashing(alice: House) -> None:
    for _ in range(3):
        with pytest.raises(Unauthorized):
            alice.login.log_in("alice", OTHER, HOME)
    alice.offloaded.clear()
    with pytest.raises(TooManyRequests):
        alice.login.log_in("alice", OTHER, ELSEWHERE)
    with pytest.raises(Unauthorized):
        alice.login.log_in("bob", "x" * 257, ELSEWHERE)
    assert alice.offloaded == []


# -- changing a password, disabling


def test_a_changed_password_is_the_one_that_counts_and_who_is_in_is_out(alice: House) -> None:
    alice.login.change_password("alice", PASSWORD, OTHER, HOME)
    assert alice.office.ended == [("user", "alice")]
    assert alice.login.log_in("alice", OTHER, HOME)
    with pytest.raises(Unauthorized):
        alice.login.log_in("alice", PASSWORD, ELSEWHERE)


def test_only_who_knows_the_password_changes_it(alice: House) -> None:
    with pytest.raises(Unauthorized):
        alice.login.change_password("alice", OTHER, "something else", HOME)
    with pytest.raises(BadRequest):
        alice.login.change_password("alice", PASSWORD, "short", HOME)
    assert alice.office.ended == [] and alice.login.log_in("alice", PASSWORD, HOME)


def test_of_two_changes_at_once_one_is_made(alice: House) -> None:
    alice.meanwhile = lambda: alice.accounts.set_password("alice", OTHER)
    with pytest.raises(Conflict, match="changed in the same moment"):
        alice.login.change_password("alice", PASSWORD, "a third one", HOME)
    assert alice.login.log_in("alice", OTHER, HOME)


def test_who_is_disabled_while_it_logs_in_does_not_get_in(alice: House) -> None:
    alice.meanwhile = lambda: alice.accounts.disable("alice")
    with pytest.raises(Forbidden):
        alice.login.log_in("alice", PASSWORD, HOME)


def test_a_password_that_is_changed_while_somebody_logs_in_with_it_does_not_count(alice: House) -> None:
    alice.meanwhile = lambda: alice.accounts.set_password("alice", OTHER)
    with pytest.raises(Unauthorized):
        alice.login.log_in("alice", PASSWORD, HOME)


def test_who_logs_in_while_its_role_is_changed_comes_in_as_what_it_is_now(alice: House) -> None:
    alice.meanwhile = lambda: alice.accounts.change_role("alice", "admin")
    assert alice.login.log_in("alice", PASSWORD, HOME)[0] == "user:alice as admin"


def test_who_is_disabled_is_out(alice: House) -> None:
    alice.accounts.register("billing", PASSWORD, "service")
    alice.accounts.disable("alice")
    alice.accounts.disable("billing")
    assert alice.office.ended == [("user", "alice"), ("service", "billing")]


def test_an_account_that_is_not_there_is_named(house: House) -> None:
    for change in (
        lambda name: house.accounts.set_password(name, PASSWORD),
        lambda name: house.accounts.change_role(name, "admin"),
        house.accounts.disable,
        house.accounts.enable,
        house.accounts.get,
    ):
        with pytest.raises(NotFound, match="there is no account bob"):
            change("bob")
        with pytest.raises(NotFound, match=r"^there is no such account$"):
            change("\x1b[31m")  # which a terminal would obey


# -- what is written down


def test_the_log_says_who_and_whence_but_no_password(alice: House) -> None:
    with capture_logs() as lines:
        alice.accounts.register("bob", "bobs password")
        alice.login.log_in("bob", "bobs password", HOME)
        with pytest.raises(Unauthorized):
            alice.login.log_in("alice", "wrong password", ELSEWHERE)
        with pytest.raises(Unauthorized):
            alice.login.log_in("<script>\n", "wrong password", ELSEWHERE)
        alice.login.change_password("bob", "bobs password", "new password", HOME)
        alice.accounts.disable("bob")
    said = [(line["event"], line.get("name"), line.get("address")) for line in lines]
    assert said == [
        ("account_registered", "bob", None),
        ("logged_in", "bob", HOME),
        ("login_refused", "alice", ELSEWHERE),
        ("login_refused", None, ELSEWHERE),
        ("password_changed", "bob", None),
        ("evicted", None, None),
        ("account_disabled", "bob", None),
        ("evicted", None, None),
    ]
    assert "password" not in str(lines).replace("password_changed", "") and "script" not in str(lines)
    assert "argon2" not in str(lines)


def test_log_ins_are_counted_by_how_they_end(alice: House) -> None:
    alice.login.log_in("alice", PASSWORD, HOME)
    for _ in range(3):
        with pytest.raises((Unauthorized, TooManyRequests)):
            alice.login.log_in("alice", OTHER, HOME)
    alice.accounts.register("bob", PASSWORD)
    alice.accounts.disable("bob")
    with pytest.raises(Forbidden):
        alice.login.log_in("bob", PASSWORD, HOME)
    counted = {name: alice.metrics.logins.labels(name).value for name in ("ok", "wrong", "too_many", "disabled")}
    assert counted == {"ok": 1, "wrong": 2, "too_many": 1, "disabled": 1}


def test_hashing_as_it_is_in_service_takes_64_mib_and_three_passes() -> None:
    hash = Passwords(lambda function, *args: function(*args), House.turns()).hash(PASSWORD)
    parameters = argon2.extract_parameters(hash)
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (65_536, 3, 1)
    assert parameters.type is argon2.Type.ID and CHEAP.check_needs_rehash(hash)

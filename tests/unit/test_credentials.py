"""Devices come in with a secret that was made for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from structlog.testing import capture_logs

from rt_service import runtime
from rt_service.auth import credentials
from rt_service.auth.credentials import Credentials, grant
from rt_service.core.errors import BadRequest, Conflict, NotFound, TooManyRequests, Unauthorized, Unavailable
from tests.support.accounts import House
from tests.support.core import Core
from tests.support.mosquitto import Mosquitto
from tests.support.mqtt_client import MqttClient
from tests.support.waiting import eventually

GRANTS = [{"rooms": ["/iot:device:*"], "verbs": ["join", "publish"]}]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.database.close()


def test_a_device_comes_in_with_its_secret_and_has_its_grants(house: House) -> None:
    secret = house.credentials.add("pump-1", GRANTS)
    assert house.credentials.verify("pump-1", secret.encode()) == GRANTS


def test_a_secret_is_256_random_bits_and_kept_nowhere(house: House, tmp_path: Path) -> None:
    secrets = [house.credentials.add(f"pump-{n}", []) for n in range(20)]
    assert len(set(secrets)) == 20 and {len(secret) for secret in secrets} == {43}
    assert len({one.secret_hash.split("$")[2] for one in house.credentials.all()}) == 20  # salts
    kept = (tmp_path / "accounts.db").read_bytes()
    assert not any(secret.encode() in kept for secret in secrets)


def test_mosquitto_takes_the_same_secrets(house: House, tmp_path: Path) -> None:
    secret = house.credentials.add("pump-1", GRANTS)
    (credential,) = house.credentials.all()
    passwords = tmp_path / "passwords"
    passwords.write_text(f"pump-1:{credential.secret_hash}\n")
    keeping_its_rights = ["user root"] if os.geteuid() == 0 else []
    with Mosquitto(settings=[f"password_file {passwords}", *keeping_its_rights]) as broker:
        with MqttClient(broker.url, login=("pump-1", secret)) as pump:
            assert not pump.reason.is_failure
        with MqttClient(broker.url, login=("pump-1", secret[::-1])) as stranger:
            assert stranger.reason.is_failure


def test_nothing_else_comes_in(house: House) -> None:
    secret = house.credentials.add("pump-1", GRANTS).encode()
    other = house.credentials.add("pump-2", GRANTS).encode()
    wrong = [("pump-1", other), ("pump-1", b""), ("pump-1", secret[:-1]), ("pump-3", secret), ("PUMP-1", secret)]
    for id, said in (*wrong, ("", secret), ("pump-1\0", secret), ("#", secret), ("pump-1", b"\xff\x00")):
        with pytest.raises(Unauthorized, match="no such device, or not its secret"):
            house.credentials.verify(id, said)


def test_what_is_no_name_is_not_even_looked_up(house: House) -> None:
    asked: list[object] = []
    event.listen(house.database._engine, "begin", asked.append)
    for id in ("", "pump-1\0", "#", "x" * 129):
        with pytest.raises(Unauthorized):
            house.credentials.verify(id, b"secret")
    assert asked == []


def test_a_rotated_secret_is_the_only_one_and_the_device_is_out(house: House) -> None:
    old = house.credentials.add("pump-1", GRANTS)
    new = house.credentials.rotate("pump-1")
    assert house.credentials.verify("pump-1", new.encode()) == GRANTS and house.office.ended == [("device", "pump-1")]
    with pytest.raises(Unauthorized):
        house.credentials.verify("pump-1", old.encode())


def test_a_disabled_device_is_out_until_it_is_enabled(house: House) -> None:
    secret = house.credentials.add("pump-1", GRANTS).encode()
    house.credentials.disable("pump-1")
    assert house.office.ended == [("device", "pump-1")]
    with pytest.raises(Unauthorized):
        house.credentials.verify("pump-1", secret)
    house.credentials.enable("pump-1")
    assert house.credentials.verify("pump-1", secret) == GRANTS


def test_a_device_is_added_once_and_one_that_is_not_there_is_named(house: House) -> None:
    house.credentials.add("pump-1", [])
    with pytest.raises(Conflict):
        house.credentials.add("pump-1", [])
    for change in (house.credentials.rotate, house.credentials.disable, house.credentials.enable):
        with pytest.raises(NotFound, match="there is no device pump-2"):
            change("pump-2")
        with pytest.raises(NotFound, match=r"^there is no such device$"):
            change("\x1b[31m")  # which a terminal would obey


@pytest.mark.parametrize("id", ["", "a/b", "x" * 122, "#", "p\n"])
def test_an_id_fits_into_a_topic_and_into_the_name_of_its_room(house: House, id: str) -> None:
    with pytest.raises(BadRequest):
        house.credentials.add(id, [])


def test_five_thousand_devices_that_come_at_once_are_a_few_questions(house: House) -> None:
    secret = house.credentials.add("pump-1", GRANTS).encode()
    asked: list[object] = []
    event.listen(house.database._engine, "begin", asked.append)
    outcomes: list[object] = []
    for n in range(5000):
        runtime.spawn(_come, house, f"pump-{n}", secret, outcomes)
    eventually(lambda: runtime.sleep(0.001) or len(outcomes) == 5000)
    assert outcomes.count(GRANTS) == 1 and sum(isinstance(one, Unauthorized) for one in outcomes) == 4999
    assert len(asked) <= 60


def test_past_the_bound_a_device_is_asked_to_come_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "WAITING", 5)
    secret = house.credentials.add("pump-1", GRANTS).encode()
    outcomes: list[object] = []
    for _ in range(8):
        runtime.spawn(_come, house, "pump-1", secret, outcomes)
    eventually(lambda: runtime.sleep(0.001) or len(outcomes) == 8)
    assert outcomes.count(GRANTS) == 5
    refused = [one for one in outcomes if isinstance(one, TooManyRequests)]
    assert [error.retry_after_ms for error in refused] == [1000] * 3


def test_devices_that_come_while_others_are_looked_up_wait_for_the_same(house: House) -> None:
    secret = house.credentials.add("pump-1", GRANTS).encode()
    asking: list[Any] = []
    house.credentials = Credentials(house.store, house.clock, asking.append, runtime.Waiter)
    outcomes: list[object] = []
    for _ in range(3):
        runtime.spawn(_come, house, "pump-1", secret, outcomes)
    eventually(lambda: runtime.sleep(0.001) or len(house.credentials._asked) == 3)
    assert len(asking) == 1
    asking[0]()
    eventually(lambda: runtime.sleep(0.001) or outcomes == [GRANTS] * 3)


def test_a_device_that_cannot_be_looked_up_in_time_may_come_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "WAIT_S", 0.01)
    stuck = Credentials(house.store, house.clock, lambda ask: None, runtime.Waiter)
    with pytest.raises(Unavailable, match="in time") as refused:
        stuck.verify("pump-1", b"secret")
    assert refused.value.retry_after_ms == 1000


def test_while_the_database_is_down_a_device_may_come_again(house: House) -> None:
    secret = house.credentials.add("pump-1", GRANTS).encode()
    house.database.trouble = "it is down"
    with pytest.raises(Unavailable):
        house.credentials.verify("pump-1", secret)
    house.database.check()
    assert house.credentials.verify("pump-1", secret) == GRANTS


def _come(house: House, id: str, secret: bytes, outcomes: list[object]) -> None:
    try:
        outcomes.append(house.credentials.verify(id, secret))
    except (Unauthorized, TooManyRequests) as error:
        outcomes.append(error)


def test_the_log_says_which_device_but_no_secret(house: House) -> None:
    with capture_logs() as lines:
        secrets = [house.credentials.add("pump-1", GRANTS), house.credentials.rotate("pump-1")]
        house.credentials.disable("pump-1")
    said = [line["event"] for line in lines if line.get("device") == "pump-1"]
    assert said == ["device_added", "device_rotated", "device_disabled"]
    assert not any(secret in str(lines) for secret in secrets)


@pytest.mark.parametrize(
    ("text", "rooms", "verbs"),
    [
        ("/chat:lobby join", ["/chat:lobby"], ["join"]),
        ("/chat:lobby,/iot:device:* join,publish", ["/chat:lobby", "/iot:device:*"], ["join", "publish"]),
        ("  /chat:lobby   join,publish ", ["/chat:lobby"], ["join", "publish"]),
    ],
)
def test_a_grant_is_written_as_rooms_and_verbs(text: str, rooms: list[str], verbs: list[str]) -> None:
    assert grant(text) == {"rooms": rooms, "verbs": verbs}


@pytest.mark.parametrize("text", ["", " ", "/chat:lobby", "join,publish", ", join", "/chat:lobby ,"])
def test_what_is_no_grant_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="a grant is rooms and verbs"):
        grant(text)


@pytest.mark.parametrize("text", ["chat:lobby join", "/chat/lobby join", "/chat:lobby JOIN", "/chat:a*b*c join"])
def test_a_grant_names_rooms_and_verbs_as_a_token_does(text: str) -> None:
    with pytest.raises(BadRequest, match=r"a grant's (rooms|verbs) cannot have"):
        grant(text)


@pytest.mark.parametrize("verb", ["jion", "publishes:say", "connect"])
def test_a_misspelt_verb_is_named(verb: str) -> None:
    with pytest.raises(BadRequest, match=f"there is no verb '{verb}'; there are join, leave"):
        grant(f"/chat:lobby join,{verb}")


@pytest.mark.parametrize("verb", [*sorted(Core().api._verbs.keys() - {"ping", "refresh"}), "kick", "publish:say", "*"])
def test_every_verb_can_be_granted(verb: str) -> None:
    assert grant(f"/chat:lobby {verb}")["verbs"] == [verb]

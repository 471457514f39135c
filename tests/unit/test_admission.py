"""Sessions with a token: they end with it, go on with a newer one, and are ended by who runs the service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rt_service.admission import Talk
from rt_service.auth.revocations import Revocations
from rt_service.auth.tokens import Expected, Key, Tokens
from rt_service.core.errors import Forbidden, RtError
from rt_service.core.model import Grant, Identity, Who
from rt_service.core.stream import StreamBounds
from rt_service.engines.sqlite import Database, SqliteEngine
from tests.support import tokens
from tests.support.clock import ManualClock
from tests.support.core import Client, Core, ListLine
from tests.unit.test_tokens import RULES

ROOT = Who(Identity("user", "root"), role="admin")


class Setup:
    def __init__(self) -> None:
        self.core = Core(policy=Tokens(
            lambda: [Key("main", "HS256", tokens.SECRET.encode())], Expected(), RULES,
            lambda *about: self.core.revocations.revoked(*about),
        ))  # fmt: skip
        self.core.clock.now_s = time.time()  # PyJWT looks at the real clock

    def client(self, sub: str = "alice", **more: Any) -> Client:
        return self.core.client(token=tokens.make(sub, **more))

    def later(self, seconds: float) -> None:
        self.core.clock.advance(seconds)
        self.core.admission.sweep()


@pytest.fixture
def setup() -> Setup:
    return Setup()


def closed(client: Client) -> str | None:
    return client.transport.closed and client.transport.closed["code"]


def test_without_a_token_nobody_gets_in(setup: Setup) -> None:
    with pytest.raises(RtError) as error:
        setup.core.client("alice")
    assert error.value.code == "unauthorized"


def test_a_token_opens_no_namespace_that_it_is_not_for(setup: Setup) -> None:
    granted = tokens.make(grants=[{"rooms": ["/chat:*"], "verbs": ["join"]}])
    for token in (granted, tokens.make()):
        with pytest.raises(RtError) as error:
            setup.core.client(namespace="/game", token=token)
        assert error.value.code == "forbidden"
        assert setup.core.client(namespace="/chat", token=token)


def test_a_session_ends_when_its_token_does(setup: Setup) -> None:
    short, long = setup.client(exp=int(time.time()) + 30), setup.client("bob")
    setup.later(20)
    assert closed(short) is None
    setup.later(20)
    assert (closed(short), closed(long)) == ("token_expired", None)
    assert short.transport.closed is not None and short.transport.closed["reconnect"] is True


def test_a_session_that_is_refreshed_goes_on(setup: Setup) -> None:
    client = setup.client(exp=int(time.time()) + 30)
    expires_at = int(time.time()) + 500
    assert client.ok("refresh", token=tokens.make(exp=expires_at))["expires_at"] == expires_at
    setup.later(40)
    assert closed(client) is None
    setup.later(500)
    assert closed(client) == "token_expired"


def test_a_refresh_takes_no_bad_token_and_nobody_elses(setup: Setup) -> None:
    client = setup.client()
    assert client.refused("refresh", token=tokens.make("bob")) == "forbidden"
    service = tokens.make(kind="service", grants=[{"rooms": ["/chat:*"], "verbs": ["join"]}])
    assert client.refused("refresh", token=service) == "forbidden"
    assert client.refused("refresh", token=tokens.make(exp=int(time.time()) - 60)) == "token_expired"
    assert client.refused("refresh", token="x") == "unauthorized"
    assert client.refused("refresh") == "bad_request"


def test_a_session_that_is_refreshed_leaves_what_the_newer_token_does_not_allow(setup: Setup) -> None:
    def granted(*rooms: str) -> str:
        return tokens.make(grants=[{"rooms": rooms, "verbs": ["join", "publish"]}])

    client, bob = setup.core.client(token=granted("/chat:lobby", "/chat:secret")), setup.client("bob")
    for room in ("lobby", "secret"):
        client.ok("join", room=room)
        bob.ok("join", room=room)
    client.ok("refresh", token=granted("/chat:lobby"))
    for room in ("lobby", "secret"):
        bob.ok("publish", room=room, event="say", data=room)
    assert [one["room"] for one in client.publications] == ["lobby"]
    assert client.refused("publish", room="secret", event="say", data=1) == "not_member"


def test_in_open_mode_there_is_nothing_to_refresh() -> None:
    assert Core().client("alice").refused("refresh", token="x") == "bad_request"


def test_what_a_new_token_may_counts_from_then_on(setup: Setup) -> None:
    client = setup.client()
    client.ok("join", room="lobby")
    client.ok("refresh", token=tokens.make(grants=[{"rooms": ["/chat:lobby"], "verbs": ["join"]}]))
    assert client.refused("publish", room="lobby", event="say", data=1) == "forbidden"
    elsewhere = tokens.make(grants=[{"rooms": ["/game:*"], "verbs": ["join"]}])
    assert client.refused("refresh", token=elsewhere) == "forbidden"


def test_only_rooms_that_one_may_join_are_listed(setup: Setup) -> None:
    all_of_them = setup.client("root", role="admin")
    for room in ("lobby", "user:bob", "user:alice"):
        all_of_them.ok("join", room=room)
    assert [r["room"] for r in all_of_them.ok("rooms")["rooms"]] == ["lobby", "user:alice", "user:bob"]
    granted = setup.client("alice", grants=[{"rooms": ["/chat:*"], "verbs": ["join", "rooms"]}])
    assert [r["room"] for r in granted.ok("rooms")["rooms"]] == ["lobby", "user:alice"]


def test_who_is_kicked_may_come_again_and_who_is_revoked_may_not(setup: Setup) -> None:
    first, second, bob = (
        setup.client(iat=int(time.time()) - 5),
        setup.client(iat=int(time.time()) - 5),
        setup.client("bob"),
    )
    service = setup.core.client(namespace="/game", token=tokens.make("alice", kind="service"))
    setup.core.admission.kick(ROOT, first.session.sid)
    assert (closed(first), closed(second)) == ("kicked", None)
    assert first.transport.closed is not None and first.transport.closed["reconnect"] is False
    setup.client(iat=int(time.time()) - 5)
    assert setup.core.admission.revoke(ROOT, Identity("user", "alice")) >= 1
    assert (closed(second), closed(bob), closed(service)) == ("kicked", None, None)
    with pytest.raises(RtError, match="revoked"):
        setup.client(iat=int(time.time()) - 5)
    with pytest.raises(RtError, match="revoked"):
        setup.client(iat=None)
    assert setup.client(iat=int(setup.core.clock.ms() / 1000) + 1)


def test_one_token_may_be_revoked_alone(setup: Setup) -> None:
    one, other = setup.client(jti="one"), setup.client(jti="other")
    assert setup.core.admission.revoke(ROOT, token_id="one") == 1
    assert (closed(one), closed(other)) == ("kicked", None)
    with pytest.raises(RtError, match="revoked"):
        setup.client(jti="one")


def test_only_who_runs_the_service_may_list_kick_and_revoke(setup: Setup) -> None:
    alice = setup.client()
    admission = setup.core.admission
    for ask in (
        lambda: admission.sessions(alice.session.who),
        lambda: admission.kick(alice.session.who, alice.session.sid),
        lambda: admission.revoke(alice.session.who, Identity("user", "bob")),
    ):
        with pytest.raises(RtError) as error:
            ask()
        assert error.value.code == "forbidden"
    assert [str(talk.who.identity) for talk in admission.sessions(ROOT)[0]] == ["user:alice"]
    with pytest.raises(RtError, match="no such session"):
        admission.kick(ROOT, "nobody")


def test_who_may_look_may_not_kick_and_who_may_kick_may_not_revoke(setup: Setup) -> None:
    def may(verb: str) -> Who:
        return Who(Identity("user", "helper"), grants=(Grant(("/chat:*",), (verb,)),))

    alice, admission = setup.client(), setup.core.admission
    assert admission.sessions(may("sessions"))[1] == 1
    with pytest.raises(Forbidden):
        admission.kick(may("sessions"), alice.session.sid)
    with pytest.raises(Forbidden):
        admission.revoke(may("kick"), Identity("user", "alice"))
    assert closed(alice) is None
    admission.kick(may("kick"), alice.session.sid)
    assert closed(alice) == "kicked"


def test_whoever_has_most_waiting_is_listed_first(setup: Setup) -> None:
    for name, waiting in (("alice", 10), ("bob", 30), ("carol", 20)):
        setup.client(name).transport.waiting = waiting
    found, all_of_them = setup.core.admission.sessions(ROOT, limit=2)
    assert [talk.who.identity.id for talk in found] == ["bob", "carol"] and all_of_them == 3


@pytest.mark.parametrize("text", ["alice", "ALICE", "user:al", "admin", "/chat", "lobby"])
def test_a_session_is_found_by_whatever_is_shown_of_it(setup: Setup, text: str) -> None:
    setup.client("alice", role="admin").ok("join", room="Lobby")
    setup.core.client(namespace="/game", token=tokens.make("bob", kind="service"))
    (found,) = setup.core.admission.sessions(ROOT, text)[0]
    assert str(found.who.identity) == "user:alice"


def test_devices_over_mqtt_are_listed_and_end_as_sessions_do(setup: Setup) -> None:
    now = setup.core.clock.now_s
    lamp, pump = (Who(Identity("device", name), role="device", token_id=name) for name in ("lamp", "pump"))
    ends = {"mqtt:lamp": lamp._replace(expires_at=now + 25), "mqtt:valve": pump._replace(expires_at=now + 900)}
    line = ListLine([Talk(sid, who, "mqtt", 5, 0) for sid, who in {**ends, "mqtt:pump": pump}.items()])
    setup.core.admission.lines.append(line)
    setup.later(20)
    assert line.ended == [] and setup.core.admission.sessions(ROOT, "lamp")[1] == 1
    setup.later(10)
    assert line.ended == [("mqtt:lamp", "token_expired")]
    setup.core.admission.kick(ROOT, "mqtt:valve")
    assert setup.core.admission.revoke(ROOT, Identity("device", "pump")) == 1
    assert line.ended[1:] == [("mqtt:valve", "kicked"), ("mqtt:pump", "kicked")]


def test_the_ends_of_sessions_that_are_over_are_not_kept(setup: Setup) -> None:
    for _ in range(3000):
        setup.core.api.disconnect(setup.client().session)
    assert len(setup.core.admission._expiries) < 1500


def test_a_session_that_is_refreshed_without_end_is_expected_to_end_once(setup: Setup) -> None:
    client, now = setup.client(), int(time.time())
    for n in range(3000):
        client.ok("refresh", token=tokens.make(exp=now + 600 + n))
    assert len(setup.core.admission._expiries) < 1500


def test_sessions_end_in_their_order_although_many_came_and_went(setup: Setup) -> None:
    first, late, soon = (setup.client(exp=int(time.time()) + seconds) for seconds in (10, 600, 20))
    setup.core.api.disconnect(first.session)
    for _ in range(1100):
        setup.core.api.disconnect(setup.client(exp=int(time.time()) + 900).session)
    setup.later(30)
    assert (closed(soon), closed(late)) == ("token_expired", None)


# -- what was taken back


class Office:
    """Revocations over a folder, which can be opened again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self._open()

    def _open(self) -> None:
        self.engine = SqliteEngine(Database(self.folder), self.clock, StreamBounds(), {})
        self.revocations = Revocations(self.engine, self.clock)
        self.revocations.restore()

    def reopen(self) -> None:
        self.engine.stop()
        self._open()

    def revoke(self, name: str) -> None:
        self.revocations.revoke_identity(Identity("user", name))
        self.clock.advance(1)

    def revoked(self, name: str, issued_at: float = 0.0) -> bool:
        return self.revocations.revoked(Identity("user", name), "", issued_at)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.engine.stop()


def test_what_was_revoked_stays_so_after_a_restart(office: Office) -> None:
    office.revoke("alice")
    office.reopen()
    assert office.revoked("alice", office.clock.ms() / 1000 - 2) and not office.revoked("bob")


def test_what_was_issued_in_the_moment_of_a_revocation_counts_as_before(office: Office) -> None:
    now = office.clock.ms() / 1000
    office.revoke("alice")
    assert office.revoked("alice", now) and not office.revoked("alice", now + 0.001)


@pytest.mark.parametrize("restarts", [False, True])
def test_past_the_bound_whoever_was_revoked_longest_ago_is_forgotten(
    office: Office, monkeypatch: pytest.MonkeyPatch, restarts: bool
) -> None:
    monkeypatch.setattr("rt_service.auth.revocations.MOST", 3)
    for name in ("dan", "bob", "zoe", "dan", "carol", "alice"):
        office.revoke(name)
        if restarts:
            office.reopen()
    office.reopen()
    assert [name for name in ("alice", "bob", "carol", "dan", "zoe") if office.revoked(name)] == [
        "alice",
        "carol",
        "dan",
    ]


def test_a_revocation_is_kept_for_ninety_days(office: Office) -> None:
    office.revoke("alice")
    office.clock.advance(89 * 86_400)
    office.revoke("bob")
    assert office.revoked("alice")
    office.clock.advance(2 * 86_400)
    office.revoke("carol")
    for _ in range(2):
        assert not office.revoked("alice") and office.revoked("bob")
        office.reopen()

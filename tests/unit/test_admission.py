"""Sessions with a token: they end with it, go on with a newer one, and are ended by who runs the service."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rt_service.auth.revocations import Revocations
from rt_service.auth.tokens import Expected, Key, Tokens
from rt_service.core.errors import RtError
from rt_service.core.model import Identity, Who
from tests.support import tokens
from tests.support.core import Client, Core
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


def test_a_session_ends_when_its_token_does(setup: Setup) -> None:
    short, long = setup.client(exp=int(time.time()) + 30), setup.client("bob")
    setup.later(20)
    assert closed(short) is None
    setup.later(20)
    assert (closed(short), closed(long)) == ("token_expired", None)


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
    assert client.refused("refresh", token=tokens.make(kind="service")) == "forbidden"
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
    setup.core.admission.kick(ROOT, first.session.sid)
    assert (closed(first), closed(second)) == ("kicked", None)
    assert first.transport.closed is not None and first.transport.closed["reconnect"] is False
    setup.client(iat=int(time.time()) - 5)
    assert setup.core.admission.revoke(ROOT, Identity("user", "alice")) >= 1
    assert (closed(second), closed(bob)) == ("kicked", None)
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


def test_what_was_revoked_stays_so_after_a_restart(setup: Setup, tmp_path: Any) -> None:
    from rt_service.core.stream import StreamBounds
    from rt_service.engines.sqlite import Database, SqliteEngine

    def engine() -> SqliteEngine:
        return SqliteEngine(Database(tmp_path), setup.core.clock, StreamBounds(), {})

    first = engine()
    Revocations(first, setup.core.clock).revoke_identity(Identity("user", "alice"))
    first.stop()
    again = engine()
    revocations = Revocations(again, setup.core.clock)
    revocations.restore()
    assert revocations.revoked(Identity("user", "alice"), "", setup.core.clock.ms() / 1000 - 1)
    assert not revocations.revoked(Identity("user", "bob"), "", 0.0)
    again.stop()


def test_the_ends_of_sessions_that_are_over_are_not_kept(setup: Setup) -> None:
    for _ in range(3000):
        setup.core.api.disconnect(setup.client().session)
    assert len(setup.core.admission._expiries) < 1500

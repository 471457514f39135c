"""What every verb says to bad input, and how much it lets through."""

from __future__ import annotations

from typing import Any

import pytest

from rt_service.core.errors import RtError, TooManyRequests
from rt_service.core.hub import HubBounds
from rt_service.core.model import Identity
from rt_service.publishing import ApiBounds
from tests.support.core import Client, Core


@pytest.fixture
def alice() -> Client:
    client = Core().client("alice")
    client.ok("join", room="lobby")
    return client


BAD = [
    ("fly", {}, "bad_request"),
    ("connect", {}, "bad_request"),
    ("join", {}, "bad_request"),
    ("join", "lobby", "bad_request"),
    ("join", [], "bad_request"),
    ("join", {"room": None}, "invalid_room"),
    ("join", {"room": 7}, "invalid_room"),
    ("join", {"room": ["lobby"]}, "invalid_room"),
    ("join", {"room": "a/b"}, "invalid_room"),
    ("join", {"room": "rt/#"}, "invalid_room"),
    ("join", {"room": "lobby", "since": 3}, "bad_request"),
    ("join", {"room": "lobby", "since": {"epoch": "e"}}, "bad_request"),
    ("join", {"room": "lobby", "since": {"epoch": "e", "offset": -1}}, "bad_request"),
    ("join", {"room": "lobby", "since": {"epoch": "e", "offset": "1"}}, "bad_request"),
    ("leave", {"room": "+"}, "invalid_room"),
    ("publish", {"room": "lobby", "event": "say"}, "bad_request"),
    ("publish", {"room": "lobby", "data": 1}, "bad_request"),
    ("publish", {"room": "lobby", "event": "", "data": 1}, "invalid_event"),
    ("publish", {"room": "lobby", "event": "a b", "data": 1}, "invalid_event"),
    ("publish", {"room": "lobby", "event": "disconnect", "data": 1}, "invalid_event"),
    ("publish", {"room": "lobby", "event": "presence", "data": 1}, "invalid_event"),
    ("publish", {"room": "lobby", "event": "say", "data": 1, "class": "eternal"}, "bad_request"),
    ("publish", {"room": "lobby", "event": "say", "data": 1, "id": 5}, "bad_request"),
    ("publish", {"room": "lobby", "event": "say", "data": 1, "id": "a/b"}, "bad_request"),
    ("publish", {"room": "lobby", "event": "say", "data": 1, "key": ""}, "bad_request"),
    ("publish", {"room": "lobby", "event": "say", "data": {1, 2}}, "invalid_data"),
    ("publish", {"room": "lobby", "event": "say", "data": "x" * 70_000}, "too_large"),
    ("publish", {"room": "other", "event": "say", "data": 1}, "not_member"),
    ("send", {"to": "alice", "event": "dm", "data": 1}, "bad_request"),
    ("send", {"to": "user:alice", "event": "dm"}, "bad_request"),
    ("send", {"to": "user:alice", "event": "dm", "data": "x" * 70_000}, "too_large"),
    ("send", {"to": "user:nobody", "event": "dm", "data": 1}, "not_online"),
    ("call", {"to": "user:nobody", "method": "m"}, "not_online"),
    ("call", {"to": "device:nobody", "method": "m"}, "not_online"),
    ("call", {"to": "user:alice", "method": "a/b"}, "bad_request"),
    ("call", {"to": "user:alice", "method": "m", "timeout_ms": 0}, "bad_request"),
    ("call", {"to": "user:alice", "method": "m", "timeout_ms": "soon"}, "bad_request"),
    ("call", {"to": "user:alice", "method": "m", "timeout_ms": 10**9}, "bad_request"),
    ("call", {"to": "user:alice", "method": "m", "data": "x" * 70_000}, "too_large"),
    ("history", {"room": "lobby", "limit": 0}, "bad_request"),
    ("history", {"room": "lobby", "limit": 1001}, "bad_request"),
    ("history", {"room": "lobby", "limit": 1.5}, "bad_request"),
    ("history", {"room": "lobby", "reverse": "yes"}, "bad_request"),
    ("presence", {"room": {}}, "invalid_room"),
    ("rooms", {"prefix": 1}, "bad_request"),
    ("rooms", {"prefix": "x" * 129}, "bad_request"),
]


@pytest.mark.parametrize(("verb", "request_", "code"), BAD)
def test_bad_input_is_refused_with_the_contracts_code(alice: Client, verb: str, request_: Any, code: str) -> None:
    answer = alice.ask(verb, request_)
    assert answer["ok"] is False and answer["error"]["code"] == code
    assert answer["error"]["message"] and "Traceback" not in answer["error"]["message"]
    assert alice.core.count(alice.core.metrics.refused, code=code) == 1
    assert alice.ok("ping")["at"] > 0


@pytest.mark.parametrize(
    ("verb", "request_", "says"),
    [
        ("join", "lobby", "join: expected an object, got a string"),
        ("history", {"room": "lobby", "limit": "5"}, "history: expected a whole number, got a string at `limit`"),
        (
            "publish",
            {"room": "lobby", "event": "e", "data": 1, "class": "lates"},
            "class is kept, latest or volatile, not 'lates'",
        ),
        (
            "publish",
            {"room": "r", "event": "e", "data": 1, "id": 5},
            "expected a string or null, got a whole number at `id`",
        ),
        ("join", {"room": "r", "since": 5}, "join: expected an object or null, got a whole number at `since`"),
        ("join", {}, "join: object missing required field `room`"),
        ("call", {"to": "user:a", "method": "a/b"}, "a method name is"),
    ],
)
def test_a_refusal_is_written_for_who_reads_it(alice: Client, verb: str, request_: Any, says: str) -> None:
    assert says in alice.ask(verb, request_)["error"]["message"]


def test_a_ping_is_answered_with_the_clock_even_without_an_argument(alice: Client) -> None:
    assert alice.ask("ping") == {"ok": True, "at": alice.core.clock.ms()}


def test_too_many_publications_are_refused_with_a_time_to_wait() -> None:
    core = Core(api_bounds=ApiBounds(publishes_per_s=10, publish_burst=2))
    alice = core.client()
    alice.ok("join", room="lobby")
    for _ in range(2):
        alice.ok("publish", room="lobby", event="say", data=1)
    error = alice.ask("publish", {"room": "lobby", "event": "say", "data": 1})["error"]
    assert error["code"] == "too_many_requests" and 0 < error["retry_after_ms"] <= 101
    core.clock.advance(error["retry_after_ms"] / 1000)
    alice.ok("publish", room="lobby", event="say", data=1)


def test_too_many_rooms_are_refused() -> None:
    alice = Core(hub_bounds=HubBounds(rooms_per_session=2)).client()
    alice.ok("join", room="a"), alice.ok("join", room="b")
    assert alice.refused("join", room="c") == "too_many_requests"
    alice.ok("join", room="a")


def test_too_many_sessions_of_one_identity_are_refused() -> None:
    core = Core(hub_bounds=HubBounds(sessions_per_identity=1))
    alice = core.client("alice")
    with pytest.raises(TooManyRequests):
        core.client("alice")
    core.client("alice-2")
    core.api.disconnect(alice.session)
    core.client("alice")


def test_an_anonymous_session_gets_an_id_of_its_own() -> None:
    core = Core()
    first, second = core.client(), core.client()
    assert first.session.identity.kind == "user" and first.session.identity.id.startswith("anon-")
    assert first.session.identity != second.session.identity


@pytest.mark.parametrize(
    "auth",
    [
        {"user": "a/b"},
        {"user": 7},
        {"user": ""},
        {"user": "lamp", "kind": "device"},
        {"user": "alice", "kind": "robot"},
        {"info": "x" * 1023},  # and two quotes
    ],
)
def test_bad_credentials_are_refused(auth: dict[str, Any]) -> None:
    core = Core()
    with pytest.raises(RtError) as caught:
        core.api.connect("s", "/chat", auth, core.client().transport)
    assert caught.value.code == "bad_request"


def test_in_open_mode_a_client_says_who_it_is_and_what() -> None:
    core = Core()
    session = core.api.connect(
        "s", "/chat", {"user": "billing", "kind": "service", "info": "x" * 1022}, core.client().transport
    )
    assert (session.identity, session.who.role) == (Identity("service", "billing"), "service")
    assert core.client("alice").session.who.role == "user"


def test_a_fault_of_ours_is_answered_internal_with_a_reference_and_no_details(alice: Client) -> None:
    def broken(session: object, request: object) -> dict[str, Any]:
        raise RuntimeError("secret path /etc/shadow")

    alice.core.api._verbs["ping"] = (alice.core.api._verbs["ping"][0], broken)
    error = alice.ask("ping", {})["error"]
    assert error["code"] == "internal" and "secret" not in error["message"] and "RuntimeError" not in error["message"]


def test_a_call_is_answered_by_its_callee() -> None:
    core = Core()
    alice, bob = core.client("alice"), core.client("bob")
    bob.on_call = lambda call: {"echo": call["data"], "method": call["method"]}
    assert alice.ok("call", to="user:bob", method="echo", data=5)["data"] == {"echo": 5, "method": "echo"}


def test_a_callees_own_error_reaches_the_caller() -> None:
    core = Core()
    alice, bob = core.client("alice"), core.client("bob")
    bob.on_call = lambda call: {"error": {"code": "conflict", "message": "busy"}}
    error = alice.ask("call", {"to": "user:bob", "method": "m"})["error"]
    assert error["code"] == "conflict" and "busy" in error["message"]


def test_a_call_that_nobody_answers_times_out() -> None:
    core = Core()
    alice, _ = core.client("alice"), core.client("bob")
    assert alice.refused("call", to="user:bob", method="m", timeout_ms=10) == "timeout"
    assert len(core.calls) == 0


def test_too_many_calls_in_flight_are_refused() -> None:
    core = Core()
    alice, _ = core.client("alice"), core.client("bob")
    for _ in range(10):
        core.calls.open(Identity("user", "x"))
    assert alice.refused("call", to="user:bob", method="m") == "too_many_requests"

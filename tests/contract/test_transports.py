"""What a client sees, whatever way it came in: the same sentences over every way that there is.

`in process` is the list that unit tests use for a wire; it is allowed as long as it passes here too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from tests.support.core import Core
from tests.support.grpc_client import GrpcClient
from tests.support.http_client import HttpClient
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually
from tests.support.ws_client import WsClient

PUBLICATION_FIELDS = {"room", "event", "data", "from", "id", "offset", "at"}
_numbers = itertools.count()


class AnyClient(Protocol):
    on_call: Callable[[dict[str, Any]], Any] | None

    def ok(self, verb: str, **request: Any) -> dict[str, Any]: ...

    def ask(self, verb: str, request: Any = None) -> dict[str, Any]: ...

    def pushed(self, name: str) -> list[dict[str, Any]]: ...

    @property
    def publications(self) -> list[dict[str, Any]]: ...


Connect = Callable[[str], AnyClient]

SESSIONS = ["in process", "Socket.IO over WebSocket", "Socket.IO over polling", "plain WebSocket", "gRPC"]
HTTP = ["Server-Sent Events", "NDJSON", "long polling"]
every_way = pytest.mark.parametrize("connect", SESSIONS + HTTP, indirect=True)
every_session = pytest.mark.parametrize("connect", SESSIONS, indirect=True)
every_stream = pytest.mark.parametrize(
    "connect", [way for way in SESSIONS + HTTP if way != "long polling"], indirect=True
)


@pytest.fixture(scope="module")
def service_with_grpc() -> Iterator[Service]:
    with Service("--grpc-port", "0") as running:
        yield running


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    if request.param == "in process":
        yield Core().client
        return
    service: Service = request.getfixturevalue("service_with_grpc" if request.param == "gRPC" else "service")
    with ExitStack() as stack:
        yield lambda user: stack.enter_context(client_of(request.param, service, user))


def client_of(way: str, service: Service, user: str) -> Any:
    if way in HTTP:
        return HttpClient(service.http, way, user=user)
    if way == "gRPC":
        return GrpcClient(service.grpc, user=user)
    if way == "plain WebSocket":
        return WsClient(service.http, user=user)
    return SocketIoClient(service.http, user=user, transport="polling" if way.endswith("polling") else "websocket")


@pytest.fixture
def room() -> str:
    return f"contract-{next(_numbers)}"


@pytest.fixture
def alice(connect: Connect) -> AnyClient:
    return connect(f"alice-{next(_numbers)}")


@pytest.fixture
def bob(connect: Connect) -> AnyClient:
    return connect(f"bob-{next(_numbers)}")


def sees(client: AnyClient, count: int) -> list[dict[str, Any]]:
    eventually(lambda: len(client.publications) >= count)
    return client.publications


def name_of(client: AnyClient, room: str) -> str:
    return str(client.ok("join", room=room)["members"][-1]["id"])


@every_session
def test_a_join_answers_all_that_the_contract_lists(alice: AnyClient, room: str) -> None:
    answer = alice.ok("join", room=room)
    assert set(answer) == {"ok", "epoch", "offset", "recovered", "publications", "latest", "members"}
    assert (answer["offset"], answer["recovered"], answer["publications"], answer["latest"]) == (0, False, [], [])
    (member,) = answer["members"]
    assert set(member) == {"kind", "id", "info", "sessions"} and member["kind"] == "user"


@every_way
def test_everybody_sees_kept_publications_once_in_order_the_sender_too(
    alice: AnyClient, bob: AnyClient, room: str
) -> None:
    alice.ok("join", room=room)
    bob.ok("join", room=room)
    for n in range(6):
        (alice, bob)[n % 2].ok("publish", room=room, event="say", data={"n": n})
    for client in (alice, bob):
        seen = sees(client, 6)
        assert [(p["data"]["n"], p["offset"]) for p in seen] == [(n, n + 1) for n in range(6)]
        assert all(set(p) == PUBLICATION_FIELDS and p["event"] == "say" and p["room"] == room for p in seen)


@every_way
def test_binary_and_text_of_all_kinds_arrive_as_they_were(alice: AnyClient, bob: AnyClient, room: str) -> None:
    values = [None, True, 0, -1.5, "", 'ä\n"\\', "\u2028", [], {}, {"deep": [[{"a": None}]]}, b"\x00\xff", {"b": [b""]}]
    alice.ok("join", room=room)
    bob.ok("join", room=room)
    for value in values:
        alice.ok("publish", room=room, event="value", data=value)
    assert [p["data"] for p in sees(bob, len(values))] == values


@every_stream
def test_volatile_and_latest_publications_have_no_offset(alice: AnyClient, bob: AnyClient, room: str) -> None:
    alice.ok("join", room=room)
    bob.ok("join", room=room)
    for class_ in ("volatile", "latest"):
        answer = alice.ok("publish", room=room, event="e", data=class_, **{"class": class_}, key="k")
        assert answer["offset"] is None and answer["epoch"] and answer["id"]
    assert [(p["data"], p["offset"]) for p in sees(bob, 2)] == [("volatile", None), ("latest", None)]


@every_way
def test_who_comes_back_is_told_what_it_missed(connect: Connect, alice: AnyClient, bob: AnyClient, room: str) -> None:
    start = bob.ok("join", room=room)
    alice.ok("join", room=room)
    bob.ok("leave", room=room)
    for n in range(3):
        alice.ok("publish", room=room, event="say", data=n)
    answer = bob.ok("join", room=room, since={"epoch": start["epoch"], "offset": start["offset"]})
    assert answer["recovered"] is True
    missed = answer.get("publications", [])  # a stream begins with them
    alice.ok("publish", room=room, event="say", data=3)
    assert [p["data"] for p in missed + sees(bob, 4 - len(missed))] == [0, 1, 2, 3]


@every_way
def test_who_knows_a_history_that_is_no_more_is_told(alice: AnyClient, bob: AnyClient, room: str) -> None:
    alice.ok("join", room=room)
    alice.ok("publish", room=room, event="say", data=0)
    answer = bob.ok("join", room=room, since={"epoch": "gone", "offset": 7})
    assert answer["recovered"] is False and not answer.get("publications")


@every_way
def test_a_repeated_id_is_published_once(alice: AnyClient, bob: AnyClient, room: str) -> None:
    alice.ok("join", room=room)
    bob.ok("join", room=room)
    first = alice.ok("publish", room=room, event="say", data=1, id="mine")
    assert alice.ok("publish", room=room, event="say", data=1, id="mine") == first
    alice.ok("publish", room=room, event="say", data=2)
    assert [p["data"] for p in sees(bob, 2)] == [1, 2]


@every_way
def test_history_and_presence_are_told(alice: AnyClient, room: str) -> None:
    alice.ok("join", room=room)
    for n in range(3):
        alice.ok("publish", room=room, event="say", data=n)
    page = alice.ok("history", room=room, limit=2)
    assert [p["data"] for p in page["publications"]] == [0, 1] and page["more"] is True and page["offset"] == 3
    assert all(
        set(member) == {"kind", "id", "info", "sessions"} for member in alice.ok("presence", room=room)["members"]
    )


@every_session
def test_presence_is_pushed_when_somebody_comes_and_goes(alice: AnyClient, bob: AnyClient, room: str) -> None:
    alice.ok("join", room=room)
    name = name_of(bob, room)
    member = {"kind": "user", "id": name, "info": None, "sessions": 1}
    eventually(lambda: alice.pushed("presence") == [{"room": room, "action": "join", "member": member}])
    bob.ok("leave", room=room)
    eventually(lambda: [p["action"] for p in alice.pushed("presence")] == ["join", "leave"])


@every_stream
def test_something_sent_to_a_user_arrives_there(alice: AnyClient, bob: AnyClient, room: str) -> None:
    name = name_of(bob, room)
    assert alice.ok("send", to=f"user:{name}", event="dm", data="psst")["delivered"] == 1
    (seen,) = sees(bob, 1)
    assert (seen["event"], seen["data"], seen["room"], seen["offset"]) == ("dm", "psst", None, None)


@every_session
def test_a_call_is_answered_or_fails_as_the_callee_says(alice: AnyClient, bob: AnyClient, room: str) -> None:
    name = name_of(bob, room)
    bob.on_call = lambda call: {"did": call["method"], "with": call["data"]}
    assert alice.ok("call", to=f"user:{name}", method="add", data=[1])["data"] == {"did": "add", "with": [1]}
    bob.on_call = lambda call: {"error": {"code": "forbidden", "message": "not you"}}
    error = alice.ask("call", {"to": f"user:{name}", "method": "add"})["error"]
    assert error["code"] == "forbidden" and "not you" in error["message"]


@every_way
@pytest.mark.parametrize(
    ("verb", "request_", "code"),
    [
        ("join", {"room": "a b"}, "invalid_room"),
        ("join", {"room": "r", "since": {"epoch": "e", "offset": -1}}, "bad_request"),
        ("publish", {"room": "r", "event": "e"}, "bad_request"),
        ("publish", {"room": "r", "event": "a b", "data": 1}, "invalid_event"),
        ("history", {"room": "r", "limit": 1001}, "bad_request"),
        ("send", {"to": "user:nobody-here", "event": "e", "data": 1}, "not_online"),
        ("call", {"to": "user:nobody-here", "method": "m"}, "not_online"),
    ],
)
def test_a_refusal_has_the_contracts_shape(alice: AnyClient, verb: str, request_: dict[str, Any], code: str) -> None:
    alice.ok("join", room="r")
    refused(alice, verb, request_, code)


@every_session
@pytest.mark.parametrize(
    ("verb", "request_", "code"),
    [("fly", {}, "bad_request"), ("publish", {"room": "not-joined", "event": "e", "data": 1}, "not_member")],
)
def test_what_only_a_session_can_ask_is_refused_alike(
    alice: AnyClient, verb: str, request_: dict[str, Any], code: str
) -> None:
    refused(alice, verb, request_, code)


def refused(client: AnyClient, verb: str, request: dict[str, Any], code: str) -> None:
    answer = client.ask(verb, request)
    assert set(answer) == {"ok", "error"} and answer["ok"] is False
    assert set(answer["error"]) == {"code", "message"} and answer["error"]["code"] == code


@pytest.mark.parametrize("way", [way for way in SESSIONS + HTTP if way not in ("in process", "long polling")])
def test_who_is_there_when_the_service_stops_is_told_to_come_back(way: str) -> None:
    with (
        Service(*(("--grpc-port", "0") if way == "gRPC" else ())) as service,
        client_of(way, service, "alice") as alice,
    ):
        alice.ok("join", room="lobby")
        assert service.stop() == 0
        (closing,) = eventually(lambda: alice.pushed("closing"))
        assert set(closing) == {"code", "message", "reconnect", "retry_after_ms"}
        assert closing["code"] == "shutdown" and closing["reconnect"] is True and closing["retry_after_ms"] > 0

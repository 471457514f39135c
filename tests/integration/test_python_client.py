"""rt_client, the client for Python programs, in sentences of its users; against a real service that is killed."""

from __future__ import annotations

import inspect
import itertools
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import engineio
import pytest
import requests
import socketio

from rt_client import Client, Position, PresenceChange, Publication, RtError
from tests.support.proxy import Proxy
from tests.support.python_client import VAIN_S, NoWebSockets, fast_service, hears, post, through, wait_in_vain_longer
from tests.support.service import Service
from tests.support.waiting import eventually

Connect = Callable[..., Client]
_numbers = itertools.count()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with fast_service() as running:
        yield running


@pytest.fixture
def name() -> str:
    """A room of the test's own; its users have it in their names."""
    return f"py-{next(_numbers)}"


@pytest.fixture
def connect(service: Service, name: str) -> Iterator[Connect]:
    """`connect("bob")`, to the shared service or to another `url`; a user whose name ends in that of the room."""
    with ExitStack() as stack:
        yield lambda user, url=service.http, **more: stack.enter_context(Client(url, user=f"{user}-{name}", **more))


# -- saying and hearing


def test_what_is_published_is_heard_with_who_said_it_and_where_it_stands(connect: Connect, name: str) -> None:
    heard: list[Publication] = []
    connect("bob").join(name).on("say", heard.append)
    receipt = connect("alice").join(name).publish("say", {"text": "hi", "bytes": b"\x00\xff"}, key="k")
    eventually(lambda: heard)
    (publication,) = heard
    assert (publication.room, publication.event, publication.key) == (name, "say", "k")
    assert publication.data == {"text": "hi", "bytes": b"\x00\xff"} and publication.at > 1.7e12
    assert (publication.id, publication.offset) == (receipt.id, receipt.offset) == (receipt.id, 1)
    assert str(publication.sender) == f"user:alice-{name}"


def test_binary_is_binary_however_much_of_it_comes_at_once(connect: Connect, name: str) -> None:
    heard: list[Publication] = []
    connect("bob").join(name).on("say", heard.append)
    room, sent = connect("alice").join(name), [bytes([n, 255]) for n in range(12)]
    for data in (sent, *sent):
        room.publish("say", data)
    eventually(lambda: [publication.data for publication in heard] == [sent, *sent])
    assert [publication.data for publication in room.history().publications] == [sent, *sent]


@pytest.mark.parametrize("network", [Proxy, NoWebSockets])
def test_a_burst_is_heard_in_order_over_every_transport(
    service: Service, connect: Connect, name: str, network: type[Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = connect("alice")
    with network(service.port) as proxy, Client(through(proxy)) as bob:
        room = bob.join(name)
        heard = hears(room)
        post(service, name, range(3000))
        eventually(lambda: len(heard) >= 3000)
        assert heard == list(range(3000))
        assert room.publish("say", 3000).offset == 3001
        assert bob._link is not None
        assert bob._link.transport() == ("polling" if network is NoWebSockets else "websocket")
        wait_in_vain_longer(monkeypatch)
        began = time.monotonic()
    assert time.monotonic() - began < VAIN_S  # its last words were not waited for in vain
    eventually(lambda: alice.rooms(name) == {name: 0})  # it said goodbye, or it had a minute to come back


def test_more_rooms_are_told_than_fit_into_one_answer(service: Service, connect: Connect, name: str) -> None:
    with requests.Session() as session:
        for n in range(1001):
            url = f"{service.http}/api/v1/rooms/chat/{name}-{n}/publications"
            assert session.post(url, json={"event": "say", "data": n}, timeout=30).status_code == 201
    assert connect("alice").rooms(f"{name}-") == {f"{name}-{n}": 0 for n in range(1001)}


def test_a_client_is_in_two_rooms_and_leaves_one(connect: Connect, name: str) -> None:
    alice, bob = connect("alice"), connect("bob")
    rooms = [alice.join(f"{name}-{n}") for n in range(2)]
    bobs = [bob.join(f"{name}-{n}") for n in range(2)]
    heard = [hears(room) for room in bobs]
    for n in range(4):
        rooms[n % 2].publish("say", n)
    eventually(lambda: heard == [[0, 2], [1, 3]])
    bobs[0].leave()
    for n in (4, 5):
        rooms[n % 2].publish("say", n)
    eventually(lambda: heard[1] == [1, 3, 5])
    assert heard[0] == [0, 2]
    eventually(lambda: len(rooms[0].members()) == 1)
    with pytest.raises(RtError, match=f"not_member: the room {name}-0 was left"):
        bobs[0].publish("say", 1)
    again = hears(bob.join(f"{name}-0"))
    rooms[0].publish("say", 6)
    eventually(lambda: again == [6])


def test_who_comes_later_finds_what_is_there(connect: Connect, name: str) -> None:
    room = connect("alice").join(name)
    presence: list[PresenceChange] = []
    room.on_presence(presence.append)
    room.publish("topic", "rooms", class_="latest", key="topic")
    for n in range(3):
        room.publish("say", n)
    bob = connect("bob", info={"age": 7})
    later = bob.join(name)
    assert [(p.key, p.data, p.offset) for p in later.joined.latest] == [("topic", "rooms", None)]
    assert later.joined.position.offset == 3 and later.joined.recovered and later.joined.missed == []
    page = later.history(limit=2, reverse=True)
    assert [p.data for p in page.publications] == [2, 1] and page.more
    assert later.history(since=page.position).publications == []
    assert [member.id for member in later.joined.members] == [f"alice-{name}", f"bob-{name}"]
    assert later.members()[1].info == {"age": 7} and bob.rooms(name) == {name: 2}
    later.leave()
    eventually(lambda: [(c.action, c.member.id) for c in presence] == [(a, f"bob-{name}") for a in ("join", "leave")])
    assert abs(bob.ping() / 1000 - time.time()) < 5


def test_what_is_volatile_is_heard_and_stands_nowhere(connect: Connect, name: str) -> None:
    room = connect("alice").join(name)
    heard = hears(room, "cursor")
    assert room.publish("cursor", 1, class_="volatile").offset is None
    eventually(lambda: heard == [1])
    assert room.position.offset == 0 and room.history().publications == []


def test_a_position_of_an_earlier_visit_is_where_the_next_one_goes_on(connect: Connect, name: str) -> None:
    room = connect("alice").join(name)
    heard = hears(room)
    for n in range(2):
        room.publish("say", n)
    eventually(lambda: heard == [0, 1])
    since = room.position
    for n in range(2, 5):
        room.publish("say", n)
    bob, missed = connect("bob"), []
    bob.on("say", lambda publication: missed.append(publication.data))
    again = bob.join(name, since)
    assert again.joined.recovered and [p.data for p in again.joined.missed] == [2, 3, 4]
    eventually(lambda: missed == [2, 3, 4])
    assert again.position == Position(since.epoch, 5)
    stranger = connect("carol").join(name, Position("another", 3))
    assert not stranger.joined.recovered and stranger.position.offset == 5


def test_what_is_sent_to_one_user_is_heard_by_that_one_alone(connect: Connect, name: str) -> None:
    alice, bob = connect("alice"), connect("bob")
    heard: list[Publication] = []
    bob.on("dm", heard.append)
    alice.on("dm", heard.append)
    assert alice.send(f"user:bob-{name}", "dm", 1) == 1
    eventually(lambda: heard)
    assert [(p.room, p.offset, p.data) for p in heard] == [(None, None, 1)]
    assert bob.send(heard[0].sender, "dm", 2) == 1
    eventually(lambda: [p.data for p in heard] == [1, 2])
    with pytest.raises(RtError, match="not_online"):
        alice.send("user:nobody", "dm", 1)


def test_a_twin_is_changed_unless_somebody_else_was_first(connect: Connect, name: str) -> None:
    iot = connect("alice", namespace="/iot")
    before = iot.twin(name)
    after = iot.update_twin(name, {"c": 20}, before.version)
    assert (before.desired, after.desired, iot.twin(name)) == ({}, {"c": 20}, after)
    with pytest.raises(RtError, match="conflict"):
        iot.update_twin(name, {"c": 21}, before.version)


# -- calls, handlers


def test_a_call_is_answered_or_refused_with_the_code_that_the_callee_chose(connect: Connect, name: str) -> None:
    alice, bob = connect("alice"), connect("bob")
    to = f"user:bob-{name}"

    @bob.on_call("add")
    def add(data: Any) -> int:
        if data["a"] < 0:
            raise RtError("forbidden", "nothing negative")
        return int(data["a"] + data["b"])

    bob.on_call("strange", lambda data: object())
    assert alice.call(to, "add", {"a": 1, "b": 2}) == 3
    refused = {"add": ({"a": -1}, "forbidden"), "fly": (None, "not_found"), "strange": (None, "invalid_data")}
    for method, (data, code) in refused.items():
        with pytest.raises(RtError) as raised:
            alice.call(to, method, data)
        assert raised.value.code == code
    with pytest.raises(RtError, match="internal") as raised:
        alice.call(to, "add", {})  # a KeyError over there, which is not for us
    assert "KeyError" not in str(raised.value) and "Traceback" not in str(raised.value)
    with pytest.raises(RtError, match="not_online"):
        alice.call("device:nobody", "add")
    assert alice.call(to, "add", {"a": 1, "b": 1}) == 2


def test_a_handler_that_exits_or_raises_what_is_no_text_fails_and_the_next_call_is_answered(
    connect: Connect, name: str
) -> None:
    alice, bob = connect("alice"), connect("bob")

    def strange(data: Any) -> Any:
        raise RtError("bad_request", ValueError("not today"))  # type: ignore[arg-type]

    def loud(data: Any) -> Any:
        raise RtError("bad_request", "x" * 2_000_000)

    for method, handler in {"strange": strange, "exit": lambda data: sys.exit(1), "loud": loud}.items():
        bob.on_call(method, handler)
    bob.on_call("ping", lambda data: "still here")
    bob.on("exit", lambda publication: sys.exit(1))
    alice.send(f"user:bob-{name}", "exit", None)
    for method, says in {"strange": "not today", "exit": "exit failed"}.items():
        with pytest.raises(RtError, match=says):
            alice.call(f"user:bob-{name}", method, timeout_s=30)
    with pytest.raises(RtError, match="timeout"):
        alice.call(f"user:bob-{name}", "loud", timeout_s=1)
    assert alice.call(f"user:bob-{name}", "ping") == "still here"


def test_a_call_that_is_not_answered_in_time_raises(connect: Connect, name: str) -> None:
    alice, bob = connect("alice"), connect("bob")
    wait = threading.Event()
    bob.on_call("wait", lambda data: wait.wait(10))
    with pytest.raises(RtError, match="timeout"):
        alice.call(f"user:bob-{name}", "wait", timeout_s=0.2)
    wait.set()


def test_a_handler_that_throws_is_logged_and_harms_nobody(
    connect: Connect, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    room = connect("alice").join(name)

    @room.on("say")
    def broken(publication: Publication) -> None:
        raise RuntimeError(f"no {publication.data}")

    heard = hears(room)
    for n in range(3):
        room.publish("say", n)
    eventually(lambda: heard == [0, 1, 2])
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["no 0", "no 1", "no 2"]


def test_a_handler_may_publish_and_call_and_join_and_close(connect: Connect, name: str) -> None:
    alice, bob = connect("alice"), connect("bob")
    bob.on_call("double", lambda data: data * 2)
    questions, done = alice.join(name), []

    @questions.on("question")
    def answer(publication: Publication) -> None:
        result = alice.call(f"user:bob-{name}", "double", publication.data)
        alice.join(f"{name}-answers").publish("answer", result)
        questions.publish("answered", None)
        if publication.data == 3:
            alice.close()
            done.append(True)

    answers = hears(bob.join(f"{name}-answers"), "answer")
    room = bob.join(name)
    for n in (1, 2, 3):
        room.publish("question", n)
    eventually(lambda: answers == [2, 4, 6] and done)
    with pytest.raises(RtError, match="this client was closed"):
        questions.publish("say", 1)


@pytest.mark.parametrize("end", ["leave", "close"])
def test_what_still_waits_is_not_told_after_the_end(connect: Connect, name: str, end: str) -> None:
    alice, bob = connect("alice"), connect("bob")
    began, go_on = threading.Event(), threading.Event()
    heard: list[Any] = []

    @bob.on("say")
    def slow(publication: Publication) -> None:
        began.set()
        go_on.wait(10) if end == "leave" else eventually(lambda: bob._closed)
        heard.append(publication.data)

    there, here = alice.join(name), bob.join(name)
    bob.on("dm", lambda publication: heard.append(publication.data))
    for n in range(3):
        there.publish("say", n)
    alice.send(f"user:bob-{name}", "dm", "sent")
    assert began.wait(10)
    if end == "leave":
        here.leave()
        go_on.set()
        eventually(lambda: len(heard) == 2)
        assert heard == [0, "sent"]
    else:
        bob.close()
        assert heard == [0]


# -- refusals


def test_a_service_that_is_not_there_is_named_with_what_to_do() -> None:
    with socket.socket() as silent:  # who has the port and does not listen: nobody else gets it meanwhile
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RtError) as raised, Client(url):
            pass
    assert str(raised.value) == f"unavailable: nothing listens at {url}; is the service running?"


@pytest.mark.parametrize(
    ("url", "namespace", "user", "says"),
    [
        ("127.0.0.1:5000", "/chat", "alice", "bad_request: a url is like http://127.0.0.1:5000, not 127.0.0.1:5000"),
        (None, "chat", "alice", "did you mean /chat?"),
        (None, "/nowhere", "alice", "not_found: there is no namespace /nowhere; there are /chat, /game, /iot"),
        (None, "/chat", "a b", "bad_request: auth.user is"),
    ],
)
def test_who_is_refused_is_told_why(service: Service, url: str | None, namespace: str, user: str, says: str) -> None:
    with pytest.raises(RtError) as raised, Client(url or service.http, namespace=namespace, user=user):
        pass
    assert says in str(raised.value)


def test_a_refused_room_or_publication_raises_and_the_next_one_goes_on(connect: Connect, name: str) -> None:
    alice = connect("alice")
    with pytest.raises(RtError, match="invalid_room"):
        alice.join("no/room")
    room = alice.join(name)
    circle: list[Any] = []
    circle.append(circle)
    bad = {"invalid_data": [float("nan"), object(), "\ud800", circle], "too_large": ["x" * 70_000, b"x" * (2 << 20)]}
    for code, several in bad.items():
        for data in several:
            with pytest.raises(RtError, match=code):
                room.publish("say", data)
    with pytest.raises(RtError, match="invalid_event"):
        room.publish("no/way", 1)
    assert room.publish("say", 1).offset == 1
    assert alice._link is not None and not alice._link._asked


def test_a_session_too_many_is_told_and_does_not_come_back(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with Service("--set", "limits.sessions_per_identity=1") as service, Client(service.http, user=name) as first:
        second = Client(service.http, user=name)
        with pytest.raises(RtError, match="too_many_requests"):
            comes_and_joins(second, name)
        eventually(lambda: second._link is None)
        assert first.join(name).publish("say", 1).offset == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def comes_and_joins(client: Client, room: str) -> None:
    with client:  # it may be told before it is in
        eventually(lambda: client._ended)
        client.join(room)


# -- the undocumented parts of libraries that it relies on


def test_python_engineio_hands_every_message_to_one_replaceable_method() -> None:
    source = inspect.getsource(engineio.Client)
    assert "self._trigger_event('message', pkt.data, run_async=True)" in source
    assert "while self.state == 'connected' and self.write_loop_task:" in source


def test_python_socketio_hands_packets_to_replaceable_methods() -> None:
    source = inspect.getsource(socketio.Client)
    for call in ("self._handle_event(pkt.namespace, pkt.id, pkt.data)", "self._handle_ack(pkt.namespace, pkt.id, pkt"):
        assert call in source
    base = inspect.getsource(socketio.Client.__mro__[1])
    assert "self.eio = self._engineio_client_class()(" in base
    assert "self.eio.on('disconnect', self._handle_eio_disconnect)" in base

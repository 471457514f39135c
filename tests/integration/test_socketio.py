"""Socket.IO as a web developer meets it: a real service, python-socketio's client, both transports."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import socketio

from tests.support.raw_ws import RawWebSocket
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually

Connect = Callable[..., SocketIoClient]


@pytest.fixture(params=["websocket", "polling"])
def connect(request: pytest.FixtureRequest, service: Service) -> Iterator[Connect]:
    opened: list[SocketIoClient] = []

    def connect(user: str | None = None, **options: Any) -> SocketIoClient:
        opened.append(SocketIoClient(service.http, user=user, transport=request.param, **options))
        return opened[-1]

    yield connect
    for client in opened:
        client.client.disconnect()


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    return f"room-{abs(hash(request.node.nodeid))}"


def test_two_browsers_in_a_room_see_the_same_in_the_same_order(connect: Connect, room: str) -> None:
    alice, bob = connect("alice"), connect("bob")
    alice.ok("join", room=room), bob.ok("join", room=room)
    for n in range(20):
        (alice, bob)[n % 2].ok("publish", room=room, event="say", data=n)
    eventually(lambda: len(alice.publications) == len(bob.publications) == 20)
    assert [p["data"] for p in alice.publications] == [p["data"] for p in bob.publications] == list(range(20))
    assert [p["offset"] for p in bob.publications] == list(range(1, 21))


def test_the_answer_to_a_join_comes_before_anything_of_the_room(connect: Connect, room: str) -> None:
    alice, bob = connect("alice"), connect("bob")
    alice.ok("join", room=room)
    order: list[str] = []
    bob.client.on("say", lambda body: order.append("say"), namespace="/chat")
    done = threading.Event()
    bob.client.emit(
        "join", {"room": room}, namespace="/chat", callback=lambda answer: (order.append("answer"), done.set())
    )
    for n in range(30):
        alice.client.emit("publish", {"room": room, "event": "say", "data": n}, namespace="/chat")
    assert done.wait(10)
    eventually(lambda: len(alice.publications) == 30)
    assert order[0] == "answer"


def test_binary_inside_data_arrives_as_binary(connect: Connect, room: str) -> None:
    alice, bob = connect("alice"), connect("bob")
    alice.ok("join", room=room), bob.ok("join", room=room)
    data = {"picture": b"\x00\x01\xff", "tags": ["a", b"\x02"]}
    alice.ok("publish", room=room, event="upload", data=data)
    assert bob.sees("upload")["data"] == data
    history = bob.ok("history", room=room)["publications"]
    assert history[0]["data"] == data


def test_a_late_joiner_sees_what_it_missed(connect: Connect, room: str) -> None:
    alice, bob = connect("alice"), connect("bob")
    alice.ok("join", room=room)
    seen = bob.ok("join", room=room)
    bob.client.disconnect()
    for n in range(3):
        alice.ok("publish", room=room, event="say", data=n)
    again = connect("bob")
    answer = again.ok("join", room=room, since={"epoch": seen["epoch"], "offset": seen["offset"]})
    assert answer["recovered"] is True and [p["data"] for p in answer["publications"]] == [0, 1, 2]


def test_presence_is_pushed_when_somebody_comes_and_goes(connect: Connect, room: str) -> None:
    alice = connect("alice")
    alice.ok("join", room=room)
    bob = connect("bob", info={"name": "Bob"})
    bob.ok("join", room=room)
    member = {"kind": "user", "id": "bob", "info": {"name": "Bob"}, "sessions": 1}
    eventually(lambda: alice.pushed("presence") == [{"room": room, "action": "join", "member": member}])
    bob.client.disconnect()
    eventually(lambda: alice.pushed("presence")[-1]["action"] == "leave")


def test_a_user_calls_another_user(connect: Connect) -> None:
    alice, bob = connect("alice-c"), connect("bob-c")
    bob.on_call = lambda call: {"sum": sum(call["data"])}
    assert alice.ok("call", to="user:bob-c", method="add", data=[1, 2])["data"] == {"sum": 3}
    (call,) = bob.pushed("call")
    assert (call["method"], call["from"]) == ("add", {"kind": "user", "id": "alice-c"}) and call["id"]


def test_a_caller_goes_on_talking_while_it_waits(connect: Connect, room: str) -> None:
    alice, bob = connect("alice-w"), connect("bob-w")
    alice.ok("join", room=room)
    release = threading.Event()
    bob.on_call = lambda call: release.wait(60) and "done"
    answers: list[Any] = []
    question = {"to": "user:bob-w", "method": "slow", "timeout_ms": 60_000}
    alice.client.emit("call", question, namespace="/chat", callback=answers.append)
    eventually(lambda: bob.pushed("call"))
    alice.ok("publish", room=room, event="say", data="meanwhile")
    assert answers == []
    release.set()
    eventually(lambda: answers == [{"ok": True, "data": "done"}])


def test_a_user_may_call_itself(connect: Connect) -> None:
    alice = connect("alice-self")
    alice.on_call = lambda call: "me"
    assert alice.ok("call", to="user:alice-self", method="who")["data"] == "me"


def test_a_call_ends_when_its_callee_goes(connect: Connect) -> None:
    alice, bob = connect("alice-g"), connect("bob-g")
    release = threading.Event()
    bob.on_call = lambda call: release.wait(60)
    answers: list[Any] = []
    # Longer than it takes to notice that a polling client is gone, which does not always say goodbye.
    question = {"to": "user:bob-g", "method": "slow", "timeout_ms": 60_000}
    alice.client.emit("call", question, namespace="/chat", callback=answers.append)
    eventually(lambda: bob.pushed("call"))
    bob.client.disconnect()
    eventually(lambda: answers and answers[0]["error"]["code"] == "not_online")
    release.set()


def test_a_call_that_is_not_answered_in_time_says_so(connect: Connect) -> None:
    alice, bob = connect("alice-t"), connect("bob-t")
    release = threading.Event()
    bob.on_call = lambda call: release.wait(10)
    assert alice.refused("call", to="user:bob-t", method="slow", timeout_ms=50) == "timeout"
    release.set()


def test_something_sent_to_one_user_reaches_that_user(connect: Connect, room: str) -> None:
    name = f"bob-{room}"  # that of the other transport may still be there
    alice, bob = connect("alice-s"), connect(name)
    assert alice.ok("send", to=f"user:{name}", event="dm", data="psst")["delivered"] == 1
    assert bob.sees("dm")["from"] == {"kind": "user", "id": "alice-s"}
    assert alice.refused("send", to="user:nobody-s", event="dm", data="psst") == "not_online"


@pytest.mark.parametrize("event", ["fly", "connect", "disconnect", "message"])
def test_an_unknown_verb_is_refused_and_the_session_lives_on(connect: Connect, event: str) -> None:
    alice = connect("alice-u")
    answer = alice.ask(event, {})
    assert answer["ok"] is False and answer["error"]["code"] == "bad_request"
    if event not in ("connect", "disconnect"):
        assert "`publish` takes room, event and data" in answer["error"]["message"]
    assert alice.ok("ping")["at"] > 0


def test_a_message_larger_than_allowed_is_refused_and_the_session_lives_on(connect: Connect, room: str) -> None:
    alice = connect("alice-l")
    alice.ok("join", room=room)
    assert alice.refused("publish", room=room, event="say", data="x" * 70_000) == "too_large"
    assert alice.ok("ping")["at"] > 0


def test_a_publish_without_an_acknowledgement_arrives_too(connect: Connect, room: str) -> None:
    alice, bob = connect("alice-n"), connect("bob-n")
    alice.ok("join", room=room), bob.ok("join", room=room)
    alice.client.emit("publish", {"room": room, "event": "say", "data": "x"}, namespace="/chat")
    assert bob.sees("say")["data"] == "x"


def test_a_namespace_that_is_not_in_the_settings_is_refused(service: Service) -> None:
    with pytest.raises(socketio.exceptions.ConnectionError):
        SocketIoClient(service.http, "/secret")


def test_bad_credentials_are_refused_with_the_reason(service: Service) -> None:
    client = socketio.Client(reconnection=False)
    errors: list[Any] = []
    client.on("connect_error", errors.append, namespace="/chat")
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(service.http, namespaces=["/chat"], auth={"user": "a/b"}, wait_timeout=30)
    assert errors[0]["data"]["code"] == "bad_request" and "auth.user" in errors[0]["message"]
    client.disconnect()


def test_one_connection_speaks_in_several_namespaces(service: Service) -> None:
    client = socketio.Client(reconnection=False)
    client.connect(service.http, namespaces=["/chat", "/game", "/iot"], wait_timeout=30)
    for namespace in ("/chat", "/game", "/iot"):
        assert client.call("join", {"room": "several"}, namespace=namespace)["ok"]
    client.disconnect()


def test_a_session_past_its_users_limit_is_told_and_closed() -> None:
    with Service("--set", "limits.sessions_per_identity=1") as small:
        first = SocketIoClient(small.http, user="alice")
        second = SocketIoClient(small.http, user="alice")
        eventually(lambda: [c["code"] for c in second.pushed("closing")] == ["too_many_requests"])
        assert second.pushed("closing")[0]["reconnect"] is False
        # Not `second.client.connected`: python-socketio may set it again where it was closed while it still connects.
        eventually(lambda: small.metric("rt_sessions_closed_total", reason="too_many_requests") == 1)
        assert small.metric("rt_sessions", transport="socketio") == 1
        assert first.ok("ping")
        first.client.disconnect()


@pytest.mark.parametrize("data", ['"half an emoji: \\ud83d"', "1e999"])
def test_data_that_cannot_be_sent_on_is_refused_and_the_connection_lives_on(service: Service, data: str) -> None:
    with RawWebSocket(service.http, "/socket.io/?EIO=4&transport=websocket") as client:
        assert client.text().startswith("0")
        client.send("40/chat,")
        assert client.text().startswith("40/chat,")
        for event in ("publish", "say"):
            client.send(f'42/chat,7["{event}",{{"room":"lobby","event":"say","data":{data}}}]')
            assert json.loads(client.text().removeprefix("43/chat,7"))[0]["error"]["code"] == "invalid_data"
        client.send('42/chat,["half: \\ud83d"]')  # which nobody is told
        client.send('42/chat,7["half: \\ud83d"]')
        assert "invalid_data" in client.text()
        client.send('42/chat,8["ping"]')
        assert client.text().startswith("43/chat,8")


def test_an_answer_that_cannot_be_sent_on_fails_the_call(service: Service) -> None:
    path = "/socket.io/?EIO=4&transport=websocket"
    with RawWebSocket(service.http, path) as callee, SocketIoClient(service.http) as caller:
        assert callee.text().startswith("0")
        callee.send('40/chat,{"user":"cuts-emojis"}')
        assert callee.text().startswith("40/chat,")

        def answer() -> None:
            asked = callee.text().removeprefix("42/chat,")
            number = asked[: asked.index("[")]
            callee.send(f'43/chat,{number}["half: \\ud83d"]')

        answering = threading.Thread(target=answer)
        answering.start()
        error = caller.ask("call", {"to": "user:cuts-emojis", "method": "m", "data": 1})["error"]
        answering.join()
        assert error["code"] == "invalid_data"


def test_an_answer_that_comes_over_the_next_connection_answers_no_other_call(service: Service) -> None:
    def callee() -> RawWebSocket:
        raw = RawWebSocket(service.http, "/socket.io/?EIO=4&transport=websocket")
        assert raw.text().startswith("0")
        raw.send('40/chat,{"user":"slow"}')
        assert raw.text().startswith("40/chat,")
        return raw

    def asked(raw: RawWebSocket) -> str:
        return raw.text().removeprefix("42/chat,").partition("[")[0]

    call = {"to": "user:slow", "method": "m", "data": 1}
    with SocketIoClient(service.http) as caller:
        answers: list[Any] = []
        first = callee()
        caller.client.emit("call", call, namespace="/chat", callback=lambda answer: None)
        late = asked(first)
        first.close()
        with callee() as second:
            caller.client.emit("call", call, namespace="/chat", callback=answers.append)
            number = asked(second)
            second.send(f'43/chat,{late}["of the first"]')
            second.send(f'43/chat,{number}["of the second"]')
            eventually(lambda: [answer["data"] for answer in answers] == ["of the second"])


def test_a_connection_that_joins_no_namespace_is_closed() -> None:
    with Service("--set", "limits.join_first_s=0.2") as small:
        import engineio

        client = engineio.Client()
        client.connect(small.http, transports=["websocket"], engineio_path="socket.io")
        eventually(lambda: client.state == "disconnected")
        assert small.metric("rt_sessions_closed_total", reason="join_timeout") == 1

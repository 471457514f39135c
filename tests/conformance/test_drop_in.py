"""Another Flask application on our SocketIO: what Flask-SocketIO's documentation promises, with real clients."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import socketio

from tests.support.service import ROOT
from tests.support.waiting import eventually

Connect = Callable[..., socketio.Client]


@pytest.fixture(params=["websocket", "polling"])
def connect(request: pytest.FixtureRequest, app: str) -> Iterator[Connect]:
    opened: list[socketio.Client] = []

    def connect(*namespaces: str, query: str = "") -> socketio.Client:
        client = socketio.Client(reconnection=False)
        opened.append(client)
        client.connect(app + query, namespaces=list(namespaces) or ["/"], transports=[request.param], wait_timeout=30)
        return client

    yield connect
    for client in opened:
        client.disconnect()


def test_handlers_have_the_request_and_a_session_of_their_own(connect: Connect) -> None:
    one, two = connect(), connect()
    first = one.call("whoami")
    assert first == {"sid": one.get_sid(), "path": "/socket.io/", "asked": 1}
    assert one.call("whoami")["asked"] == 2 and two.call("whoami")["asked"] == 1


def test_rooms_are_entered_emitted_to_and_left(connect: Connect) -> None:
    one, two, other = connect(), connect(), connect()
    heard: list[tuple[str, str]] = []
    for name, client in (("one", one), ("two", two), ("other", other)):
        client.on("entered", lambda sid, name=name: heard.append((name, sid)))
    assert sorted(one.call("enter", "lobby")) == sorted([one.get_sid(), "lobby"])
    two.call("enter", "lobby")
    eventually(lambda: ("one", two.get_sid()) in heard and ("two", two.get_sid()) in heard)
    assert not any(name == "other" for name, _ in heard)
    one.call("leave", "lobby")
    other.call("enter", "lobby")
    eventually(lambda: ("two", other.get_sid()) in heard)
    assert ("one", other.get_sid()) not in heard


def test_a_broadcast_reaches_everybody_but_who_is_left_out(connect: Connect) -> None:
    one, two = connect(), connect()
    heard: list[str] = []
    one.on("news", lambda data: heard.append("one"))
    two.on("news", lambda data: heard.append(data))
    one.emit("everybody", {"b": b"\x01", "n": [1, None, True]})
    eventually(lambda: {"b": b"\x01", "n": [1, None, True]} in heard)
    assert "one" not in heard


def test_the_server_calls_a_client_and_gets_its_answer(connect: Connect) -> None:
    client = connect()
    client.on("question", lambda question: question[::-1])
    assert client.call("ask-me", "abc") == "cba"


def test_the_server_disconnects_a_client(connect: Connect) -> None:
    client = connect()
    client.emit("kick-me")
    eventually(lambda: not client.connected)


def test_an_error_in_a_handler_goes_to_the_error_handler(connect: Connect) -> None:
    assert connect().call("fail") == {"failed": "on purpose"}


def test_a_namespace_class_handles_its_events(connect: Connect) -> None:
    assert connect("/numbers").call("double", 21, namespace="/numbers") == 42


def test_a_refused_connection_says_why(connect: Connect) -> None:
    with pytest.raises(socketio.exceptions.ConnectionError):
        connect("/numbers", query="?closed=1")


IN_PROCESS = """
import eventlet; eventlet.monkey_patch()
from flask import Flask, session
import flask_socketio
from rt_service.gateways.engineio import SocketIO

app = Flask(__name__); app.secret_key = "x"
socketio = SocketIO()
seen = []

@socketio.on("connect")
def connected(auth): seen.append(("connect", auth))
@socketio.on("disconnect")
def disconnected(reason): seen.append(("disconnect", reason))
@socketio.on("enter")
def enter(room):
    flask_socketio.join_room(room); flask_socketio.emit("entered", room, to=room); return "in", room
@socketio.on("pair")
def pair(a, b): flask_socketio.emit("both", (a, b)); flask_socketio.emit("bin", {"b": b"\\x00"})
socketio.init_app(app)

one = socketio.test_client(app, auth={"token": 1}); two = socketio.test_client(app)
assert one.is_connected() and seen[0] == ("connect", {"token": 1}), seen
assert one.emit("enter", "lobby", callback=True) == ["in", "lobby"]
assert [e["name"] for e in one.get_received()] == ["entered"] and two.get_received() == []
one.emit("pair", 1, "2")
assert [(e["name"], e["args"]) for e in one.get_received()] == [("both", [1, "2"]), ("bin", [{"b": b"\\x00"}])]
socketio.emit("all", 5)
assert one.get_received()[0]["args"] == [5] and two.get_received()[0]["args"] == [5]
one.disconnect()
assert seen[-1][0] == "disconnect" and not one.is_connected()
socketio.emit("all", 6)
assert two.get_received()[0]["args"] == [6]
print("all good")
"""


def test_flask_socketios_test_client_works_on_it() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_PROCESS], cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip() == "all good", done.stderr


INSTRUMENTED = """
import eventlet; eventlet.monkey_patch()
import sys
from flask import Flask
from rt_service.gateways.engineio import SocketIO
from rt_service.gateways.engineio.protocol import HttpProtocol
import eventlet.wsgi
app = Flask(__name__)
socketio = SocketIO(app, cors_allowed_origins="*")
socketio.on("ping me")(lambda: "pong")
socketio.server.instrument(auth=False, server_stats_interval=0.2)
listener = eventlet.listen(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
eventlet.wsgi.server(listener, app, log_output=False, protocol=HttpProtocol)
"""


def test_the_admin_interface_is_told_who_is_there_and_what_happens() -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", INSTRUMENTED], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
    admin, user = socketio.Client(reconnection=False), socketio.Client(reconnection=False)
    events: list[tuple[str, Any]] = []
    admin.on("*", lambda event, *args: events.append((event, args)), namespace="/admin")
    try:
        admin.connect(url, namespaces=["/admin"], wait_timeout=30)
        user.connect(url, wait_timeout=30)
        assert user.call("ping me") == "pong"
        for event in ("config", "socket_connected", "event_received", "server_stats"):
            eventually(lambda event=event: any(name == event for name, _ in events))  # type: ignore[misc]
        eventually(lambda: any(name == "server_stats" and args[0]["clientsCount"] == 2 for name, args in events))
        user.disconnect()
        eventually(lambda: any(name == "socket_disconnected" for name, _ in events))
    finally:
        admin.disconnect()
        process.terminate()
        process.wait(timeout=30)


def test_it_runs_on_a_server_that_cannot_let_go_of_its_sockets() -> None:
    code = INSTRUMENTED.replace(", protocol=HttpProtocol", "")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
    try:
        for transports in (["websocket"], ["polling"], None):
            client = socketio.Client(reconnection=False)
            client.connect(url, transports=transports, wait_timeout=30)
            assert client.call("ping me") == "pong"
            client.disconnect()
    finally:
        process.terminate()
        process.wait(timeout=30)

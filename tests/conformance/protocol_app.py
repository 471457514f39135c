"""A Flask application on our SocketIO alone, for the conformance tests and as an example of the drop-in.

    python -m tests.conformance.protocol_app READY_FILE

It echoes Engine.IO messages at /engine.io/, and at /pings.io/ where it pings often; and speaks Socket.IO at /socket.io/
in / and /custom.
"""

import eventlet

eventlet.monkey_patch()

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import eventlet.wsgi  # noqa: E402
import flask_socketio  # noqa: E402
from engineio import WSGIApp  # noqa: E402
from flask import Flask, request, session  # noqa: E402

from rt_service.gateways.engineio import SocketIO  # noqa: E402
from rt_service.gateways.engineio.protocol import HttpProtocol  # noqa: E402
from rt_service.gateways.engineio.server import Server as EngineServer  # noqa: E402

# Where pings are not what a test is about there are none in its way, and no client that stands still is given up.
QUIET = {"ping_interval": 60, "ping_timeout": 60}
PINGS = {"ping_interval": 0.3, "ping_timeout": 4}
# Pings are frequent, as python-engineio's polling client waits for one before it goes.
PATIENT = {"ping_interval": 0.3, "ping_timeout": 60}

app = Flask(__name__)
app.secret_key = "test"
socketio = SocketIO(app, namespaces=["/", "/custom"], connect_timeout=4.0, max_http_buffer_size=1_000_000, **PATIENT)
engine = EngineServer(async_mode="eventlet", max_http_buffer_size=1_000_000, **QUIET)
pinging = EngineServer(async_mode="eventlet", max_http_buffer_size=1_000_000, **PINGS)
for one in (engine, pinging):
    one.on("message", one.send)


for namespace in ("/", "/custom"):

    @socketio.on("connect", namespace=namespace)
    def connected(auth=None):
        socketio.start_background_task(greet, request.sid, request.namespace, auth or {})

    @socketio.on("message", namespace=namespace)
    def message(*args):
        flask_socketio.emit("message-back", args)

    @socketio.on("message-with-ack", namespace=namespace)
    def message_with_ack(*args):
        return args


def greet(sid, namespace, auth):
    socketio.emit("auth", auth, to=sid, namespace=namespace)


@socketio.on("whoami")
def whoami():
    session["asked"] = session.get("asked", 0) + 1
    return {"sid": request.sid, "path": request.path, "asked": session["asked"]}


@socketio.on("enter")
def enter(room):
    flask_socketio.join_room(room)
    flask_socketio.emit("entered", request.sid, to=room)
    return flask_socketio.rooms()


@socketio.on("leave")
def leave(room):
    flask_socketio.leave_room(room)
    return flask_socketio.rooms()


@socketio.on("everybody")
def everybody(data):
    flask_socketio.emit("news", data, broadcast=True, include_self=False)


@socketio.on("ask-me")
def ask_me(question):
    return socketio.call("question", question, to=request.sid, timeout=30)


@socketio.on("kick-me")
def kick_me():
    flask_socketio.disconnect()


@socketio.on("fail")
def fail():
    raise RuntimeError("on purpose")


@socketio.on_error_default
def failed(error):
    return {"failed": str(error)}


class Numbers(flask_socketio.Namespace):
    def on_connect(self):
        if request.args.get("closed"):
            raise flask_socketio.ConnectionRefusedError("closed today")

    def on_double(self, number):
        return number * 2


socketio.on_namespace(Numbers("/numbers"))


def serve(ready_file: str) -> None:
    listener = eventlet.listen(("127.0.0.1", 0))
    both = WSGIApp(engine, WSGIApp(pinging, app, engineio_path="pings.io"), engineio_path="engine.io")
    Path(ready_file).write_text(f"http://127.0.0.1:{listener.getsockname()[1]}")
    eventlet.wsgi.server(listener, both, log_output=False, protocol=HttpProtocol)


if __name__ == "__main__":
    serve(sys.argv[1])

"""Flask-SocketIO on eventlet as its documentation shows it: rooms, a broadcast, a bare echo. It keeps nothing.

python flask_socketio_plain.py PORT_FILE
"""

import eventlet

eventlet.monkey_patch()

import sys
from pathlib import Path

import eventlet.wsgi
from flask import Flask
from flask_socketio import SocketIO, join_room

app = Flask(__name__)
socketio = SocketIO(app, async_mode="eventlet")


@socketio.on("join", namespace="/chat")
def join(request):
    join_room(request["room"])
    return {"ok": True}


@socketio.on("publish", namespace="/chat")
def publish(said):
    socketio.emit(said["event"], said["data"], to=said["room"], namespace="/chat")
    return {"ok": True}


@socketio.on("ping", namespace="/chat")
def ping(data):
    return data


listener = eventlet.listen(("127.0.0.1", 0), backlog=1024)
Path(sys.argv[1]).write_text(str(listener.getsockname()[1]))
eventlet.wsgi.server(listener, app, log_output=False)

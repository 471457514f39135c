"""Devices to browsers as people write it: Flask-SocketIO on eventlet, and paho-mqtt with `loop_start()`.

python flask_paho.py PORT_FILE MQTT_PORT
"""

import eventlet

eventlet.monkey_patch()

import json
import sys
from pathlib import Path

import eventlet.wsgi
from flask import Flask
from flask_socketio import SocketIO, join_room
from paho.mqtt import client as paho

app = Flask(__name__)
socketio = SocketIO(app, async_mode="eventlet")


@socketio.on("join", namespace="/iot")
def join(request):
    join_room(request["room"])
    return {"ok": True}


def on_connect(client, userdata, flags, reason, properties):
    client.subscribe("devices/+/events/m", qos=1)


def on_message(client, userdata, message):
    device = message.topic.split("/")[1]
    socketio.emit("m", json.loads(message.payload), to=f"device:{device}", namespace="/iot")


mqtt = paho.Client(paho.CallbackAPIVersion.VERSION2)
mqtt.on_connect = on_connect
mqtt.on_message = on_message
mqtt.connect("127.0.0.1", int(sys.argv[2]))
mqtt.loop_start()

listener = eventlet.listen(("127.0.0.1", 0), backlog=1024)
Path(sys.argv[1]).write_text(str(listener.getsockname()[1]))
eventlet.wsgi.server(listener, app, log_output=False)

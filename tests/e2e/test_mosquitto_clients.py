"""The commands of the README, with mosquitto_pub and mosquitto_sub as a device maker types them."""

from __future__ import annotations

import json
import subprocess

from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.tools import need
from tests.support.waiting import eventually


def test_mosquitto_pub_appears_in_a_script_that_joined_the_devices_room(service: Service) -> None:
    pub = need("mosquitto_pub")
    with SocketIoClient(service.http, "/iot") as page:
        page.ok("join", room="device:pump-m")
        for version in ("mqttv311", "5"):
            where = [pub, "-p", str(service.mqtt_port), "-V", version, "-q", "1"]
            subprocess.run([*where, "-t", "devices/pump-m/telemetry", "-m", '{"c":21.5}'], check=True, timeout=30)
        seen = page.sees("telemetry", {"c": 21.5})
        assert seen["from"] == {"kind": "device", "id": "pump-m"}


def test_a_publish_from_a_browser_arrives_at_mosquitto_sub(service: Service) -> None:
    sub = need("mosquitto_sub")
    command = [sub, "-p", str(service.mqtt_port), "-t", "rt/out/chat/sub-m/#", "-C", "1", "-W", "30", "-F", "%t %p"]
    listening = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with SocketIoClient(service.http, "/chat") as page:
        page.ok("join", room="sub-m")

        def heard() -> bool:  # it does not tell when it has subscribed
            page.ok("publish", room="sub-m", event="say", data={"text": "hi"})
            return listening.poll() is not None

        eventually(heard)
    topic, payload = listening.communicate(timeout=30)[0].split(" ", 1)
    assert topic == "rt/out/chat/sub-m/say" and json.loads(payload)["data"] == {"text": "hi"}

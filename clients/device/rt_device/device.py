"""One device: says that it is online, publishes, answers calls; its last will says that it is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt import client as paho

Handler = Callable[[Any], Any]


class Device:
    """
    >>> device = Device("pump-1")
    >>> device.on_call("set", lambda data: {"was": 20})
    >>> device.connect("mqtt://127.0.0.1:1883")     # doctest: +SKIP
    >>> device.telemetry({"c": 21.5})               # doctest: +SKIP
    """

    def __init__(self, id: str, keepalive_s: int = 10) -> None:
        self.id = id
        self._keepalive_s = keepalive_s
        self._calls: dict[str, Handler] = {}
        self._topics: dict[str, Handler] = {}
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=id, protocol=paho.MQTTv5)
        self._client.will_set(self._topic("status"), "offline", qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message

    def on_call(self, method: str, handler: Handler) -> None:
        """Answer calls of `method` with what `handler(data)` returns; what it raises is the call's failure."""
        self._calls[method] = handler

    def listen(self, topic: str, handler: Handler) -> None:
        """Call `handler(publication)` for what comes on an `rt/out/…` topic."""
        self._topics[topic] = handler

    def connect(self, url: str = "mqtt://127.0.0.1:1883") -> None:
        """Connect and stay connected, in a thread of its own. Raises OSError if the broker cannot be reached now."""
        parts = urlsplit(url)
        if parts.username:
            self._client.username_pw_set(parts.username, parts.password)
        self._client.connect(parts.hostname or "127.0.0.1", parts.port or 1883, self._keepalive_s)
        self._client.loop_start()

    def disconnect(self) -> None:
        """Say goodbye: after a clean disconnect the broker sends no will."""
        if self._client.is_connected():
            self._client.publish(self._topic("status"), "offline", qos=1, retain=True).wait_for_publish(2)
        self._client.disconnect()
        self._client.loop_stop()

    def telemetry(self, values: Any) -> None:
        """Publish readings: kept in the device's room, and the newest for who joins later."""
        self._publish(self._topic("telemetry"), values)

    def event(self, name: str, data: Any) -> None:
        """Publish an event in the device's room."""
        self._publish(self._topic(f"events/{name}"), data)

    def say(self, namespace: str, room: str, event: str, data: Any) -> None:
        """Publish an event in any room."""
        self._publish(f"rt/in/{namespace.strip('/')}/{room}/{event}", data)

    def _publish(self, topic: str, value: Any) -> None:
        self._client.publish(topic, json.dumps(value), qos=1)

    def _topic(self, rest: str) -> str:
        return f"devices/{self.id}/{rest}"

    def _on_connect(self, client: paho.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            return
        client.subscribe([(self._topic("calls/+/+"), 1), *((topic, 1) for topic in self._topics)])
        client.publish(self._topic("status"), "online", qos=1, retain=True)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        for topic, handler in self._topics.items():
            if paho.topic_matches_sub(topic, message.topic):
                handler(json.loads(message.payload))
                return
        _, _, _, call_id, method = message.topic.split("/")
        reply = self._topic(f"replies/{call_id}")
        try:
            answer = self._calls[method](json.loads(message.payload))
            client.publish(reply, json.dumps(answer), qos=1)
        except KeyError:
            client.publish(f"{reply}/error", json.dumps({"code": "not_found", "message": f"no method {method}"}), qos=1)
        except Exception as error:  # noqa: BLE001  the caller is told; the device lives on
            client.publish(f"{reply}/error", json.dumps({"message": f"{type(error).__name__}: {error}"}), qos=1)

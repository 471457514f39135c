"""One device: says that it is online, publishes, answers calls; its last will says that it is gone."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt import client as paho

Handler = Callable[[Any], Any]
CONNECT_S = 5.0


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
        self._sent: deque[paho.MQTTMessageInfo] = deque(maxlen=100)  # the last ones, to wait for at the end
        self._answered = threading.Event()
        self._refusal: str | None = None
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=id, protocol=paho.MQTTv5)
        self._client.will_set(self._topic("status"), "offline", qos=1, retain=True)
        self._client.on_socket_open = self._on_socket_open
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message

    def on_call(self, method: str, handler: Handler) -> None:
        """Answer calls of `method` with what `handler(data)` returns; what it raises is the call's failure."""
        self._calls[method] = handler

    def on_inbox(self, event: str, handler: Handler) -> None:
        """Call `handler(publication)` for an event that is sent to this device alone."""
        self.listen(self._topic(f"inbox/{event}"), handler)

    def on_desired(self, handler: Handler) -> None:
        """Call `handler(desired)` with all that its twin says it should be, at every connect and every change."""
        self.listen(self._topic("twin/desired"), lambda twin: handler(twin["desired"]))

    def listen(self, topic: str, handler: Handler) -> None:
        """Call `handler(publication)` for what comes on a topic, such as `rt/out/chat/lobby/say`."""
        self._topics[topic] = handler
        if self._client.is_connected():
            self._client.subscribe(topic, 1)

    def connect(self, url: str = "mqtt://127.0.0.1:1883", *, wait: bool = True) -> None:
        """Connect and stay connected, in a thread of its own.

        Raises:
            ValueError: `url` is not mqtt://host:port.
            OSError: with `wait`, if the broker cannot be reached now, or refuses.
        """
        parts = urlsplit(url)
        if parts.scheme != "mqtt" or not parts.hostname:
            raise ValueError(f"mqtt://host:1883 is what works here, not {url}")
        if parts.username:
            self._client.username_pw_set(parts.username, parts.password)
        start = self._client.connect if wait else self._client.connect_async
        start(parts.hostname, parts.port or 1883, self._keepalive_s)
        self._client.loop_start()
        if wait and not self._answered.wait(CONNECT_S):
            raise TimeoutError(f"{parts.hostname} does not answer")
        if wait and self._refusal is not None:
            self._client.loop_stop()
            raise ConnectionRefusedError(f"{parts.hostname} refused: {self._refusal}")

    def disconnect(self) -> None:
        """Say goodbye, once everything is sent: after a clean disconnect the broker sends no will."""
        if self._client.is_connected():
            self._publish(self._topic("status"), "offline", retain=True)
            for info in self._sent:
                with contextlib.suppress(RuntimeError, ValueError):  # it could not be sent: nothing to wait for
                    info.wait_for_publish(2)
        self._client.disconnect()
        self._client.loop_stop()

    def telemetry(self, values: Any) -> None:
        """Publish readings: kept in the device's room, and the newest for who joins later."""
        self._publish(self._topic("telemetry"), json.dumps(values))

    def event(self, name: str, data: Any) -> None:
        """Publish an event in the device's room."""
        self._publish(self._topic(f"events/{name}"), json.dumps(data))

    def report(self, patch: dict[str, Any]) -> None:
        """Say what it is: a merge patch of its twin's reported state; None removes."""
        self._publish(self._topic("twin/reported"), json.dumps(patch))

    def say(self, namespace: str, room: str, event: str, data: Any) -> None:
        """Publish an event in any room."""
        self._publish(f"rt/in/{namespace.strip('/')}/{room}/{event}", json.dumps(data))

    def _publish(self, topic: str, payload: str, retain: bool = False) -> None:
        self._sent.append(self._client.publish(topic, payload, qos=1, retain=retain))

    def _topic(self, rest: str) -> str:
        return f"devices/{self.id}/{rest}"

    def _on_connect(self, client: paho.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._refusal = str(reason) if reason.is_failure else None
        self._answered.set()
        if reason.is_failure:
            return
        client.subscribe([(self._topic("calls/+/+"), 1), *((topic, 1) for topic in self._topics)])
        self._publish(self._topic("status"), "online", retain=True)

    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        for topic, listener in self._topics.items():
            if paho.topic_matches_sub(topic, message.topic):
                listener(json.loads(message.payload))
                return
        _, _, _, call_id, method = message.topic.split("/")
        reply = self._topic(f"replies/{call_id}")
        handler = self._calls.get(method)
        if handler is None:
            self._publish(f"{reply}/error", json.dumps({"code": "not_found", "message": f"no method {method}"}))
            return
        try:
            self._publish(reply, json.dumps(handler(json.loads(message.payload))))
        except Exception as error:  # noqa: BLE001  the caller is told; the device lives on
            self._publish(f"{reply}/error", json.dumps({"message": f"{type(error).__name__}: {error}"}))

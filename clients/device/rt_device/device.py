"""One device: says that it is online, publishes, answers calls; its last will says that it is gone."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import ssl
from typing import Any

from paho.mqtt import client as paho

from rt_device.calls import Calls, Handler, encoded
from rt_device.link import Link, Token, address
from rt_device.outbox import Message, Outbox

log = logging.getLogger("rt_device")
GOODBYE_S = 2.0
HEAD_BYTES = 10  # of an MQTT packet, beside topic and payload
NAME = re.compile(r"[A-Za-z0-9_.:@-]+")
FILTER = re.compile(r"(?!$)((\+|[^+#/\0]*)/)*(\+|#|[^+#/\0]*)")


class Device:
    """
    >>> device = Device("pump-1")
    >>> device.on_call("set", lambda data: {"was": 20})
    >>> device.connect("mqtt://127.0.0.1:1883")     # doctest: +SKIP
    >>> device.telemetry({"c": 21.5})               # doctest: +SKIP

    What it publishes is sent with QoS 1, in order. While there is no connection up to `queued` messages wait; past that
    the oldest leave (`dropped`). Handlers run in the connection's thread: one that takes long delays what comes after.

    Raises:
        ValueError: a device cannot be called `id`.
    """

    def __init__(self, id: str, keepalive_s: int = 10, queued: int = 1000) -> None:
        self.id = _name("a device id", id, 121)
        self._calls = Calls()
        self._topics: dict[str, Handler] = {}
        self._link = Link(id, keepalive_s, self._on_up, self._on_down)
        self._mqtt = self._link.mqtt
        self._outbox = Outbox(self._send, queued)
        self.refused = 0
        self._mqtt.will_set(self._topic("status"), "offline", qos=1, retain=True)
        self._mqtt.on_message = self._on_message
        self._mqtt.on_publish = self._on_publish

    # -- the connection

    def connect(
        self,
        url: str = "mqtt://127.0.0.1:1883",
        *,
        secret: str | None = None,
        token: Token | None = None,
        tls: ssl.SSLContext | None = None,
        wait: bool = True,
    ) -> None:
        """Connect and stay connected, in a thread of its own; with `wait` it hears calls once this returns.

        `secret` is what `device add` printed, `token` a JSON Web Token, or a function that is asked for one before each
        connect. mqtts:// is TLS, with `tls`, such as `ssl.create_default_context(cafile="ca.pem")`, or whom the system
        trusts; that of the first connect counts.

        Raises:
            ValueError: `url` is neither mqtt://host:port nor mqtts://host:port.
            OSError: with `wait`, if the broker cannot be reached now, or refuses.
        """
        where = address(url)
        password = token if token is not None else secret if secret is not None else where.password
        self._link.open(where, password, tls, wait)

    @property
    def connected(self) -> bool:
        return self._mqtt.is_connected()

    @property
    def waiting(self) -> int:
        """How many messages are not acknowledged yet."""
        return len(self._outbox)

    @property
    def dropped(self) -> int:
        """How many left because too many waited."""
        return self._outbox.dropped

    def drop(self) -> None:
        """Break the connection as a bad network does: its will is sent, and it comes back by itself."""
        self._link.drop()

    def disconnect(self) -> None:
        """Say goodbye, once everything is sent: after a clean disconnect the broker sends no will.

        Without a connection there is nobody to say it to: what still waits is forgotten. Not for a handler: the answer
        to its call would not be sent any more.
        """
        if self.connected:
            self._outbox.wait_until_empty(GOODBYE_S)
            # QoS 1 would be kept where the connection has just broken, and said after the next `online`.
            status = self._mqtt.publish(self._topic("status"), "offline", qos=0, retain=True)
            with contextlib.suppress(RuntimeError, ValueError):  # it has just broken: nothing to wait for
                status.wait_for_publish(GOODBYE_S)
        self._link.close()

    # -- what it says

    def telemetry(self, values: Any) -> None:
        """Publish readings: kept in its room, and the newest for who joins later. Raises ValueError: no JSON, or more
        than the broker takes at once (so do the others)."""
        self.publish(self._topic("telemetry"), encoded(values))

    def event(self, name: str, data: Any) -> None:
        """Publish an event in the device's room. Raises ValueError: no JSON, or no name of an event."""
        self.publish(self._topic("events/" + _name("an event name", name, 64)), encoded(data))

    def report(self, patch: dict[str, Any]) -> None:
        """Say what it is: a merge patch of its twin's reported state; None removes. Raises ValueError: no JSON."""
        self.publish(self._topic("twin/reported"), encoded(patch))

    def say(self, namespace: str, room: str, event: str, data: Any) -> None:
        """Publish an event in any room. Raises ValueError: no JSON."""
        self.publish(f"rt/in/{namespace.strip('/')}/{room}/{event}", encoded(data))

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish bytes on a topic, for topics of your own.

        Raises:
            ValueError: no such topic, no bytes, or more of them than the broker takes at once (1 MiB, or what it says).
        """
        message = Message(topic, payload)
        self._check(message)
        self._outbox.put(message)

    # -- what it hears

    def on_call(self, method: str, handler: Handler) -> None:
        """Answer calls of `method` with what `handler(data)` returns. An RtError that it raises is the call's failure;
        of anything else the log says what it was, and the caller that it failed."""
        self._calls.on(method, handler)

    def on_desired(self, handler: Handler) -> None:
        """Call `handler(desired)` with all that its twin says it should be, at every connect and every change."""
        self.listen(self._topic("twin/desired"), lambda twin: handler(twin["desired"]))

    def on_inbox(self, event: str, handler: Handler) -> None:
        """Call `handler(publication)` for an event that is sent to this device alone."""
        self.listen(self._topic(f"inbox/{event}"), handler)

    def listen(self, topic: str, handler: Handler) -> None:
        """Call `handler(publication)` for what comes on a topic, such as `rt/out/chat/lobby/say`.

        Raises:
            ValueError: no such topic; `+` is one whole level of it, `#` the last.
        """
        if not FILTER.fullmatch(topic):
            raise ValueError(f"a topic to listen to is like a/b, a/+/b or a/#, not {topic!r}")
        self._topics[topic] = handler
        if self.connected:
            self._mqtt.subscribe(topic, 1)

    # -- in the connection's thread

    def _topic(self, rest: str) -> str:
        return f"devices/{self.id}/{rest}"

    def _on_up(self, in_flight: int) -> None:
        self._mqtt.subscribe([(self._topic("calls/+/+"), 1), *((topic, 1) for topic in list(self._topics))])
        self._mqtt.publish(self._topic("status"), "online", qos=1, retain=True)
        self._outbox.opened(max(1, in_flight // 2))  # the rest is for answers to calls

    def _on_down(self) -> None:
        self._outbox.closed()

    def _check(self, message: Message) -> None:
        """Raises ValueError: the broker would end the connection at it, each time that it is sent."""
        topic, payload = message
        if not topic or any(sign in topic for sign in "+#\0"):
            raise ValueError(f"a topic to publish on has no + and no #, and is not empty; not {topic!r}")
        if not isinstance(payload, bytes):
            raise ValueError(f"a payload is bytes, not {type(payload).__name__}")
        if (size := len(topic.encode()) + len(payload) + HEAD_BYTES) > self._link.packet_bytes:
            raise ValueError(f"{size} bytes are too many at once; {self._link.packet_bytes} are the most")

    def _send(self, message: Message) -> int:
        self._check(message)  # a broker may take less than the one before
        return self._mqtt.publish(message.topic, message.payload, qos=1).mid

    def _on_publish(self, client: paho.Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self.refused += 1
            log.warning("%s: a message was refused: %s", self.id, reason)
        self._outbox.acknowledged(mid)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        calls = self._topic("calls/")
        if message.topic.startswith(calls):
            call, method = message.topic.removeprefix(calls).split("/")
            self._reply(call, *self._calls.answer(method, bytes(message.payload)))
            return
        for topic, handler in list(self._topics.items()):
            if paho.topic_matches_sub(topic, message.topic):
                self._hear(handler, message)

    def _reply(self, call: str, answered: bool, said: bytes) -> None:
        topic = self._topic(f"replies/{call}")
        try:
            self._check(Message(topic + "/error", said))
        except ValueError as error:
            answered, said = False, encoded({"code": "too_large", "message": f"the answer: {error}"})
        self._mqtt.publish(topic if answered else topic + "/error", said, qos=1)

    def _hear(self, handler: Handler, message: paho.MQTTMessage) -> None:
        try:
            handler(json.loads(message.payload))
        except BaseException:  # one bad message, or one bad handler (a sys.exit() too), must not end the connection
            log.exception("%s: what came on %s could not be handled", self.id, message.topic)


def _name(what: str, name: str, most: int) -> str:
    if len(name) > most or not NAME.fullmatch(name):
        raise ValueError(f"{what} is 1-{most} of A-Za-z0-9_.:@-, not {name!r}")
    return name

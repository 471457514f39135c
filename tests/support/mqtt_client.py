"""paho-mqtt with what it received in lists."""

from __future__ import annotations

import json
import secrets
import socket
import threading
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.support.waiting import eventually


class MqttClient:
    """Connected when the constructor returns. Leaving a `with` block disconnects cleanly; `drop` does not.

    `tls` are the files of a CA, a certificate and its key; mqtts:// without it takes the system's CAs.
    """

    def __init__(
        self,
        url: str,
        client_id: str | None = None,
        version: int = 5,
        clean: bool = True,
        expiry_s: int = 0,
        keepalive: int = 30,
        will: tuple[str, bytes, int, bool] | None = None,
        will_delay_s: int = 0,
        transport: str = "tcp",
        tls: tuple[Any, Any, Any] | None = None,
        login: tuple[str, str] | None = None,
        **connect: Any,
    ) -> None:
        self.messages: list[paho.MQTTMessage] = []
        self.reason: Any = None
        self.session_present = False
        self.connack: Any = None
        self.disconnected: list[Any] = []
        self.version = version
        self._acked: dict[int, Any] = {}
        self._subscribed = threading.Event()
        self.granted: list[int] = []
        self.client_id = client_id or f"t-{secrets.token_hex(4)}"
        v5 = version == 5
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, self.client_id, clean_session=None if v5 else clean,
            protocol=paho.MQTTv5 if v5 else paho.MQTTv311, transport=transport, reconnect_on_failure=False,
        )  # fmt: skip
        self.client.on_socket_open = lambda c, u, sock: _send_at_once(sock)
        self.client.on_connect = self._on_connect
        self.client.on_message = lambda c, u, m: self.messages.append(m)
        self.client.on_publish = lambda c, u, mid, reason, p: self._acked.__setitem__(mid, reason)
        self.client.on_subscribe = self._on_subscribe
        self.client.on_disconnect = lambda c, u, f, reason, p: self.disconnected.append(reason)
        if will is not None:
            self._set_will(will, will_delay_s)
        if login is not None:
            self.client.username_pw_set(*login)
        parts = urlsplit(url)
        if tls is not None:
            self.client.tls_set(*map(str, tls))
        elif parts.scheme in ("mqtts", "https"):
            self.client.tls_set()
        if transport == "websockets":
            self.client.ws_set_options("/mqtt")
        if v5:
            connect = {
                "clean_start": clean,
                "properties": _properties(PacketTypes.CONNECT, SessionExpiryInterval=expiry_s, **connect),
            }
        self.client.connect(parts.hostname or "", parts.port or 1883, keepalive, **connect)
        self.client.loop_start()
        eventually(lambda: self.reason is not None)

    def __enter__(self) -> MqttClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.disconnect()

    def _set_will(self, will: tuple[str, bytes, int, bool], delay_s: int) -> None:
        properties = _properties(PacketTypes.WILLMESSAGE, WillDelayInterval=delay_s) if self.version == 5 else None
        self.client.will_set(*will, properties=properties)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self.session_present, self.connack, self.reason = flags.session_present, properties, reason

    def _on_subscribe(self, client: Any, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        self.granted = [reason.value for reason in reasons]
        self._subscribed.set()

    def subscribe(self, *filters: str, qos: int = 1, **options: Any) -> MqttClient:
        self._subscribed.clear()
        identifier = options.pop("identifier", None)
        if self.version == 5:
            wanted: Any = [(f, SubscribeOptions(qos, **options)) for f in filters]
            properties = _properties(PacketTypes.SUBSCRIBE, SubscriptionIdentifier=identifier) if identifier else None
            self.client.subscribe(wanted, properties=properties)
        else:
            self.client.subscribe([(f, qos) for f in filters])
        assert self._subscribed.wait(10), "no SUBACK"
        return self

    def publish(self, topic: str, payload: Any = b"", qos: int = 1, retain: bool = False, **properties: Any) -> Any:
        """Publish, wait for the acknowledgement, and return its reason."""
        body = payload if isinstance(payload, (bytes, str)) else json.dumps(payload)
        extra = _properties(PacketTypes.PUBLISH, **properties) if properties else None
        mid = self.client.publish(topic, body, qos, retain, properties=extra).mid
        return eventually(lambda: self._acked.get(mid)) if qos else None

    def payloads(self, topic: str | None = None) -> list[bytes]:
        return [bytes(m.payload) for m in list(self.messages) if topic is None or m.topic == topic]

    def sees(self, topic: str) -> paho.MQTTMessage:
        """The first message on a topic, waited for."""
        return eventually(lambda: [m for m in self.messages if m.topic == topic])[0]

    def drop(self) -> None:
        """Break the connection without a word, as a device that loses power."""
        self.client.loop_stop()
        self.client.socket().close()

    def disconnect(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def _send_at_once(sock: Any) -> None:
    getattr(sock, "_socket", sock).setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # that of a WebSocket is inside


def _properties(kind: int, **values: Any) -> Properties:
    found = Properties(kind)
    for name, value in values.items():
        setattr(found, name, value)
    return found

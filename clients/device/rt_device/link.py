"""The connection of a device: where to, as whom, over TLS or not, and coming back after a growing pause."""

from __future__ import annotations

import logging
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from paho.mqtt import client as paho

Token = str | Callable[[], str]
log = logging.getLogger("rt_device")

CONNECT_S = 5.0
IN_FLIGHT = 20  # as paho has it
PACKET_BYTES = 1 << 20  # at once, where the broker does not say what it takes
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
STEADY_S = 5.0  # a connection that lasted as long was a good one: the next pause is short again
TAKEN_OVER = 142
REFUSED = {
    132: "it does not speak MQTT 5",
    133: "the token is another device's, or the id cannot be used",
    134: "the secret or token is wrong, missing, or not this device's",
    135: "the secret or token is wrong, missing, or not this device's",
    136: "it is not available now",
    137: "it is busy",
    138: "this device is banned",
    151: "there are too many devices, or too much is asked for",
}


class Address(NamedTuple):
    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None


def address(url: str) -> Address:
    """What mqtt://user:secret@host:1883 or mqtts://host:8883 says.

    Raises:
        ValueError: it is neither.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:  # no number
        port = -1
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == -1:
        raise ValueError(f"mqtt://host:1883 or mqtts://host:8883 is what works here, not {url}")
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    tls = parts.scheme == "mqtts"
    return Address(parts.hostname, port or (8883 if tls else 1883), tls, user, password)


def _reason(error: OSError, tls: bool) -> str:
    """Why there is no connection, for who asked for one."""
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there; is the service running?"
    why = error.strerror or str(error)
    handshake = tls and isinstance(error, (ssl.SSLError, ConnectionResetError))
    return f"no TLS there, or none that fits ({why})" if handshake and "CERTIFICATE" not in why else why


class Link:
    """paho with what it leaves to others: a token for each connect, jitter, refusals in words.

    `on_up(in flight)`, which subscribes, and `on_down()` are called in the connection's thread.
    """

    def __init__(self, id: str, keepalive_s: int, on_up: Callable[[int], None], on_down: Callable[[], None]) -> None:
        self.id = id
        self._keepalive_s = keepalive_s
        self._on_up, self._on_down = on_up, on_down
        self._answered = threading.Event()
        self._refusal: str | None = None
        self.packet_bytes = PACKET_BYTES
        self._failures = 0
        self._since = 0.0
        self._trusts = False
        self.mqtt = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=id, protocol=paho.MQTTv5)
        self.mqtt.connect_timeout = CONNECT_S
        self.mqtt.on_socket_open = self._on_socket_open
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_connect_fail = self._on_connect_fail
        self.mqtt.on_subscribe = self._on_subscribe
        self.mqtt.on_disconnect = self._on_disconnect

    def open(self, where: Address, password: Token | None, tls: ssl.SSLContext | None, wait: bool) -> None:
        """Connect, and stay connected.

        Raises:
            OSError: with `wait`, if the broker cannot be reached now, or refuses.
        """
        if where.tls and not self._trusts:  # paho takes one only once
            self.mqtt.tls_set_context(tls)  # None: whom the system trusts
            self._trusts = True
        if password is not None:
            self.mqtt.on_pre_connect = lambda client, _: self._log_in(where.user or self.id, password)
        self._answered.clear()
        start = self.mqtt.connect if wait else self.mqtt.connect_async
        try:
            start(where.host, where.port, self._keepalive_s)
        except OSError as error:
            raise ConnectionError(f"{where.host}:{where.port} cannot be reached: {_reason(error, where.tls)}") from None
        self.mqtt.loop_start()
        if wait:
            self._wait(where.host, where.tls)

    def close(self) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def drop(self) -> None:
        """Break the connection without a goodbye, as a network does that is gone."""
        sock: Any = self.mqtt.socket()
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has just broken by itself

    def _wait(self, host: str, tls: bool) -> None:
        answered = self._answered.wait(CONNECT_S)
        if answered and self._refusal is None:
            return
        self.close()
        if not answered:
            raise TimeoutError(f"{host} does not answer" + ("" if tls else "; where it speaks TLS it takes mqtts://"))
        raise ConnectionRefusedError(f"{host} refused {self.id}: {self._refusal}")

    def _log_in(self, user: str, password: Token) -> None:
        try:
            self.mqtt.username_pw_set(user, password() if callable(password) else password)
        except Exception:  # the last token is tried again; this thread has to live
            log.exception("%s: no new token", self.id)

    def _on_socket_open(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_connect(self, client: paho.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._refusal = REFUSED.get(reason.value, str(reason)) if reason.is_failure else None
        if self._refusal is None:
            self._since = time.monotonic()
            in_flight = min(getattr(properties, "ReceiveMaximum", IN_FLIGHT), IN_FLIGHT)
            self.packet_bytes = getattr(properties, "MaximumPacketSize", PACKET_BYTES)
            self._on_up(in_flight)
        else:
            log.warning("%s is refused: %s", self.id, self._refusal)
            self._answered.set()

    def _on_subscribe(self, client: paho.Client, userdata: Any, mid: int, reasons: Any, properties: Any) -> None:
        for reason in reasons:
            if reason.is_failure:
                log.warning("%s may not listen to a topic that it wants to hear: %s", self.id, reason)
        self._answered.set()  # now it can be called

    def _on_connect_fail(self, client: paho.Client, userdata: Any) -> None:
        self._pause()

    def _on_disconnect(self, client: paho.Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.value == TAKEN_OVER:
            log.warning("%s: another client connected as %s; each device needs an id of its own", self.id, self.id)
        if self._since and time.monotonic() - self._since > STEADY_S:
            self._failures = 0
        self._since = 0.0
        self._pause()
        self._on_down()

    def _pause(self) -> None:
        """paho waits as long before it connects again; half of it is chance, lest a thousand devices come at once."""
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._failures)
        self._failures = min(self._failures + 1, 20)
        pause = random.uniform(0.5, 1.0) * longest
        self.mqtt.reconnect_delay_set(pause, pause)

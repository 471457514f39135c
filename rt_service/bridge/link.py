"""The connection to an outside broker: kept up, driven by this process's loop, acknowledging only what was taken."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zlib import crc32

from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties
from paho.mqtt.subscribeoptions import SubscribeOptions

from rt_service import log, runtime
from rt_service.bridge.paho import LoopClient
from rt_service.core.model import Token
from rt_service.core.ports import Clock
from rt_service.settings import SettingsError, without_secret
from rt_service.settings.sections import Bridge as BridgeSettings

SLICE_S = 0.002  # reading longer at once would make everything else late
STABLE_S = 10.0  # only a connection that lasted so long starts the pauses between attempts over
CONNECT_S = 5.0
TAKEN_AFTER = 3  # so many connections in a row that were let in and then cut
IN_FLIGHT_MOST = 100
SESSION_TAKEN_OVER = 0x8E
NO_MATCHING_SUBSCRIBERS = 0x10


Properties: Any = PahoProperties  # it has no types, and its attributes come and go with the packet


class Address(NamedTuple):
    host: str
    port: int
    username: str
    password: str
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def address(settings: BridgeSettings) -> Address:
    """Where the broker is. Raises SettingsError when the URL cannot be used."""
    try:
        parts = urlsplit(settings.url)
        port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
    except ValueError as error:
        raise SettingsError(f"bridge.url: {without_secret(settings.url)!r} is no URL: {error}") from None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path not in ("", "/"):
        works = "mqtt://host:1883 or mqtts://host:8883"
        raise SettingsError(f"bridge.url: {works} is what works here, not {without_secret(settings.url)!r}")
    password = parts.password or settings.password.get_secret_value()
    tls = _tls(settings) if parts.scheme == "mqtts" else None
    return Address(parts.hostname, port, parts.username or settings.username, password, tls)


def _tls(settings: BridgeSettings) -> ssl.SSLContext:
    """What the broker has to show, and what we show it. Raises SettingsError."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"bridge.ca_file: {settings.ca_file} cannot be used: {error.strerror or error}") from None
    if settings.cert_file:
        try:
            context.load_cert_chain(settings.cert_file, settings.key_file or None)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"bridge.cert_file: {settings.cert_file} cannot be used: {error}") from None
    return context


class Received(NamedTuple):
    """A message from the broker; `delivery` is for `acknowledge`, `token` how its redelivery is recognised."""

    topic: str
    payload: bytes
    retained: bool
    delivery: tuple[int, int, int]
    token: Token | None = None


class Link:
    """Callbacks: `received` for each message, `up` once connected, `done(mid, reason)` when a publish is over."""

    def __init__(
        self,
        settings: BridgeSettings,
        filters: list[str],
        will: tuple[str, bytes],
        clock: Clock,
        received: Callable[[Received], None],
        may_read: Callable[[], bool],
        up: Callable[[], None],
        done: Callable[[int, int], None],
    ) -> None:
        self.address = address(settings)
        self.connected = False
        self.in_flight_most = IN_FLIGHT_MOST
        self._settings = settings
        self._filters = filters
        self._clock = clock
        self._received = received
        self._may_read = may_read
        self._up = up
        self._done = done
        self._log = log.get("bridge")
        self._v5 = settings.protocol == "5"
        self._generation = 0
        self._stopping = False
        self._told_down = False
        self._short = 0
        self._writing = False
        self._failure = "no answer"
        self._client = self._new_client(will)

    def _new_client(self, will: tuple[str, bytes]) -> LoopClient:
        client = LoopClient(
            paho.CallbackAPIVersion.VERSION2,
            client_id=self._settings.client_id,
            protocol=paho.MQTTv5 if self._v5 else paho.MQTTv311,
            clean_session=None if self._v5 else False,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_S
        # A callback that raises would end the loop while is_connected() stays true; each of ours is guarded below.
        client.suppress_exceptions = True
        if self.address.username:
            client.username_pw_set(self.address.username, self.address.password)
        if self.address.tls is not None:
            client.tls_set_context(self.address.tls)
        client.will_set(*will, qos=1, retain=True)
        client.on_connect = self._guarded(self._on_connect)
        client.on_message = self._guarded(self._on_message)
        client.on_publish = self._guarded(lambda c, u, mid, reason, p: self._done(mid, reason.value))
        client.on_disconnect = self._guarded(self._on_disconnect)
        client.on_socket_open = self._guarded(lambda c, u, sock: sock.setsockopt(*_NODELAY))
        client.on_socket_register_write = lambda c, u, sock: self._write_soon()
        return client

    def _guarded(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any) -> None:
            try:
                callback(*args)
            except Exception as error:  # noqa: BLE001  paho would end its loop
                self._log.error("callback_failed", callback=callback.__name__, exc_info=error)

        return guarded

    # -- its life

    def start(self) -> None:
        runtime.spawn(self._keep_up)
        self._misc = runtime.every(1.0, self._client.loop_misc)

    def stop(self, last_words: tuple[str, bytes], timeout_s: float) -> None:
        """Say goodbye: with a clean DISCONNECT the broker does not send our will, so we send `last_words` first."""
        self._stopping = True
        if self.connected:
            self._client.publish(*last_words, qos=1, retain=True)
            self._client.disconnect()
            until = self._clock.monotonic() + timeout_s
            while self._client.socket() is not None and self._clock.monotonic() < until:
                runtime.sleep(0.01)
        self._misc.stop()

    def _keep_up(self) -> None:
        attempt = 0
        while not self._stopping:
            began = self._clock.monotonic()
            try:
                self._connect()
                self._read()
            except (OSError, ValueError, ssl.SSLError) as error:
                self._failure = str(error)
            lasted = self._clock.monotonic() - began
            self._note_down(lasted)
            attempt = 1 if lasted > STABLE_S else attempt + 1
            # Full jitter, so that many services do not come back to a broker in step.
            longest = min(self._settings.backoff_max_s, self._settings.backoff_min_s * 2 ** min(attempt, 12))
            if not self._stopping:
                runtime.sleep(random.uniform(self._settings.backoff_min_s / 2, longest))

    def _connect(self) -> None:
        self._generation += 1
        options: dict[str, Any] = {}
        if self._v5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = self._settings.session_expiry_s
            properties.ReceiveMaximum = self._settings.receive_maximum
            options = {"clean_start": False, "properties": properties}
        host, port, *_ = self.address
        self._client.connect(host, port, self._settings.keepalive_s, **options)

    def _read(self) -> None:
        client = self._client
        while (sock := client.socket()) is not None:
            if not client.has_buffered:
                try:
                    runtime.wait_readable(sock, 5.0)
                except TimeoutError:
                    continue  # loop_misc, which sees a missing answer to a ping, may have closed it
            while not self._may_read():
                runtime.sleep(0.005)
            if not client.read_packets(SLICE_S):
                return
            runtime.sleep(0)

    def _note_down(self, lasted_s: float) -> None:
        was, self.connected = self.connected, False
        if self._client.socket() is not None:
            self._client._sock_close()
        if self._stopping:
            return
        self._short = self._short + 1 if was and lasted_s < STABLE_S else 0
        if self._short == TAKEN_AFTER:  # not every broker says why
            self._tell_taken()
        if was or not self._told_down:
            self._told_down = True
            self._log.warning(
                "broker_lost" if was else "broker_unreachable", broker=str(self.address), error=self._failure
            )
        self._failure = "the connection was closed"

    # -- callbacks of paho

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._failure = f"the broker refused: {reason}"
            return
        # paho sends as much as it likes; a broker may drop what is beyond its receive maximum.
        self.in_flight_most = min(IN_FLIGHT_MOST, getattr(properties, "ReceiveMaximum", 65_535) or 65_535)
        client._max_inflight_messages = self.in_flight_most  # the setter refuses once there is a connection
        client.subscribe([(f, SubscribeOptions(qos=1, noLocal=True) if self._v5 else 1) for f in self._filters])
        self.connected, self._told_down = True, False
        self._log.info("broker_connected", broker=str(self.address), session_present=flags.session_present)
        self._up()

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.value == SESSION_TAKEN_OVER:
            self._tell_taken()
        if self.connected:  # else it was refused, which says more
            self._failure = str(reason)

    def _tell_taken(self) -> None:
        """Two processes with one client id push each other out for ever."""
        self._log.error(
            "client_id_taken", client_id=self._settings.client_id,
            help="another process connects with the same client id; give each its own bridge.client_id",
        )  # fmt: skip

    def _on_message(self, client: Any, userdata: Any, message: paho.MQTTMessage) -> None:
        payload = bytes(message.payload)
        delivery = (self._generation, message.mid, message.qos)
        token = None
        if message.qos:  # packet ids are used again, so only what is marked as sent before is looked up
            check = f"{crc32(payload, crc32(message.topic.encode())):x}"
            token = Token(f"mqtt:{self._settings.client_id}:{message.mid}", check, message.dup)
        self._received(Received(message.topic, payload, message.retain, delivery, token))

    # -- sending

    def acknowledge(self, delivery: tuple[int, int, int]) -> None:
        """Acknowledge a message, unless the connection it came over is gone: then its packet id means another one."""
        generation, mid, qos = delivery
        if qos and generation == self._generation and self.connected:
            self._client.ack(mid, qos)

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool, **properties: Any) -> int:
        """Hand over to paho; the number under which `done` is going to be called (at QoS 0 once it is written)."""
        options = None
        if self._v5 and properties:
            options = Properties(PacketTypes.PUBLISH)
            for name, value in properties.items():
                setattr(options, name, value)
        return self._client.publish(topic, payload, qos, retain, properties=options).mid

    def _write_soon(self) -> None:
        if not self._writing:
            self._writing = True
            runtime.spawn(self._write)

    def _write(self) -> None:
        client = self._client
        try:
            while client.want_write():
                sock = client.socket()
                if sock is None or client.loop_write():
                    break
                if client.want_write():
                    runtime.wait_writable(sock, 30.0)
        except OSError as error:
            self._failure = str(error)
        finally:
            self._writing = False
            client._registered_write = False  # so that paho tells us the next time too


_NODELAY = (6, 1, 1)  # IPPROTO_TCP, TCP_NODELAY: without it an acknowledged round trip takes 88 ms, with it 0.4 ms

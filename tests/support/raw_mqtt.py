"""An MQTT client that says exactly what a test tells it to, byte for byte if need be."""

from __future__ import annotations

import socket
from typing import Any, TypeVar
from urllib.parse import urlsplit

from rt_service.mqtt import codec, wire
from rt_service.mqtt.packets import (
    Acknowledgement,
    Connack,
    Connect,
    Disconnect,
    Kind,
    Packet,
    Ping,
    Publish,
    Suback,
    Subscribe,
    Subscription,
)
from tests.support.waiting import DEADLINE_S

P = TypeVar("P")


class RawMqtt:
    def __init__(self, url: str, version: int = 5, source: str = "127.0.0.1", buffer: int | None = None) -> None:
        """`source` is the address to come from; `buffer`: bytes that the system keeps while nothing is read."""
        parts = urlsplit(url)
        self.version = version
        self.socket = socket.socket()
        if source:
            self.socket.bind((source, 0))
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect((parts.hostname, parts.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._framer = wire.Framer(1 << 28)
        self._packets: list[Packet] = []

    def __enter__(self) -> RawMqtt:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, *packets: Packet | bytes) -> RawMqtt:
        self.socket.sendall(b"".join(p if isinstance(p, bytes) else codec.encode(p, self.version) for p in packets))
        return self

    def receive(self, timeout_s: float = DEADLINE_S) -> Packet | None:
        """The next packet; None at the end of the connection."""
        self.socket.settimeout(timeout_s)
        while not self._packets:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self._packets += [codec.decode(header, body, self.version) for header, body in self._framer.feed(data)]
        return self._packets.pop(0)

    def expect(self, kind: type[P]) -> P:
        """The next packet, which has to be of this type."""
        packet = self.receive()
        assert isinstance(packet, kind), packet
        return packet

    def nothing_waits(self) -> bool:
        """Whether nothing has been sent to us: whatever there was would stand before the answer to a ping."""
        self.send(Ping(Kind.PINGREQ))
        return isinstance(self.receive(), Ping)

    def connect(self, client_id: str, **options: Any) -> Connack:
        options.setdefault("version", self.version)
        self.send(Connect(client_id, **options))
        return self.expect(Connack)

    def subscribe(
        self, *filters: str | Subscription, qos: int = 2, properties: dict[str, Any] | None = None
    ) -> list[int]:
        wanted = [Subscription(f, qos) if isinstance(f, str) else f for f in filters]
        self.send(Subscribe(1, wanted, properties or {}))
        return self.expect(Suback).reasons

    def publish(self, topic: str, payload: bytes = b"x", qos: int = 1, packet_id: int = 1, **more: Any) -> int | None:
        """Publish and go through the whole exchange; the reason of the last acknowledgement."""
        self.send(Publish(topic, payload, qos, packet_id=packet_id if qos else 0, **more))
        if not qos:
            return None
        reason = self.expect(Acknowledgement).reason
        if qos == 2 and reason < 0x80:
            self.send(Acknowledgement(Kind.PUBREL, packet_id))
            reason = self.expect(Acknowledgement).reason
        return reason

    def ended_with(self) -> int | None:
        """The reason of the DISCONNECT that ends the connection; None if it ends without one."""
        packet = self.receive()
        while packet is not None and not isinstance(packet, Disconnect):
            packet = self.receive()
        if packet is None:
            return None
        assert self.receive() is None
        return packet.reason

"""An MQTT 5 client for numbered messages at QoS 1: what it sent and what was acknowledged is known exactly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

SESSION_S = 3600
CONNECT, CONNACK, PUBLISH, PUBACK, DISCONNECT = 1, 2, 3, 4, 14
DUP = 0x08


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _packet(kind: int, flags: int, body: bytes) -> bytes:
    return bytes((kind << 4 | flags,)) + _varint(len(body)) + body


def connect(client_id: str) -> bytes:
    """CONNECT without clean start, to a session that is kept; no keepalive."""
    properties = b"\x11" + SESSION_S.to_bytes(4, "big")
    head = _text("MQTT") + b"\x05" + b"\x00" + b"\x00\x00"
    return _packet(CONNECT, 0, head + _varint(len(properties)) + properties + _text(client_id))


def publish(topic: str, packet_id: int, payload: bytes, again: bool = False) -> bytes:
    """PUBLISH at QoS 1; `again` marks it as sent before."""
    body = _text(topic) + packet_id.to_bytes(2, "big") + b"\x00" + payload
    return _packet(PUBLISH, 0x02 | (DUP if again else 0), body)


class MqttConnection(asyncio.Protocol):
    """`session_present` is done with CONNACK, `gone` when the connection has ended."""

    def __init__(self, client_id: str, acknowledged: Callable[[int, int], None]) -> None:
        loop = asyncio.get_running_loop()
        self.session_present: asyncio.Future[bool] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self._client_id = client_id
        self._acknowledged = acknowledged
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.send(connect(self._client_id))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.session_present.done():
            self.session_present.set_exception(ConnectionError("no CONNACK"))
        if not self.gone.done():
            self.gone.set_result(None)

    def send(self, packet: bytes) -> None:
        assert self._transport is not None
        self._transport.write(packet)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (packet := self._next()) is not None:
            self._take(*packet)

    def _next(self) -> tuple[int, bytes] | None:
        """The kind and body of the next whole packet."""
        data, size, at = self._data, 0, 1
        while True:
            if at >= len(data):
                return None
            size |= (data[at] & 0x7F) << 7 * (at - 1)
            at += 1
            if data[at - 1] < 0x80:
                break
        if len(data) < at + size:
            return None
        packet = data[0] >> 4, bytes(data[at : at + size])
        del data[: at + size]
        return packet

    def _take(self, kind: int, body: bytes) -> None:
        if kind == CONNACK and not self.session_present.done():
            if body[1]:
                self.session_present.set_exception(ConnectionRefusedError(f"CONNACK {body[1]:#x}"))
            else:
                self.session_present.set_result(bool(body[0] & 1))
        elif kind == PUBACK:
            self._acknowledged(int.from_bytes(body[:2], "big"), body[2] if len(body) > 2 else 0)
        elif kind == DISCONNECT:
            self.close()

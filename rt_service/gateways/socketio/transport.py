"""How one Socket.IO session is spoken to: its namespace on an Engine.IO connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from rt_service.core.errors import NotOnline
from rt_service.gateways import codecs
from rt_service.gateways.codecs import SocketIoWire
from rt_service.gateways.engineio import packets
from rt_service.gateways.engineio.connection import Connection

Answered = Callable[[Any], None]


class Line(Protocol):
    """What a transport needs of the gateway."""

    wire: SocketIoWire

    def expect_ack(self, sid: str, answered: Callable[..., None]) -> int:
        """The id under which the client's acknowledgement will come."""

    def forget_ack(self, sid: str, number: int) -> None:
        """It is not waited for any more."""

    def end(self, transport: SocketIoTransport, code: str, reconnect: bool) -> None:
        """End the session, soon: whoever closes it may be walking through the tables that this changes."""


class SocketIoTransport:
    __slots__ = ("_asked", "_closing", "_line", "connection", "namespace", "outbox", "sid")
    answers_calls = True

    def __init__(self, line: Line, connection: Connection, sid: str, namespace: str) -> None:
        self._line = line
        self.connection = connection
        self.sid = sid
        self.namespace = namespace
        self.outbox = connection.out
        self._closing = False
        self._asked: dict[int, Answered] | None = None

    @property
    def wire(self) -> SocketIoWire:
        return self._line.wire

    @property
    def waiting(self) -> int:
        return self.connection.waiting

    def ask(self, body: dict[str, Any], answered: Answered) -> Callable[[], object]:
        def acknowledged(said: Any = None, *_: Any) -> None:
            if self._asked:
                self._asked.pop(number, None)
            answered(said)

        number = self._line.expect_ack(self.sid, acknowledged)
        self._asked = self._asked or {}
        self._asked[number] = answered
        self.connection.send_frame(codecs.packet(packets.EVENT, self.namespace, ["call", body], number))
        return lambda: self._forget(number)

    def _forget(self, number: int) -> None:
        if self._asked and self._asked.pop(number, None) is not None:
            self._line.forget_ack(self.sid, number)

    def close(self, code: str, message: str, *, reconnect: bool, retry_after_ms: int = 0) -> None:
        if self._closing:
            return
        self._closing = True
        self.say_closing(code, message, reconnect=reconnect, retry_after_ms=retry_after_ms)
        self._line.end(self, code, reconnect)

    def say_closing(self, code: str, message: str, *, reconnect: bool, retry_after_ms: int = 0) -> None:
        body = {"code": code, "message": message, "reconnect": reconnect, "retry_after_ms": retry_after_ms}
        self.connection.send_frame(self.wire.push(self.namespace, "closing", body))

    def gone(self) -> None:
        """The session is closed: nobody is going to answer any more."""
        self._closing = True
        asked, self._asked = self._asked or {}, None
        for answered in asked.values():
            answered({"error": {"code": NotOnline.code, "message": "it went offline"}})

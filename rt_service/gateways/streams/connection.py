"""One response that goes on: the session behind it, on the same socket handling and outbox as WebSockets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from rt_service.core.session import Session
from rt_service.gateways.engineio.frames import Message, Reader
from rt_service.gateways.engineio.loop import Loop
from rt_service.gateways.engineio.sender import Sender
from rt_service.gateways.engineio.wire import GONE, wire_on
from rt_service.gateways.streams.wires import LAST_CHUNK, NdjsonWire, SseWire

UNHEARD_MS = 30_000  # a client that vanished without a word is given up when this long nothing arrives there


class Host(Protocol):
    """What all streams share; see `sender.Host`."""

    loop: Loop
    max_waiting: int

    def too_slow(self, connection: Any) -> None: ...

    def dropped(self, reason: str) -> None: ...

    def closes(self, code: str) -> None:
        """The service ends one."""

    def ended(self, connection: Any) -> None:
        """It is over. May block."""


class StreamConnection(Sender):
    """The `Transport` of its session."""

    answers_calls = False

    def __init__(self, host: Host, wire: SseWire | NdjsonWire) -> None:
        super().__init__(host)
        self.wire = wire
        self.session: Session | None = None
        self.closed = False

    def open(self, sock: Any, head: bytes) -> None:
        """Send `head` on a socket that left its request, and from now on whatever comes."""
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNHEARD_MS)
        wire = wire_on(sock, Reader(0))
        wire.deaf = True  # the request was all that the client has to say
        wire.start(self)
        self.send_frame(head)
        self._send_on(wire)

    # -- see core.ports.Transport

    @property
    def outbox(self) -> Any:
        return self.out

    def ask(self, body: dict[str, Any], answered: Callable[[Any], None]) -> Callable[[], object]:
        raise NotImplementedError("a stream is not asked: it cannot answer")

    def close(self, code: str, message: str, *, reconnect: bool, retry_after_ms: int = 0) -> None:
        if not self.closing:
            self.say_closing(code, message, reconnect=reconnect, retry_after_ms=retry_after_ms)
            self.closing = True
            self.server.closes(code)
            self.server.loop.spawn(self.end)

    def say_closing(self, code: str, message: str, *, reconnect: bool, retry_after_ms: int = 0) -> None:
        body = {"code": code, "message": message, "reconnect": reconnect, "retry_after_ms": retry_after_ms}
        self.send_frame(self.wire.push("", "closing", body))

    # -- see wire.Receiver

    def received(self, messages: list[Message]) -> None:
        """Never called: the wire is deaf."""

    def lost(self, code: int = GONE, reason: str = "") -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
        self.server.loop.spawn(self.end)

    def end(self) -> None:
        """What waits is still sent. May block in whoever is told."""
        if not self.closed:
            self.closed = self.closing = True
            self.server.ended(self)
            self.part(LAST_CHUNK)

    def _cut_to_frame(self) -> None:
        """What is partly sent is kept whole: it is bounded, and ends where an event does."""

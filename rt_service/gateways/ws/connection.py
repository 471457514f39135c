"""One plain WebSocket: frames in, frames out, on the same socket handling and outbox as the Socket.IO path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from rt_service.gateways.engineio import frames
from rt_service.gateways.engineio.duplex import Duplex
from rt_service.gateways.engineio.frames import Message
from rt_service.gateways.engineio.heartbeat import Heartbeats
from rt_service.gateways.engineio.inbox import GONE_MESSAGE, Inbox
from rt_service.gateways.engineio.loop import Loop
from rt_service.gateways.engineio.sender import Sender
from rt_service.gateways.engineio.wire import Wire

_PING = frames.frame(frames.PING, b"")


class Host(Protocol):
    """What all connections of one kind share."""

    loop: Loop
    heartbeats: Heartbeats
    max_waiting: int

    def too_slow(self, connection: Any) -> None: ...

    def dropped(self, reason: str) -> None: ...

    def took(self, connection: Any, text: bytes | None, binary: bytes) -> None:
        """A message: `text`, or `binary` where that is None. May block."""

    def broke(self, connection: Any, reason: str) -> None:
        """It broke the protocol of WebSockets."""

    def ended(self, connection: Any) -> None:
        """It is over. May block."""


class PlainConnection(Duplex):
    def __init__(self, host: Host) -> None:
        Sender.__init__(self, host)
        Inbox.__init__(self)
        self._host = host
        self.closed = False
        self.said_goodbye = False

    def open(self, wire: Wire, first: bytes) -> None:
        """Serve the client on its socket from now on; `first` is what came behind the handshake."""
        self._send_on(wire)
        self._host.heartbeats.start(self)
        wire.start(self, first)

    def ping(self) -> None:
        """See `heartbeat.Patient`."""
        self.send_frame(_PING)

    def ping_timed_out(self) -> None:
        """See `heartbeat.Patient`."""
        self._host.loop.spawn(self.close, frames.GOING_AWAY, "no answer to a ping")

    def _is_control(self, message: Message) -> bool:
        if type(message) is not tuple or message[0] not in (frames.PING, frames.PONG):
            return False
        if message[0] == frames.PONG:
            self._host.heartbeats.answered(self)
        else:
            self.send_frame(frames.frame(frames.PONG, message[1]))
        return True

    def _handle(self, message: Message) -> None:
        if self.closing and message != GONE_MESSAGE:
            return  # nobody reads the answers
        if isinstance(message, bytes):
            self._host.took(self, message, b"")
        elif message[0] == frames.BINARY:
            self._host.took(self, None, message[1])
        elif message[0] == frames.CLOSE:
            self.said_goodbye = message[1][:2] in (b"", frames.NORMAL.to_bytes(2, "big"))
            self._end(frames.frame(frames.CLOSE, message[1][:2]))
        else:
            self._end(None)

    def _broke(self, reason: str) -> None:
        self._host.broke(self, reason)

    def close(self, code: int = frames.NORMAL, reason: str = "") -> None:
        """What waits is still sent, then the close frame. May block in whoever is told."""
        self._end(frames.close(code, reason))

    def _end(self, last: bytes | None) -> None:
        if self.closed:
            return
        self.closed = self.closing = True
        self._host.heartbeats.stop(self)
        self._host.ended(self)
        self.part(last or frames.close(frames.NORMAL))


Answered = Callable[[Any], None]

"""One Engine.IO connection (protocol v4): long polling, a WebSocket, or the one upgraded to the other.

Whatever the transport, what is to be sent goes through one outbox. A WebSocket takes it at the end of each turn of the
loop; a polling client is a reader that takes what waits whenever it polls.
"""

from __future__ import annotations

from typing import Any

import engineio.packet
import engineio.socket
from eventlet.event import Event
from eventlet.hubs import get_hub

from rt_service.gateways.engineio import frames, payload
from rt_service.gateways.engineio.duplex import Duplex
from rt_service.gateways.engineio.farewell import LINGER_S, Farewell
from rt_service.gateways.engineio.frames import Message
from rt_service.gateways.engineio.inbox import GONE_MESSAGE, Inbox
from rt_service.gateways.engineio.outbox import Blocked, Closed, Outbox
from rt_service.gateways.engineio.sender import Sender
from rt_service.gateways.engineio.wire import Wire

PING, CLOSE = frames.text(b"2"), frames.text(b"1")


class PacketError(Exception):
    """What the client sent is no packet; the connection is closed."""


class Connection(Duplex, engineio.socket.Socket):
    def __init__(self, server: Any, sid: str) -> None:
        # The base class makes a queue and starts greenlets; nothing of that is needed.
        self.sid = sid
        self.connected = self.upgrading = self.upgraded = self.closed = False
        self.namespaces = 0  # for Socket.IO: how many were asked for
        self.attached: dict[str, Any] = {}  # for whoever is on top: what it has in each namespace
        self.attachments: Any = None  # for Socket.IO: a packet that waits for its binary parts
        self.said_goodbye = False  # it closed the WebSocket, and meant it
        self.handlers = 0  # for Socket.IO: how many run in greenlets of their own
        self.handler_ended: Event | None = None
        Sender.__init__(self, server, self._send_to_poll)
        Inbox.__init__(self)
        self._poll: Event | None = None
        self._over = False  # the application was told that it ended
        self._broken = False  # it sent what is no packet
        self._session: dict[str, Any] | None = None

    @property
    def session(self) -> dict[str, Any]:
        """Whatever the application keeps with this connection."""
        if self._session is None:
            self._session = {}
        return self._session

    @session.setter
    def session(self, value: dict[str, Any]) -> None:
        self._session = value

    # -- sending

    def send(self, pkt: engineio.packet.Packet) -> None:
        """Queue an Engine.IO packet."""
        encoded = pkt.encode()
        binary = isinstance(encoded, bytes)
        self.send_frame(frames.frame(frames.BINARY, encoded) if binary else frames.text(encoded.encode()))

    def ping(self) -> None:
        """See `heartbeat.Patient`."""
        self.send_frame(PING)

    # -- receiving

    def _is_control(self, message: Message) -> bool:
        """Whether it is a pong, or a control frame that is answered here."""
        if message == b"3":
            self.server.heartbeats.answered(self)
            return True
        if type(message) is tuple and message[0] == frames.PING:
            self.send_frame(frames.frame(frames.PONG, message[1]))
        return type(message) is tuple and message[0] in (frames.PING, frames.PONG)

    def _handle(self, message: Message) -> None:
        if self.closing and message != GONE_MESSAGE:
            return  # nobody reads the answers
        try:
            if type(message) is tuple:
                self._handle_other(*message)
            elif message[:1] == b"4":
                self.server.on_text(self, message)
            elif message == b"1":
                self._end(self.server.reason.CLIENT_DISCONNECT)
            elif message != b"6":
                raise PacketError("an Engine.IO packet that a client does not send here")
        except PacketError as error:
            self._broken = True
            self.server.on_closed(self, "violation", str(error))
            self._end(self.server.reason.TRANSPORT_ERROR, frames.close(frames.PROTOCOL_ERROR, str(error)))

    def _handle_other(self, opcode: int, body: bytes) -> None:
        if opcode == frames.BINARY:
            self.server.on_binary(self, body)
        elif opcode == frames.CLOSE:
            self.said_goodbye = body[:2] in (b"", frames.NORMAL.to_bytes(2, "big"))
            self._end(self.server.reason.TRANSPORT_CLOSE, frames.frame(frames.CLOSE, body[:2]))
        else:
            self._end(self.server.reason.TRANSPORT_CLOSE)

    # -- ending

    def _broke(self, reason: str) -> None:
        self.server.on_closed(self, "violation", reason)

    def ping_timed_out(self) -> None:
        """See `heartbeat.Patient`."""
        self.server.loop.spawn(self._end, self.server.reason.PING_TIMEOUT)

    def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """End the connection: what waits is still sent, unless `abort`."""
        self._end(reason or self.server.reason.SERVER_DISCONNECT, None if abort else frames.close(frames.NORMAL))

    def _end(self, reason: str, last: bytes | None = None) -> None:
        """Tell the application, then the client. May block in the application's handler."""
        if self.closed or self._over:
            return
        self._over = self.closing = True
        self.server.heartbeats.stop(self)
        self.server._trigger_event("disconnect", self.sid, reason, run_async=False)
        self.closed = True
        if self._wire is not None:
            self._say(last)
        elif self.upgraded:
            self.server.forget(self)
        else:
            polite = last is not None and not self._broken
            self._end_polling(polite, b"6" if reason == self.server.reason.CLIENT_DISCONNECT else b"1")

    def _say(self, last: bytes | None) -> None:
        """Send what waits and `last`, and leave the wire."""
        wire, self._wire = self._wire, None
        assert wire is not None
        waiting = self._data[self._sent :] + (b"" if last is None else b"".join([*self.out]))
        if wire.deflater is not None and last is not None:
            waiting = self._data[self._sent :] + wire.deflater.deflate(b"".join([*self.out]))
        self.out.become(Closed)
        self.out.clear()
        self.server.forget(self)
        Farewell(wire, waiting + (last or frames.close(frames.NORMAL)))

    # -- long polling; these run in the greenlet of the request

    def poll(self) -> bytes | None:
        """What the client is sent for this poll, once there is something. None: it may not poll now."""
        if self.upgrading:
            return b"6"
        if self._poll is not None:
            self._answer(b"1")
            self._end(self.server.reason.TRANSPORT_ERROR)
            return None
        if self._sent < len(self._data) or list.__len__(self.out):
            return self._take()
        if self.closed:
            return None
        self._poll = Event()
        self.out.become(Outbox)
        return self._poll.wait()

    def post(self, body: bytes) -> bool:
        """Handle the packets of a POST; whether it was one. Answers once they are handled."""
        try:
            if self._inbox is not None:  # it could fill the memory with what waits
                raise payload.PayloadError("a POST before the one before it was answered")
            messages = payload.decode(body)
        except payload.PayloadError as error:
            self.server.on_closed(self, "violation", str(error))
            self._end(self.server.reason.TRANSPORT_ERROR)
            return False
        self._inbox = []
        self._serve([message for message in messages if not self._is_control(message)])
        return not self._broken

    def _take(self) -> bytes:
        """As many packets as one poll takes, from what waits."""
        if self._sent >= len(self._data):
            self._data, self._sent = self._joined(), 0
        packets, taken = payload.encode(memoryview(self._data)[self._sent :])
        self._sent += taken
        self.waiting -= taken
        if self._sent >= len(self._data):
            self._count_again()
            if self.closed:
                self.server.forget(self)
        return packets

    def _send_to_poll(self, data: bytes) -> int:
        """What an outbox sends with while the client polls: it takes as much as one poll, and then waits again."""
        packets, taken = payload.encode(data)
        self.out.become(Blocked)
        if taken < len(data):
            self.block(data, taken)
        self._answer(packets)
        return len(data)

    def _answer(self, packets: bytes) -> None:
        poll, self._poll = self._poll, None
        if poll is not None:
            if type(self.out) is Outbox:
                self.out.become(Blocked)
            poll.send(packets)

    def _end_polling(self, polite: bool, last: bytes) -> None:
        """Answer the poll that waits; without one, keep the last words for the next one, for a little while."""
        self.server.loop.flush()
        if polite and self._poll is None:
            list.append(self.out, CLOSE)
            get_hub().schedule_call_global(LINGER_S, self.server.forget, self)
            return
        self._answer(last)
        self.out.become(Closed)
        self.out.clear()
        self.server.forget(self)

    # -- WebSocket

    def open(self, wire: Wire, first: bytes = b"") -> None:
        """A WebSocket that was one from the start."""
        self.connected = True
        self._adopt(wire)
        wire.start(self, first)

    def upgrade(self, wire: Wire, messages: list[Message]) -> None:
        """A WebSocket that takes over from polling; `messages` is what came behind the upgrade packet."""
        self._answer(b"6")
        self.upgrading = False
        self._adopt(wire)
        wire.receiver = self
        if messages:
            self.received(messages)

    def _adopt(self, wire: Wire) -> None:
        self.upgraded = True
        self._send_on(wire)

    def release_poll(self) -> None:
        """A WebSocket is being tried: end the poll that waits, so that the client can pause polling."""
        self.upgrading = True
        self._answer(b"6")

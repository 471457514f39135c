"""One WebSocket: a detached socket on the hub, frames in, bytes out. No greenlet and no queue of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Protocol

from eventlet.hubs import get_hub

from rt_service.gateways.engineio import frames
from rt_service.gateways.engineio.frames import FrameError, Message, Reader
from rt_service.gateways.engineio.loop import WOULD_BLOCK
from rt_service.gateways.engineio.tls import DetachedTls

READ_BYTES = 65_536
READ_DEFLATED = 2048  # which may become two megabytes


class Receiver(Protocol):
    """Who gets what comes in. Called in the hub's greenlet: nothing here may block."""

    def received(self, messages: list[Message]) -> None:
        """Messages in order, control frames among them."""

    def writable(self) -> None:
        """The socket takes data again, after `wait_writable`."""

    def lost(self, code: int, reason: str) -> None:
        """The connection is gone, or the client broke the protocol (`code` says how; 1006: it is just gone)."""


GONE = 1006


class Wire:
    __slots__ = ("_fd", "_listener", "_reader", "_socket", "_writer", "closed", "deaf", "deflater", "receiver", "send")

    def __init__(self, sock: Any, reader: Reader, deflater: frames.Deflater | None = None) -> None:
        """`sock` is a non-blocking socket of the operating system, after the handshake."""
        self._socket = sock
        # (bytes) -> how many of them were taken. Raises one of WOULD_BLOCK, or OSError.
        self.send: Callable[[bytes | memoryview], int] = sock.send
        self._fd: int = sock.fileno()
        self._reader = reader
        self._listener: Any = None
        self._writer: Any = None
        self.deflater = deflater
        self.deaf = False  # what comes in is thrown away
        self.receiver: Receiver | None = None
        self.closed: Callable[[], Any] | None = None  # called once it is

    def start(self, receiver: Receiver, first: bytes = b"") -> None:
        """Read from now on; `first` is what came along with the handshake."""
        self.receiver = receiver
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if first:  # a receiver is called in the hub's greenlet, and this is that of a request
            get_hub().schedule_call_global(0, self._begin, first)
        else:
            self.resume()

    def _begin(self, first: bytes) -> None:
        self.resume()
        self._feed(first)

    def pause(self) -> None:
        """Read no more for a while: the system's buffers fill, and the client notices."""
        if self._listener is not None:
            get_hub().remove(self._listener)
            self._listener = None

    def resume(self) -> None:
        if self._listener is None and self._fd >= 0:
            hub = get_hub()
            self._listener = hub.add(hub.READ, self._fd, self._readable, self._obsolete, None)

    def wait_writable(self) -> None:
        if self._writer is None and self._fd >= 0:
            hub = get_hub()
            self._writer = hub.add(hub.WRITE, self._fd, self._writable, self._obsolete, None)

    def shut(self) -> None:
        """Nothing more is sent."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the peer was faster

    def close(self) -> None:
        if self._fd < 0:
            return
        self.pause()
        if self._writer is not None:
            get_hub().remove(self._writer)
            self._writer = None
        self._fd = -1
        self.receiver = None
        self._socket.close()
        if self.closed is not None:
            self.closed()

    # -- the hub calls these

    def _readable(self, _: int) -> None:
        try:
            data = self._socket.recv(READ_BYTES if self.deflater is None else READ_DEFLATED)
        except WOULD_BLOCK:
            return
        except OSError:
            data = b""
        if data:
            self._feed(data)
        else:
            self._lost(GONE, "")

    def _feed(self, data: bytes) -> None:
        if self.deaf or self.receiver is None:
            return
        try:
            messages = self._reader.feed(data)
        except FrameError as error:
            self._lost(error.code, str(error))
            return
        if messages:
            self.receiver.received(messages)

    def _writable(self, _: int) -> None:
        if self.receiver is not None:
            self.receiver.writable()

    def sent_all(self) -> None:
        """Nothing waits any more; see `wait_writable`."""
        if self._writer is not None:
            get_hub().remove(self._writer)
            self._writer = None

    def _obsolete(self, *_: object) -> None:
        self._lost(GONE, "")

    def _lost(self, code: int, reason: str) -> None:
        if self.receiver is not None:
            self.receiver.lost(code, reason)


class TlsWire(Wire):
    """A wire that counts as sent what its TLS has taken, and sees to it that it leaves."""

    __slots__ = ("_shutting", "_wanted")
    _socket: DetachedTls

    def __init__(self, sock: DetachedTls, reader: Reader, deflater: frames.Deflater | None = None) -> None:
        super().__init__(sock, reader, deflater)
        self.send = self._send
        self._wanted = self._shutting = False  # whether the receiver waits to write; whether all has been said

    def _send(self, data: bytes | memoryview) -> int:
        taken = self._socket.send(data)
        if self._socket.held:
            super().wait_writable()
        return taken

    def wait_writable(self) -> None:
        self._wanted = True
        super().wait_writable()

    def sent_all(self) -> None:
        self._wanted = False
        if not self._socket.held:
            super().sent_all()

    def shut(self) -> None:
        self._shutting = True
        try:
            self._socket.say_goodbye()
        except WOULD_BLOCK:
            super().wait_writable()
            return
        except OSError:
            pass  # it is gone
        super().shut()

    def close(self) -> None:
        self.send = self._socket.send  # or it would hold itself
        super().close()

    def _readable(self, fd: int) -> None:
        super()._readable(fd)
        if self._socket.ended:
            self._lost(GONE, "")

    def _writable(self, fd: int) -> None:
        try:
            self._socket.flush()
        except WOULD_BLOCK:
            return
        except OSError:
            self._lost(GONE, "")
            return
        if self._wanted and not self._shutting:
            super()._writable(fd)
            return
        super().sent_all()
        if self._shutting:
            super().shut()


def wire_on(sock: Any, reader: Reader, deflater: frames.Deflater | None = None) -> Wire:
    """A wire on what `detach` of a request gives."""
    return (TlsWire if isinstance(sock, DetachedTls) else Wire)(sock, reader, deflater)

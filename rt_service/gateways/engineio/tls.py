"""TLS on accepted connections: the protocol without a socket, and sockets that speak it.

`ssl.SSLSocket` would do, but for this: who writes to one that is full has to offer the very same bytes again, its
`shutdown` says no goodbye, and reading may want to write. With the protocol in memory bytes only come and go.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import eventlet
from eventlet.patcher import original
from eventlet.semaphore import Semaphore

_socket = original("socket")
_turn = Semaphore(1)

READ_BYTES = 65_536
PIECE_BYTES = 65_536  # encrypted at a time
DUE_BYTES = 16_384  # of answers that the protocol itself owes; a peer that makes it owe more is no peer
RECORD_BYTES = 16_384 + 512  # the longest record, of which nothing can be read before its end
SILENT_BYTES = 65_536  # in which a peer says nothing; it only has us compute
THIN_BYTES = 2048  # read at a time of a peer that says little with much: new keys take a hundred times their bytes


class Tls:
    """The server's side of one connection: bytes of the wire in, plain ones out, and the other way round."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.ended = False  # the peer has said goodbye, or hung up without
        self._silent = self._spent = 0  # bytes since it said something; those that said little, without what said much
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def handshake(self, data: bytes) -> bool:
        """Whether it is done. What is `due` is to be sent, also if it fails. Raises ssl.SSLError."""
        self._incoming.write(data)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def feed(self, data: bytes) -> bytes:
        """What `data` of the wire says; none stands for its end. Raises ssl.SSLError."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        plain = self.read()
        self._weigh(len(data), len(plain))
        return plain

    def _weigh(self, came: int, said: int) -> None:
        self._silent = 0 if said else self._silent + came
        self._spent = min(max(0, self._spent + came - 4 * said), SILENT_BYTES)
        if self._silent > SILENT_BYTES:
            raise ssl.SSLError("the peer sends and sends, and says nothing")

    @property
    def thin(self) -> bool:
        """Whether the peer says little with much."""
        return self._spent > RECORD_BYTES

    @property
    def appetite(self) -> int:
        """How many bytes of the wire to take next."""
        return THIN_BYTES if self.thin else READ_BYTES

    def read(self) -> bytes:
        """Whatever was not read yet. Raises ssl.SSLError."""
        parts = []
        try:
            while part := self._object.read(READ_BYTES):
                parts.append(part)
            self.ended = True
        except ssl.SSLWantReadError:
            if self._outgoing.pending > DUE_BYTES:
                raise ssl.SSLError("the peer wants more and more answers") from None
        except ssl.SSLEOFError:
            self.ended = True
        return b"".join(parts)

    def encrypt(self, data: bytes | memoryview) -> bytes:
        """What is to be sent for it, and what else is due. Raises ssl.SSLError."""
        left = memoryview(data)
        while left:
            left = left[self._object.write(left) :]
        return self.due()

    def due(self) -> bytes:
        """What the protocol itself has to say."""
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        """The last that is sent, so that the peer knows that nothing was cut off."""
        try:
            self._object.unwrap()
        except ssl.SSLError:
            pass  # it has not said goodbye yet, which is not waited for
        return self.due()


class TlsSocket:
    """A connection that waits as eventlet's sockets do."""

    def __init__(self, sock: Any, tls: Tls) -> None:
        """`sock` is one of eventlet's, after the handshake."""
        self._socket = sock
        self._tls = tls
        self._plain = tls.read()  # it may have come along with the handshake
        self._io_refs = 0
        self._closed = self._sending = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)  # addresses, options, time-outs

    def recv(self, size: int) -> bytes:
        while not self._plain and not self._tls.ended:
            if self._tls.thin:
                eventlet.sleep(0)  # the others' turn: who sends as fast as it can is never waited for
            self._plain = self._tls.feed(self._socket.recv(self._tls.appetite))
        plain, self._plain = self._plain[:size], self._plain[size:]
        return plain

    def recv_into(self, buffer: Any, size: int = 0) -> int:
        data = self.recv(size or len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: bytes | memoryview) -> int:
        piece = data[:PIECE_BYTES]
        self._sending = True
        try:
            self._socket.sendall(self._tls.encrypt(piece))
        finally:
            self._sending = False
        return len(piece)

    def sendall(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self.send(left) :]
            if left:
                eventlet.sleep(0)  # encrypting much at once would keep the loop

    def send_now(self, data: bytes) -> bool:
        """As much as the system takes without waiting; whether that was all. Raises OSError."""
        if self._sending:
            return False
        secret = self._tls.encrypt(data)
        return bool(self._socket.fd.send(secret) == len(secret))

    def hung_up(self) -> bool:
        """Whether the peer has gone. What it sent besides is still there to be read."""
        if len(self._plain) < READ_BYTES and not self._tls.ended:
            try:
                self._plain += self._tls.feed(self._socket.fd.recv(self._tls.appetite))
            except BlockingIOError:
                pass
            except OSError:
                return True
        return self._tls.ended

    def shutdown(self, how: int) -> None:
        if how != _socket.SHUT_RD and not self._sending:
            try:
                self._socket.fd.send(self._tls.goodbye())
            except OSError:
                pass  # it is gone, or does not read
        self._socket.shutdown(how)

    def detach(self) -> tuple[DetachedTls, bytes]:
        """Its TLS on a plain socket that never waits, and what was received already."""
        plain, self._plain = self._plain, b""
        return DetachedTls(DetachedSocket(fileno=self._socket.fd.detach()), self._tls), plain

    def makefile(self, mode: str, buffering: int | None = None) -> Any:
        return _socket.socket.makefile(self, mode, buffering)

    def _decref_socketios(self) -> None:
        """A file that was made is closed."""
        self._io_refs = max(0, self._io_refs - 1)
        if self._closed:
            self.close()

    def close(self) -> None:
        self._closed = True
        if not self._io_refs:
            self._socket.close()


class DetachedSocket(_socket.socket):  # type: ignore[name-defined]
    """A socket of the operating system that never waits."""

    __slots__ = ("closed",)

    def __init__(self, *, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self.setblocking(False)
        self.closed: list[Callable[[], object]] = []  # called once it is

    def close(self) -> None:
        super().close()
        closed, self.closed = self.closed, []
        for call in closed:
            call()


class DetachedTls:
    """TLS on a socket that never waits. What the system did not take at once is `held`, for `flush` to try again."""

    __slots__ = ("_socket", "_tls", "fileno", "held", "setsockopt")

    def __init__(self, sock: DetachedSocket, tls: Tls) -> None:
        self.held = b""
        self.fileno, self.setsockopt = sock.fileno, sock.setsockopt
        self._socket = sock
        self._tls = tls

    @property
    def closed(self) -> list[Callable[[], object]]:
        return self._socket.closed

    @property
    def ended(self) -> bool:
        """Whether the peer sends no more."""
        return self._tls.ended

    def recv(self, size: int) -> bytes:
        """Raises BlockingIOError, OSError."""
        if self._tls.ended:
            return b""
        plain = self._tls.feed(self._socket.recv(min(size, self._tls.appetite)))
        if not plain and not self._tls.ended:
            raise BlockingIOError
        return plain

    def send(self, data: bytes | memoryview) -> int:
        """How many bytes were taken. Raises BlockingIOError while something is held, OSError."""
        self.flush()
        piece = data[:PIECE_BYTES]
        self.held = self._tls.encrypt(piece)
        try:
            self.flush()
        except BlockingIOError:
            pass
        return len(piece)

    def flush(self) -> None:
        """Raises BlockingIOError, OSError."""
        while self.held:
            self.held = self.held[self._socket.send(self.held) :]

    def say_goodbye(self) -> None:
        """Behind what is held. Raises BlockingIOError, OSError."""
        self.held += self._tls.goodbye()
        self.flush()

    def shutdown(self, how: int) -> None:
        self._socket.shutdown(how)

    def close(self) -> None:
        self._socket.close()


def accept(sock: Any, context: ssl.SSLContext) -> TlsSocket:
    """The connection behind its handshake; the caller sees to it that it does not take for ever.

    Raises:
        OSError: it failed; an ssl.SSLError where what came is not how a handshake goes.
    """
    tls, done = Tls(context), False
    while not done:
        data = sock.recv(RECORD_BYTES)
        if not data:
            raise ConnectionResetError("the client hung up")
        try:
            with _turn:  # one step in each turn of the loop: a step is a millisecond, and a thousand may come at once
                done = tls.handshake(data)
                eventlet.sleep(0)
        except ssl.SSLError:
            sock.fd.send(tls.due())  # which says what was wrong
            raise
        sock.sendall(tls.due())
    return TlsSocket(sock, tls)

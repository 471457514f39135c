"""The sending half of a connection: what waits for one client, on a socket that may not take it now."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol

from rt_service.gateways.engineio import frames
from rt_service.gateways.engineio.farewell import Farewell
from rt_service.gateways.engineio.loop import WOULD_BLOCK, Loop
from rt_service.gateways.engineio.outbox import Blocked, Closed, Outbox
from rt_service.gateways.engineio.wire import GONE, Wire


class Host(Protocol):
    """Whose connection it is."""

    loop: Loop
    max_waiting: int

    def too_slow(self, connection: Any) -> None:
        """More waits for it than may, and was forgotten: end it. May block."""

    def dropped(self, reason: str) -> None:
        """A frame was not delivered."""


class Sender:
    """See `outbox.Owner`. `closing` once nothing but last words is sent."""

    def __init__(self, server: Any, send: Callable[[bytes], int] | None = None) -> None:
        """`server` is the `Host`; `send` is what the outbox sends with before there is a socket."""
        self.server = server
        self.closing = False
        self.waiting = 0
        self.max_waiting: int = server.max_waiting
        self._excused = 0
        self.places: dict[Hashable, int] | None = None
        self.out: Outbox = Blocked()
        self.out.owner, self.out.send = self, send
        self._data = b""  # frames of which `_sent` bytes are sent
        self._sent = 0
        self._wire: Wire | None = None

    def _send_on(self, wire: Wire) -> None:
        """From now on there is a socket."""
        self._wire = wire
        self.out.send = wire.send if wire.deflater is None else self._send_deflated
        if self._sent < len(self._data) or list.__len__(self.out):
            wire.wait_writable()
        else:
            self._unblock()

    def lost(self, code: int = GONE, reason: str = "") -> None:
        """See `wire.Receiver`."""
        raise NotImplementedError

    def send_frame(self, frame: bytes) -> None:
        """Queue one or more whole WebSocket frames."""
        self.server.loop.send(self.out, frame)

    def excuse(self, size: int) -> None:
        """See `outbox.Owner`: until it is sent, one answer does not count against what may wait."""
        if type(self.out) is Outbox:
            self._count_again()  # the one before was sent
        if not self._excused:
            self._excused = size
            self.max_waiting += size

    def _count_again(self) -> None:
        self.max_waiting -= self._excused
        self._excused = 0

    def block(self, data: bytes, sent: int) -> None:
        """Only `sent` bytes of `data` were taken: keep the rest, and count from now on."""
        out = self.out
        out.clear()
        self._data, self._sent = data, sent
        self.waiting = len(data) - sent
        out.become(Blocked)
        if self._wire is not None:
            self._wire.wait_writable()

    def writable(self) -> None:
        """The socket takes data again."""
        assert self._wire is not None
        if self._sent >= len(self._data):
            self._data, self._sent = self._joined(), 0
        try:
            sent = self._wire.send(memoryview(self._data)[self._sent :])
        except WOULD_BLOCK:
            return
        except OSError:
            self.lost()
            return
        self._sent += sent
        self.waiting -= sent
        if self._sent >= len(self._data) and not list.__len__(self.out):
            self._unblock()

    def part(self, last: bytes) -> None:
        """Leave the socket to a farewell: what waits, then `last`. Nothing is taken any more."""
        wire, self._wire = self._wire, None
        if wire is not None:
            Farewell(wire, self._data[self._sent :] + b"".join([*self.out]) + last)
        self.out.become(Closed)
        self.out.clear()
        self.out.owner = self.out.send = None  # or they would keep each other alive

    def _joined(self) -> bytes:
        """Everything that waits in the outbox, taken out of it."""
        data = b"".join(self.out)
        self.out.clear()
        self.places = None
        if self._wire is not None and self._wire.deflater is not None:
            data = self._wire.deflater.deflate(data)
            self.waiting = len(data)
        return data

    def _unblock(self) -> None:
        assert self._wire is not None
        self._data, self._sent, self.waiting = b"", 0, 0
        self._count_again()
        self._wire.sent_all()
        if type(self.out) is Blocked:
            self.out.become(Outbox)

    def _send_deflated(self, data: bytes) -> int:
        """What an outbox sends with where the client asked for compression."""
        assert self._wire is not None and self._wire.deflater is not None
        compressed = self._wire.deflater.deflate(data)
        try:
            sent = self._wire.send(compressed)
        except WOULD_BLOCK:
            sent = 0
        if sent < len(compressed):
            self.block(compressed, sent)
        return len(data)

    def overflowed(self) -> None:
        """More waits than may: forget all but the rest of a frame that is half sent, and tell the server."""
        if self.closing:
            return
        self.closing = True
        self._cut_to_frame()
        self.out.clear()
        self.places, self.waiting = None, len(self._data) - self._sent
        self.server.loop.spawn(self.server.too_slow, self)

    def _cut_to_frame(self) -> None:
        if not self._sent:
            self._data = b""
        for _, _, end in frames.unframe(self._data):
            if end >= self._sent:
                self._data = self._data[:end]
                return

    def dropped(self, reason: str) -> None:
        """See `outbox.Owner`."""
        self.server.dropped(reason)

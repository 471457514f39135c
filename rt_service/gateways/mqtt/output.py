"""What waits to be sent on one connection: many packets in one write, and a bound on what may wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rt_service import runtime


class ByteStream(Protocol):
    """What a connection runs on: TCP, or a WebSocket."""

    def read(self, timeout_s: float | None) -> bytes:
        """Some bytes; none at the end. Raises TimeoutError or OSError."""

    def write(self, data: bytes) -> None:
        """All of `data`. Raises OSError."""

    def hang_up(self) -> None:
        """Nothing more is sent; what was written still arrives, and a waiting `read` ends soon."""

    def close(self) -> None: ...


class Output:
    """Collects packets and writes them once per turn of the loop. `drained` is called after each write."""

    def __init__(self, stream: ByteStream, bound: int, drained: Callable[[], None]) -> None:
        self.closed = False
        self._stream = stream
        self._bound = bound
        self._drained = drained
        self._packets: list[bytes] = []
        self.waiting = 0  # bytes
        self._scheduled = False
        self._writing = False

    @property
    def busy(self) -> bool:
        """Whether so much waits that messages should wait elsewhere."""
        return self.waiting > self._bound

    def send(self, packet: bytes) -> bool:
        """Queue a packet. False if nothing more fits: the peer asks for more and more and never reads."""
        if self.closed:
            return True
        self._packets.append(packet)
        self.waiting += len(packet)
        if not self._scheduled:
            self._scheduled = True
            runtime.spawn(self._turn)
        return self.waiting <= 4 * self._bound

    def hang_up(self) -> None:
        """Send what waits, then nothing more."""
        if not self.closed:
            self.closed = True
            self._write()
            self._stream.hang_up()

    def _turn(self) -> None:
        try:
            self._write()
        finally:
            self._scheduled = False
        self._drained()

    def _write(self) -> None:
        if self._writing:  # another greenlet is in the middle of a packet; it takes what is new along
            return
        self._writing = True
        try:
            while self._packets:
                data = b"".join(self._packets)
                self._packets.clear()
                self._stream.write(data)
                self.waiting -= len(data)
        except OSError:
            self.closed = True
            self._stream.hang_up()  # which the reader notices, and cleans up
        finally:
            self._writing = False

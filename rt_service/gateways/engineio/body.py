"""A request's body (RFC 9112 sections 6 and 7), of a known length or in chunks: strict, in time, read in pieces."""

from __future__ import annotations

import re
from collections.abc import Callable
from time import monotonic
from typing import Any

import eventlet
import eventlet.wsgi

from rt_service.gateways.engineio.request import LINE_BYTES, is_field

PIECE_BYTES = 65_536  # read at a time, then the others get their turn
PER_TURN = 200  # chunks, however small
CHUNK_LINE_BYTES = 256
DISCARD_BYTES = 16 << 20  # of a body that nobody wanted; then the connection ends
DISCARD_S = 5.0

_chunk_line = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n").fullmatch


class BrokenBody(ValueError):
    """A body that is not coded as it should be, or that ends too early."""


class SlowBody(BrokenBody):
    """A body that did not come in time."""


class Body(eventlet.wsgi.Input):
    """`end` is called when no request can follow it."""

    def __init__(self, plain: eventlet.wsgi.Input, end: Callable[[], None], seconds: float) -> None:
        super().__init__(
            plain.rfile, plain.content_length, plain.get_socket(), plain.wfile, plain.wfile_line, plain.chunked_input
        )
        self._end = end
        self._seconds = seconds
        self._until = monotonic() + seconds
        self._left = 0 if plain.chunked_input else plain.content_length  # of the body, or of this chunk of it
        self._whole = not plain.chunked_input  # whether no chunk follows
        self._broken = self._discarded = False

    def read(self, length: int | None = None) -> bytes:
        """Up to `length` bytes, fewer only at the end. Raises BrokenBody."""
        return self._read(self.rfile.read, length)

    def readline(self, size: int | None = None) -> bytes:
        """The same, and no more than a line."""
        return self._read(self.rfile.readline, size)

    def readlines(self, hint: int | None = None) -> list[bytes]:
        return list(iter(self.readline, b""))

    def discard(self, buffer_size: int = PIECE_BYTES) -> None:
        """Read what nobody wanted, so that the client gets to read its answer; not what is endless, slow or broken."""
        if self._discarded:
            return
        self._discarded = True
        try:
            with eventlet.Timeout(DISCARD_S, SlowBody()):
                for _ in range(DISCARD_BYTES // buffer_size):
                    if not self.read(buffer_size):
                        return
        except (ValueError, OSError):
            pass
        self._end()

    def _read(self, read: Callable[[int], bytes], length: int | None) -> bytes:
        if self._broken:
            raise BrokenBody("it was broken before")
        if self.should_send_hundred_continue:
            self.send_hundred_continue_response()
            self.is_hundred_continue_response_sent = True
        late = SlowBody(f"it did not come within {self._seconds:g} s")
        try:
            with eventlet.Timeout(max(0.0, self._until - monotonic()), late):
                return self._take(read, length if length is None or length >= 0 else None)
        except SlowBody:
            self._breaks("")
            raise
        except OSError:
            raise self._breaks("its connection failed") from None

    def _take(self, read: Callable[[int], bytes], length: int | None) -> bytes:
        parts: list[bytes] = []
        while (length is None or length > 0) and self._more():
            part = read(min(self._left, PIECE_BYTES if length is None else min(length, PIECE_BYTES)))
            if not part:
                raise self._breaks("it ends too early")
            parts.append(part)
            self._left -= len(part)
            self.position += len(part)
            length = None if length is None else length - len(part)
            if not self._left and not self._whole and self.rfile.read(2) != b"\r\n":
                raise self._breaks("a chunk is longer than it said")
            if read == self.rfile.readline and part.endswith(b"\n"):
                break
            if len(part) == PIECE_BYTES or not len(parts) % PER_TURN:
                eventlet.sleep(0)
        return b"".join(parts)

    def _more(self) -> bool:
        """Whether something is left; goes on to the next chunk."""
        if not self._left and not self._whole:
            found = _chunk_line(self.rfile.readline(CHUNK_LINE_BYTES))
            if found is None:
                raise self._breaks("a chunk begins with its size in hexadecimal digits")
            self._left = int(found[1], 16)
            if not self._left:
                self._whole = True
                self._trailers()
        return self._left > 0

    def _trailers(self) -> None:
        left = LINE_BYTES
        while left > 0:
            line: Any = self.rfile.readline(left)
            left -= len(line)
            if line == b"\r\n":
                return
            if not is_field(line):
                break
        raise self._breaks("what follows the last chunk is no header")

    def _breaks(self, why: str) -> BrokenBody:
        self._broken = True
        self._end()
        return BrokenBody(why)

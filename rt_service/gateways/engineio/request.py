"""What a request may look like (RFC 9112), strictly: nothing in it is unbounded, or could be read in two ways."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.message import Message
from typing import Any

import eventlet
import eventlet.wsgi

LINE_BYTES = 8192
HEAD_BYTES = 65_536
CHUNK_LINE_BYTES = 256
DISCARD_BYTES = 16 << 20  # of a body that nobody wanted; then the connection ends
DISCARD_S = 5.0

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_request_line = re.compile(_TOKEN + rb" [^\x00-\x20\x7f]+ HTTP/(\d)\.\d\r?\n").fullmatch
_field = re.compile(_TOKEN + rb":[^\x00-\x08\x0a-\x1f\x7f]*\r?\n").fullmatch
_chunk_line = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n").fullmatch


class RefusedRequest(Exception):
    """A request that is not handed to the application: the status, code and message that its client gets."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class BrokenBody(ValueError):
    """A body that is not coded as it should be, or that ends too early."""


def check_line(line: bytes) -> None:
    """Raises RefusedRequest unless it is the first line of a request that we speak."""
    if len(line) >= LINE_BYTES:
        raise RefusedRequest(414, "too_large", f"the first line of a request is at most {LINE_BYTES} bytes")
    found = _request_line(line)
    if found is None:
        raise RefusedRequest(400, "bad_request", "a request begins with METHOD PATH HTTP/1.1")
    if found[1] != b"1":
        raise RefusedRequest(505, "bad_request", "this is HTTP/1.1")


class Head:
    """The lines of a request's head, for http.client to read."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = HEAD_BYTES

    def readline(self, size: int = -1) -> bytes:
        """The next line. Raises RefusedRequest where it is too long, or no `Name: value`."""
        line: bytes = self._file.readline(LINE_BYTES)
        self._left -= len(line)
        if len(line) >= LINE_BYTES or self._left < 0:
            bounds = f"a header is at most {LINE_BYTES} bytes, all together {HEAD_BYTES}"
            raise RefusedRequest(431, "too_large", bounds)
        if line not in (b"\r\n", b"\n") and not _field(line):
            raise RefusedRequest(400, "bad_request", "a header is a line `Name: value`, and an empty line ends them")
        return line


def check_head(headers: Message, version: str) -> None:
    """Raises RefusedRequest where it could be understood in two ways whose request this is or where its body ends."""
    if len(headers.get_all("Host", [])) != 1 and (version != "HTTP/1.0" or "Host" in headers):
        raise RefusedRequest(400, "bad_request", "a request has one Host")
    lengths, codings = headers.get_all("Content-Length", []), headers.get_all("Transfer-Encoding", [])
    if len(lengths) + len(codings) > 1:
        raise RefusedRequest(400, "bad_request", "a body has one Content-Length, or one Transfer-Encoding")
    if codings and (codings[0].strip().lower() != "chunked" or version == "HTTP/1.0"):
        raise RefusedRequest(400, "bad_request", "the only Transfer-Encoding is chunked, in HTTP/1.1")
    if lengths and not re.fullmatch("[0-9]+", lengths[0].strip(" \t")):
        raise RefusedRequest(400, "bad_request", "Content-Length is a whole number")
    if lengths and len(lengths[0].strip(" \t")) > 18:
        raise RefusedRequest(413, "too_large", "no body is as long as that")


class Body(eventlet.wsgi.Input):
    """A request's body, of a known length or in chunks; `end` is called when no request can follow it."""

    def __init__(self, plain: eventlet.wsgi.Input, end: Callable[[], None]) -> None:
        super().__init__(
            plain.rfile, plain.content_length, plain.get_socket(), plain.wfile, plain.wfile_line, plain.chunked_input
        )
        self._end = end
        self._chunk = 0  # bytes of the chunk that are not read yet
        self._whole = False
        self._broken = self._discarded = False

    def _chunked_read(self, rfile: Any, length: int | None = None, use_readline: bool = False) -> bytes:
        """Up to `length` bytes, fewer only at the end (`use_readline`: or where a line ends). Raises BrokenBody."""
        if self.should_send_hundred_continue:
            self.send_hundred_continue_response()
            self.is_hundred_continue_response_sent = True
        read, parts = rfile.readline if use_readline else rfile.read, []
        while (length is None or length > 0) and self._more():
            part = read(self._chunk if length is None else min(self._chunk, length))
            if not part:
                raise self._breaks("it ends too early")
            parts.append(part)
            self._chunk -= len(part)
            length = None if length is None else length - len(part)
            if not self._chunk and rfile.read(2) != b"\r\n":
                raise self._breaks("a chunk is longer than it said")
            if use_readline and part.endswith(b"\n"):
                break
        return b"".join(parts)

    def discard(self, buffer_size: int = 16 << 10) -> None:
        """Read what nobody wanted, so that the client gets to read its answer; not what is endless, slow or broken."""
        if self._discarded:
            return
        self._discarded = True
        try:
            with eventlet.Timeout(DISCARD_S, BrokenBody("too slow")):
                for _ in range(DISCARD_BYTES // buffer_size):
                    if not self.read(buffer_size):
                        return
        except (ValueError, OSError):
            pass
        self._end()

    def _more(self) -> bool:
        """Whether there is something in the chunk; goes on to the next one."""
        if self._broken:
            raise BrokenBody("it was broken before")
        if not self._chunk and not self._whole:
            line = self.rfile.readline(CHUNK_LINE_BYTES)
            found = _chunk_line(line)
            if found is None:
                raise self._breaks("a chunk begins with its size in hexadecimal digits")
            self._chunk = int(found[1], 16)
            if not self._chunk:
                self._whole = True
                self._trailers()
        return not self._whole

    def _trailers(self) -> None:
        left = LINE_BYTES
        while left > 0:
            line = self.rfile.readline(left)
            left -= len(line)
            if line in (b"\r\n", b"\n"):
                return
            if not _field(line):
                break
        raise self._breaks("what follows the last chunk is no header")

    def _breaks(self, why: str) -> BrokenBody:
        self._broken = True
        self._end()
        return BrokenBody(why)

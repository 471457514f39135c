"""What a request may look like (RFC 9112), strictly: nothing in it is unbounded, or could be read in two ways."""

from __future__ import annotations

import re
from email.message import Message
from http import HTTPStatus
from typing import Any

LINE_BYTES = 8192
HEAD_BYTES = 65_536

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_request_line = re.compile(_TOKEN + rb" [^\x00-\x20\x7f]+ HTTP/(\d)\.(\d)\r\n").fullmatch
is_field = re.compile(_TOKEN + rb":[^\x00-\x08\x0a-\x1f\x7f]*\r\n").fullmatch
_absolute = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE).fullmatch


class RefusedRequest(Exception):
    """A request that is not handed to the application: the status, code and message that its client gets."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def refusal(status: int, body: bytes, *headers: str) -> bytes:
    """A whole answer, the last one on its connection; `body` is JSON."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body


def first_line(file: Any) -> bytes:
    """The first line of a request that we speak; none where the client hung up. Raises RefusedRequest."""
    line: bytes = file.readline(LINE_BYTES)
    if line == b"\r\n":  # one too many behind the request before (RFC 9112 section 2.2)
        line = file.readline(LINE_BYTES)
    if len(line) >= LINE_BYTES:
        raise RefusedRequest(414, "too_large", f"the first line of a request is at most {LINE_BYTES} bytes")
    found = _request_line(line)
    if line and found is None:
        raise RefusedRequest(400, "bad_request", "a request begins with a line METHOD PATH HTTP/1.1, which CR LF ends")
    if found is not None and found[1] + found[2] not in (b"10", b"11"):
        raise RefusedRequest(505, "bad_request", "this is HTTP/1.1")
    return line


def origin_form(method: str, target: str, host: str | None) -> str:
    """The path and query that are asked for, however they are written (RFC 9112 section 3.2). Raises RefusedRequest."""
    if target.startswith("/") or (target == "*" and method == "OPTIONS"):
        return target
    found = _absolute(target)
    if found is None:
        raise RefusedRequest(400, "bad_request", "what is asked for is a path, which begins with /")
    if found[1].lower() != (host or "").lower():
        raise RefusedRequest(400, "bad_request", "what is asked for is at another host than Host says")
    return found[2] if found[2].startswith("/") else f"/{found[2]}"


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
        if line != b"\r\n" and not is_field(line):
            why = "a header is a line `Name: value` that CR LF ends, and an empty one ends them all"
            raise RefusedRequest(400, "bad_request", why)
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

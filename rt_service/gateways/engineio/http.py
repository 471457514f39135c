"""The way from HTTP to a WebSocket: the handshake (RFC 6455 section 4.2), and the socket out of the WSGI server."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import logging
import secrets
import sys
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import eventlet
import eventlet.wsgi
from eventlet.patcher import original

from rt_service.gateways.engineio import request
from rt_service.gateways.engineio.request import RefusedRequest

log = logging.getLogger("rt_service.engineio")

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_socket = original("socket")
_NO_BODY = io.BytesIO()

DETACH = "engineio.detach"
HEAD_S = 15.0  # for the headers of a request
BODY_S = 60.0  # for the body of a POST
ANSWER_S = 30.0  # for a client to take some of its answer; one that takes none does not keep it here
LINGER_S = 1.0  # for who was refused to read why


class HttpProtocol(eventlet.wsgi.HttpProtocol):
    """eventlet's HTTP, strict, which can let go of its socket: `eventlet.wsgi.server(..., protocol=HttpProtocol)`.

    Whatever it refuses before the application sees it is refused with a JSON error too.
    """

    detached = False
    rfile: Any

    def handle_one_request(self) -> None:
        line = self._read_request_line()
        self.conn_state[2] = eventlet.wsgi.STATE_REQUEST
        if not line:
            self.close_connection = True
            return
        try:
            self._read_head(line)
        except RefusedRequest as refusal:
            self._refuse(refusal)
            return
        self.environ = self.get_environ()
        self.application = self._answer
        try:
            self.handle_one_response()
            if not self.detached:
                self.environ["eventlet.input"].discard()
        except OSError:  # the client is gone
            self.close_connection = True

    def _read_request_line(self) -> bytes:
        """Within the time that a connection may be idle, however slowly it comes."""
        with eventlet.Timeout(self.server.keepalive, False):
            return super()._read_request_line() or b""
        return b""

    def _read_head(self, line: bytes) -> None:
        """Raises RefusedRequest."""
        request.check_line(line)
        self.raw_requestline = line
        whole, self.rfile = self.rfile, request.Head(self.rfile)
        late = RefusedRequest(408, "timeout", f"the headers did not come within {HEAD_S:g} s")
        try:
            with eventlet.Timeout(HEAD_S, late):
                self.parse_request()
        finally:
            self.rfile = whole
        request.check_head(self.headers, self.request_version)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What `parse_request` calls where it finds something wrong."""
        raise RefusedRequest(int(code), "too_large" if code == 431 else "bad_request", message or "this is no request")

    def _refuse(self, refusal: RefusedRequest) -> None:
        self.close_connection = True
        body = error_body(refusal.code, str(refusal))
        head = (
            f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        try:
            self.wfile.write(head.encode() + body)
            self.wfile.flush()
            self.connection.shutdown(_socket.SHUT_WR)
            with eventlet.Timeout(LINGER_S, False):  # closing at once could take the answer from who still sends
                self.rfile.read(request.HEAD_BYTES)
        except OSError:
            pass  # the client is gone

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The application's answer, or what is said in place of one that failed; none has a body for HEAD."""
        try:
            result: Iterable[bytes] = self.server.app(environ, start_response)
        except (Exception, eventlet.Timeout):
            reference = secrets.token_hex(4)
            log.exception("a request failed; the reference is %s", reference)
            start_response("500 Internal Server Error", [("Content-Type", "application/json")], sys.exc_info())
            result = [error_body("internal", f"something went wrong here; the reference is {reference}")]
        if not self.detached:
            self.connection.settimeout(ANSWER_S)
        if self.command != "HEAD":
            return result
        if hasattr(result, "close"):
            result.close()
        return []

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ["wsgi.input"] = environ["eventlet.input"] = request.Body(environ["eventlet.input"], self._end)
        environ[DETACH] = self.detach
        environ["SERVER_PROTOCOL"] = self.request_version  # eventlet says HTTP/1.0 whatever was asked
        return environ

    def _end(self) -> None:
        self.close_connection = True

    def detach(self) -> tuple[Any, bytes]:
        """The socket of the operating system, now ours, and what the client sent behind its request."""
        self.detached = True
        self.connection.setblocking(False)
        rest = self.rfile.peek() if self.rfile is not None else b""
        sock = self.connection
        if type(sock).__name__ == "GreenSocket":  # a plain one: take the descriptor out of eventlet's wrapper
            sock = _socket.socket(fileno=sock.fd.detach())
            sock.setblocking(False)
        return sock, bytes(rest)

    def finish(self) -> None:
        if not self.detached:
            super().finish()


def error_body(code: str, message: str) -> bytes:
    """An error as every way over HTTP shows it."""
    return json.dumps({"error": {"code": code, "message": message}}).encode()


def accept_key(environ: dict[str, Any]) -> bytes | None:
    """The answer to a WebSocket handshake's key; None if it is no handshake of version 13."""
    connection = environ.get("HTTP_CONNECTION", "").lower().replace(" ", "").split(",")
    if environ.get("HTTP_UPGRADE", "").lower() != "websocket" or "upgrade" not in connection:
        return None
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "").strip()
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    if not valid or environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        return None
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())


def switching_protocols(key: bytes, deflate: bool, subprotocol: str = "") -> bytes:
    """The 101 that ends HTTP on this connection."""
    protocol = b"Sec-WebSocket-Protocol: %s\r\n" % subprotocol.encode() if subprotocol else b""
    extension = b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n" if deflate else b""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %s\r\n%s%s\r\n" % (key, extension, protocol)
    )


def offers_deflate(environ: dict[str, Any]) -> bool:
    """Whether the client offers permessage-deflate in a form that we take (no limit on our window)."""
    for offer in environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", "").split(","):
        name, *parameters = (part.strip().lower() for part in offer.split(";"))
        if name == "permessage-deflate":
            return not any(parameter.startswith("server_max_window_bits") for parameter in parameters)
    return False


def kept(environ: dict[str, Any]) -> dict[str, Any]:
    """What handlers of events may still want to know of the request, without the machinery of HTTP hanging on to it."""
    lean = {
        sys.intern(name): sys.intern(value) if type(value) is str else value
        for name, value in environ.items()
        if type(value) in (str, bool, tuple) and name != "headers_raw" and name != "RAW_PATH_INFO"
    }
    for name in ("flask.app", "wsgi.errors"):
        if name in environ:
            lean[name] = environ[name]
    lean["wsgi.input"] = _NO_BODY
    return lean

"""The way from HTTP to a WebSocket: the handshake (RFC 6455 section 4.2), and the socket out of the WSGI server."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import sys
from typing import Any

import eventlet
import eventlet.wsgi
from eventlet.patcher import original

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_socket = original("socket")
_NO_BODY = io.BytesIO()

DETACH = "engineio.detach"
HEAD_S = 15.0  # for the headers of a request
BODY_S = 60.0  # for the packets of a POST


class HttpProtocol(eventlet.wsgi.HttpProtocol):
    """eventlet's HTTP, which can let go of its socket: `eventlet.wsgi.server(..., protocol=HttpProtocol)`."""

    detached = False

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[DETACH] = self.detach
        environ["SERVER_PROTOCOL"] = self.request_version  # eventlet says HTTP/1.0 whatever was asked
        return environ

    def _read_request_line(self) -> bytes:
        """Within the time that a connection may be idle, however slowly it comes."""
        with eventlet.Timeout(self.server.keepalive, False):
            return super()._read_request_line() or b""
        return b""

    def parse_request(self) -> bool:
        with eventlet.Timeout(HEAD_S, False):
            return bool(super().parse_request())
        self.close_connection = True
        return False

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

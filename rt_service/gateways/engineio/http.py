"""The way from HTTP to a WebSocket: the handshake (RFC 6455 section 4.2), and how an error looks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import socket
import sys
from contextlib import suppress
from typing import Any

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_NO_BODY = io.BytesIO()

# What our HTTP protocol puts into `environ`.
DETACH = "engineio.detach"  # () -> the socket of the operating system, and what the client sent behind its request
BEHIND = "engineio.behind"  # () -> what the client sent behind its request, as far as it is here
AT_END = "engineio.at_end"  # a list: called when the request is over; where its socket was taken, once that is closed


def error_body(code: str, message: str) -> bytes:
    """An error as every way over HTTP shows it."""
    return json.dumps({"error": {"code": code, "message": message}}).encode()


def accept_key(environ: dict[str, Any]) -> bytes | None:
    """The answer to a WebSocket handshake's key; None if it is no handshake of version 13."""
    connection = environ.get("HTTP_CONNECTION", "").lower().replace(" ", "").split(",")
    if environ.get("HTTP_UPGRADE", "").lower() != "websocket" or "upgrade" not in connection:
        return None
    if environ["REQUEST_METHOD"] != "GET" or (DETACH in environ and environ["SERVER_PROTOCOL"] != "HTTP/1.1"):
        return None
    if environ.get("CONTENT_LENGTH") or environ.get("HTTP_TRANSFER_ENCODING"):
        return None  # a body would be taken for frames
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


def greet(sock: Any, data: bytes) -> None:
    """Send what a connection begins with on a socket that was taken. If that fails, whoever reads sees its end."""
    try:
        whole = sock.send(data) == len(data)
    except OSError:
        whole = False
    if not whole:  # a client that sent request after request and read no answer
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


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

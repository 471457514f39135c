"""A WebSocket and an HTTP client that say exactly what a test tells them to."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def masked(opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0, mask: bool = True) -> bytes:
    """One frame as a client sends it."""
    head = bytes(((0x80 if fin else 0) | rsv | opcode,))
    flag = 0x80 if mask else 0
    size = len(payload)
    if size < 126:
        head += bytes((flag | size,))
    elif size < 65536:
        head += bytes((flag | 126,)) + size.to_bytes(2, "big")
    else:
        head += bytes((flag | 127,)) + size.to_bytes(8, "big")
    if not mask:
        return head + payload
    key = os.urandom(4)
    stretched = (key * (size // 4 + 1))[:size]
    covered = (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(size, "big")
    return head + key + covered


class RawWebSocket:
    """Open when the constructor returns; `status` is 101 or what the server said instead."""

    def __init__(
        self, url: str, path: str, headers: dict[str, str] | None = None, buffer: int | None = None,
        source: str = "127.0.0.1",
    ) -> None:  # fmt: skip
        parts = urlsplit(url)
        self.socket = socket.socket()
        self.socket.bind((source, 0))
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(30)
        self.socket.connect((parts.hostname, parts.port))
        if parts.scheme == "https":
            self.socket = ssl.create_default_context().wrap_socket(self.socket, server_hostname=parts.hostname)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16))
        lines = {
            "Host": parts.netloc, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key.decode(), **(headers or {}),
        }  # fmt: skip
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        self._data = b""
        self.head = self._until(b"\r\n\r\n")
        self.status = int(self.head.split(b" ", 2)[1])
        if self.status == 101:
            expected = base64.b64encode(hashlib.sha1(key + GUID).digest())
            assert b"Sec-WebSocket-Accept: " + expected in self.head

    def __enter__(self) -> RawWebSocket:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, *frames: bytes | str) -> RawWebSocket:
        """Text as a masked text frame, bytes as they are."""
        self.socket.sendall(b"".join(masked(TEXT, f.encode()) if isinstance(f, str) else f for f in frames))
        return self

    def frame(self) -> tuple[int, bytes] | None:
        """The next frame (opcode, payload); None at the end of the connection."""
        try:
            first, size = self._take(2)
            assert not size & 0x80, "a server does not mask"
            if size > 125:
                size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
            return first & 0x0F, self._take(size)
        except (EOFError, ConnectionResetError):
            return None

    def text(self) -> str:
        """The next text message; pings of Engine.IO are answered and passed over."""
        while True:
            frame = self.frame()
            assert frame is not None and frame[0] == TEXT, frame
            if frame[1] != b"2":
                return frame[1].decode()
            self.send("3")

    def ended(self) -> int | None:
        """The code of the close frame that ends the connection; None if it ends without one."""
        code = None
        while (frame := self.frame()) is not None:
            if frame[0] == CLOSE:
                code = int.from_bytes(frame[1][:2], "big") if frame[1] else 1005
                with contextlib.suppress(OSError):  # it may be gone already
                    self.send(masked(CLOSE, frame[1][:2]))
        return code

    def _until(self, end: bytes) -> bytes:
        while end not in self._data:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self._data += more
        head, self._data = self._data.split(end, 1)
        return head

    def _take(self, size: int) -> bytes:
        while len(self._data) < size:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self._data += more
        taken, self._data = self._data[:size], self._data[size:]
        return taken


class Http:
    """One kept connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        self._connection.request(method, path, body, headers or {})
        reply = self._connection.getresponse()
        return reply.status, reply.read().decode()

    def close(self) -> None:
        self._connection.close()


def packets(body: str) -> Iterator[str]:
    """The packets of a poll."""
    yield from body.split("\x1e")

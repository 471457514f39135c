"""A Socket.IO client over a WebSocket, cheap enough for thousands of publications a second in one process."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import socket
from collections.abc import Callable
from typing import Any

import orjson

from tests.support.raw_ws import CLOSE, PING, PONG, TEXT, masked

Answer = dict[str, Any]
OPEN_S = 10.0


class SocketLink(asyncio.Protocol):
    """One namespace of one connection. Answers and pushes are handed over in the order in which they came."""

    def __init__(self, port: int, namespace: str, user: str, pushed: Callable[[str, Any], None]) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        self._port = port
        self._namespace = namespace
        self._auth = orjson.dumps({"user": user}).decode()
        self._pushed = pushed
        self._data = bytearray()
        self._upgraded = False
        self._transport: asyncio.Transport | None = None
        self._numbers = itertools.count(1)
        self._asked: dict[int, Callable[[Answer], None]] = {}
        self._event, self._ack = f"42{namespace},".encode(), f"43{namespace},".encode()

    def ask(self, verb: str, request: Any, answered: Callable[[Answer], None]) -> None:
        """`answered` is called before anything that was sent after the answer is looked at."""
        number = next(self._numbers)
        self._asked[number] = answered
        self._say(f"42{self._namespace},{number}" + orjson.dumps([verb, request]).decode())

    async def answer(self, verb: str, request: Any) -> Answer:
        """Raises ConnectionError when the connection ends before the answer, or there is none in time."""
        found: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.ask(verb, request, lambda answer: None if found.done() else found.set_result(answer))
        await asyncio.wait((found, self.gone), timeout=OPEN_S, return_when=asyncio.FIRST_COMPLETED)
        if not found.done():
            raise ConnectionError("gone" if self.gone.done() else "no answer")
        return found.result()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        for future in (self.opened, self.gone):
            if not future.done():
                future.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._upgraded:
            head, found, rest = bytes(self._data).partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head[:20]:
                self.close()
                return
            self._upgraded, self._data = True, bytearray(rest)
        self._take_frames()

    def _take_frames(self) -> None:
        data, at, end = bytes(self._data), 0, len(self._data)
        while end - at >= 2:
            size, start = data[at + 1] & 0x7F, at + 2
            if size > 125:
                wide = 2 if size == 126 else 8
                if end - start < wide:
                    break
                size, start = int.from_bytes(data[start : start + wide], "big"), start + wide
            if end - start < size:
                break
            self._take(data[at] & 0x0F, data[start : start + size])
            at = start + size
        del self._data[:at]

    def _take(self, opcode: int, body: bytes) -> None:
        if opcode == PING:
            self._write(masked(PONG, body))
        elif opcode == CLOSE:
            self.close()
        elif opcode == TEXT:
            self._text(body)

    def _text(self, body: bytes) -> None:
        if body.startswith(self._event):
            name, *arguments = orjson.loads(body[len(self._event) :])
            self._pushed(name, arguments[0] if arguments else None)
        elif body.startswith(self._ack):
            number, _, answer = body[len(self._ack) :].partition(b"[")
            self._asked.pop(int(number))(orjson.loads(b"[" + answer)[0])
        elif body == b"2":
            self._say("3")
        elif body.startswith(b"0"):
            self._say(f"40{self._namespace},{self._auth}")
        elif body.startswith(b"40") and not self.opened.done():
            self.opened.set_result(None)
        elif body.startswith((b"41", b"44", b"1")):
            self.close()

    def _say(self, text: str) -> None:
        self._write(masked(TEXT, text.encode()))

    def _write(self, frame: bytes) -> None:
        assert self._transport is not None
        self._transport.write(frame)


async def open_link(
    port: int, namespace: str, user: str, pushed: Callable[[str, Any], None], buffer: int | None = None
) -> SocketLink:
    """A link whose namespace is connected. Raises OSError. `buffer` bounds what the system receives for it."""
    sock = socket.socket()
    if buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(sock, ("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _, link = await loop.create_connection(lambda: SocketLink(port, namespace, user, pushed), sock=sock)
    await asyncio.wait((link.opened,), timeout=OPEN_S)
    if not link.opened.done() or link.gone.done():
        link.close()
        raise ConnectionError("the namespace was not connected")
    return link

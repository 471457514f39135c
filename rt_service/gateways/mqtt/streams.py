"""Byte streams that MQTT runs on: TCP, and WebSocket frames (MQTT 5.0 section 6)."""

from __future__ import annotations

import socket
from time import monotonic
from typing import Any

from rt_service import runtime
from rt_service.gateways.engineio import frames

GIVE_UP_S = 1.0


class TcpStream:
    def __init__(self, sock: Any) -> None:
        """`sock` is one of eventlet's, or TLS on one."""
        self._socket = sock

    def read(self, timeout_s: float | None) -> bytes:
        self._socket.settimeout(timeout_s)
        data: bytes = self._socket.recv(65_536)
        return data

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)  # under the reader's timeout: who takes nothing for so long is gone

    def hang_up(self) -> None:
        self._shut(socket.SHUT_WR)
        runtime.after(GIVE_UP_S, lambda: self._shut(socket.SHUT_RDWR))

    def close(self) -> None:
        self._socket.close()

    def _shut(self, how: int) -> None:
        try:
            self._socket.shutdown(how)
        except OSError:
            pass  # the peer was faster


class WebSocketStream(TcpStream):
    """MQTT packets in binary frames, however they are cut. A text frame ends it [MQTT-6.0.0-1]."""

    def __init__(self, sock: Any, max_message: int, first: bytes = b"") -> None:
        """`first` is what came behind the handshake."""
        super().__init__(sock)
        self._first = first
        self._reader = frames.Reader(max_message)
        self._writing = False
        self._over = False
        self._pong = b""  # that is due

    def read(self, timeout_s: float | None) -> bytes:
        until = None if timeout_s is None else monotonic() + timeout_s
        while not self._over:
            left = None if until is None else max(0.001, until - monotonic())
            data, self._first = self._first or super().read(left), b""
            if not data:
                break
            packets = self._take(data)
            if packets:
                return packets
            if until is not None and monotonic() > until:
                raise TimeoutError
            runtime.sleep(0)  # frames without packets may come and come
        return b""

    def _take(self, data: bytes) -> bytes:
        packets: list[bytes] = []
        try:
            messages = self._reader.feed(data)
        except frames.FrameError as error:
            self._end(frames.close(error.code, str(error)))
            return b""
        for message in messages:
            opcode, payload = message if type(message) is tuple else (frames.TEXT, b"")
            if opcode == frames.BINARY:
                packets.append(payload)
            elif opcode == frames.PING:
                self._answer(frames.frame(frames.PONG, payload))
            elif opcode != frames.PONG:
                wrong = opcode == frames.TEXT
                self._end(frames.close(frames.UNSUPPORTED) if wrong else frames.frame(frames.CLOSE, payload[:2]))
                break
        return b"".join(packets)

    def write(self, data: bytes) -> None:
        self._writing = True
        try:
            super().write(frames.frame(frames.BINARY, data))
            while self._pong:
                pong, self._pong = self._pong, b""
                super().write(pong)
        finally:
            self._writing = False

    def _answer(self, pong: bytes) -> None:
        """While a packet is being written it waits, and the next one takes its place (RFC 6455 section 5.5.3)."""
        if self._writing:
            self._pong = pong
        elif not runtime.send_now(self._socket, pong):
            self._over = True  # it asks and asks, and reads nothing

    def _end(self, last: bytes) -> None:
        """A last frame, if none is just being written."""
        if not self._over and not self._writing:
            runtime.send_now(self._socket, last)
        self._over = True

    def hang_up(self) -> None:
        self._end(frames.close(frames.NORMAL))
        super().hang_up()

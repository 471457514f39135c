"""Byte streams that MQTT runs on: TCP, and WebSocket frames (MQTT 5.0 section 6)."""

from __future__ import annotations

import socket
from typing import Any

from rt_service import runtime

GIVE_UP_S = 1.0


class TcpStream:
    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def read(self, timeout_s: float | None) -> bytes:
        self._socket.settimeout(timeout_s)
        return self._socket.recv(65_536)

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


class WebSocketStream:
    """MQTT packets in binary frames, however they are cut. A text frame ends it [MQTT-6.0.0-1]."""

    def __init__(self, ws: Any) -> None:
        self._ws = ws

    def read(self, timeout_s: float | None) -> bytes:
        self._ws.socket.settimeout(timeout_s)
        data = self._ws.wait()
        return data if isinstance(data, bytes) else b""

    def write(self, data: bytes) -> None:
        self._ws.send(data)

    def hang_up(self) -> None:
        self._ws.close()

    def close(self) -> None:
        self._ws.close()

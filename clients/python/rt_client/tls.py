"""TLS that one thread reads while another writes.

python-socketio's client does that with one socket, but OpenSSL must not be asked to do both at once: now and then
something is lost, and the connection hangs or breaks. Here both take turns, and nobody waits while it is theirs.
"""

from __future__ import annotations

import selectors
import ssl
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class DuplexSocket(ssl.SSLSocket):
    _turn: threading.Lock | None = None  # once the handshake is done
    _patience_s: float | None = None

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        self._patience_s = super().gettimeout()
        super().settimeout(0)
        self._turn = threading.Lock()

    def gettimeout(self) -> float | None:
        return super().gettimeout() if self._turn is None else self._patience_s

    def settimeout(self, value: float | None) -> None:
        self._patience_s = value
        if self._turn is None:
            super().settimeout(value)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        return self._in_turn(lambda: super(DuplexSocket, self).recv(buflen, flags))

    def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
        return self._in_turn(lambda: super(DuplexSocket, self).send(data, flags))

    def _in_turn(self, step: Callable[[], T]) -> T:
        if self._turn is None:
            return step()
        while True:
            try:
                with self._turn:
                    return step()
            except ssl.SSLWantReadError:
                self._wait(selectors.EVENT_READ)
            except ssl.SSLWantWriteError:
                self._wait(selectors.EVENT_WRITE)

    def _wait(self, event: int) -> None:
        """Raises OSError: it took too long, or was closed meanwhile."""
        with selectors.DefaultSelector() as selector:
            try:
                selector.register(self, event)
            except ValueError:
                raise ConnectionAbortedError("the connection was closed") from None
            if not selector.select(self._patience_s):
                raise TimeoutError("timed out")


def context(ca_file: str | None) -> ssl.SSLContext:
    """Trusts whom `ca_file` names, or else the system. Raises OSError: it cannot be read, or is none."""
    made = ssl.create_default_context(cafile=ca_file)
    made.sslsocket_class = DuplexSocket
    return made

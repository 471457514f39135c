"""A TCP proxy that can be cut: the network between two programs."""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """`cut` breaks every connection and refuses new ones. `lose` drops what is said without a word to either side, as a
    network does that is gone; connections made meanwhile reach nobody. `mend` lets new connections through again; those
    that were lost stay so until who made them gives up."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[socket.socket] = set()
        self._up = True
        self._losing = False
        self._lost: set[socket.socket] = set()
        self._turn = threading.Lock()  # a connection is there or not when the network is cut
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        with self._turn:
            self._up = False
            for sock in list(self._open):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def lose(self) -> None:
        with self._turn:
            self._losing = True
            self._lost |= set(self._open)

    def mend(self) -> None:
        self._up, self._losing = True, False

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._turn:
                self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        if self._losing:
            self._open.add(near)
            self._lost.add(near)
            threading.Thread(target=self._copy, args=(near, near), daemon=True).start()
            return
        try:
            far = socket.create_connection(self._target, timeout=5) if self._up else None
        except OSError:
            far = None
        if far is None:
            near.close()
            return
        far.settimeout(None)
        self._open |= {near, far}
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if source not in self._lost:
                    sink.sendall(data)
        for sock in (source,) if source in self._lost else (source, sink):
            self._open.discard(sock)
            self._lost.discard(sock)
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

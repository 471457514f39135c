"""Accepts HTTP connections and hands each to a greenlet; with more than may be, the rest are told to come back."""

from __future__ import annotations

import errno
import socket
from typing import Any

from rt_service import log, runtime
from rt_service.gateways.engineio.http import HttpProtocol
from rt_service.gateways.engineio.wire import Wire
from rt_service.metrics import Metrics

KEEPALIVE_S = 75.0
_BODY = b'{"error":{"code":"unavailable","message":"too many connections are open; try later"}}'
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)


class Listener:
    def __init__(self, sock: socket.socket, app: Any, metrics: Metrics, max_connections: int) -> None:
        self._socket: socket.socket | None = sock
        self._http = runtime.HttpServer(sock, app, HttpProtocol, KEEPALIVE_S)
        self._metrics = metrics
        self._max_connections = max_connections
        self._open = 0
        self._log = log.get("listener")

    def start(self) -> None:
        runtime.spawn(self._accept, self._socket)

    def stop(self) -> None:
        """Accept no more; connections that are open stay."""
        listener, self._socket = self._socket, None
        if listener is not None:
            runtime.stop_listening(listener)

    def _accept(self, listener: socket.socket) -> None:
        while self._socket is listener:
            try:
                sock, address = listener.accept()
            except OSError as error:
                if self._socket is not listener:
                    return
                self._log.warning("accept_failed", error=error.strerror)
                runtime.sleep(0.1 if error.errno in (errno.EMFILE, errno.ENFILE) else 0)
                continue
            if self._open + Wire.live >= self._max_connections:  # a WebSocket has left its request
                self._refuse(sock)
            else:
                self._open += 1
                runtime.spawn(self._serve, sock, address)

    def _serve(self, sock: socket.socket, address: Any) -> None:
        try:
            self._http.serve(sock, address)
        except OSError as error:
            self._log.debug("connection_failed", error=str(error))
        finally:
            self._open -= 1
            sock.close()

    def _refuse(self, sock: socket.socket) -> None:
        self._metrics.refused.labels("connections").inc()
        try:
            sock.setblocking(False)
            sock.send(_FULL)
        except OSError:
            pass  # it is not waited for
        finally:
            sock.close()

"""The HTTP port: what it says to whom there is no room for, and requests to the application."""

from __future__ import annotations

from functools import partial
from typing import Any

from rt_service import runtime
from rt_service.core import encoding
from rt_service.core.errors import BadRequest, RtError, Unavailable
from rt_service.gateways.acceptor import Acceptor, Over
from rt_service.gateways.engineio.protocol import Deadlines, HttpProtocol
from rt_service.gateways.engineio.request import refusal
from rt_service.gateways.gate import Gate, crowded_out
from rt_service.metrics import Metrics


class Listener:
    """The `Door` of the HTTP port."""

    def __init__(self, acceptor: Acceptor, sock: Any, gate: Gate, metrics: Metrics, deadlines: Deadlines) -> None:
        self._acceptor = acceptor
        protocol = partial(HttpProtocol, deadlines=deadlines, refused=lambda code: metrics.refused.labels(code).inc())
        self._http = runtime.HttpServer(sock, gate, protocol, deadlines.keepalive_s)

    def start(self) -> None:
        self._acceptor.start(self)

    def stop(self) -> None:
        """Accept no more; connections that are open stay."""
        self._acceptor.stop()

    # -- see acceptor.Door

    def serve(self, sock: Any, address: Any, over: Over) -> None:
        self._http.serve(sock, address, over)

    def refuse(self, sock: Any, reason: str, retry_after_s: float) -> None:
        error = _said(reason, retry_after_s)
        wait = [f"Retry-After: {-(-error.retry_after_ms // 1000)}"] if error.retry_after_ms is not None else []
        sock.sendall(refusal(error.http_status, encoding.dumps({"error": error.as_dict()}), *wait))


def _said(reason: str, retry_after_s: float) -> RtError:
    if reason == "tls":
        return BadRequest("this port speaks TLS: ask with https://")
    if reason == "connections":
        text = "too many connections are open; try later"
        return Unavailable(text, retry_after_ms=round(retry_after_s * 1000))
    return crowded_out(reason, retry_after_s)

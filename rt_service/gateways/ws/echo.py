"""`/echo`: a plain WebSocket to try a client with."""

from __future__ import annotations

from typing import Any

from rt_service import runtime
from rt_service.gateways.engineio import frames
from rt_service.gateways.engineio.heartbeat import Heartbeats
from rt_service.gateways.engineio.loop import Loop
from rt_service.gateways.ws.connection import PlainConnection
from rt_service.metrics import Metrics


class Echo:
    """The `Host` of connections at `/echo`: every frame comes back as it was."""

    def __init__(self, loop: Loop, heartbeats: Heartbeats, max_waiting: int, metrics: Metrics) -> None:
        self.loop = loop
        self.heartbeats = heartbeats
        self.max_waiting = max_waiting
        self.connections: set[PlainConnection] = set()
        self._metrics = metrics

    def stop(self) -> None:
        for connection in list(self.connections):
            runtime.spawn(connection.close, frames.GOING_AWAY, "shutdown")

    def new(self, credentials: dict[str, Any]) -> PlainConnection:
        connection = PlainConnection(self)
        self.connections.add(connection)
        return connection

    def took(self, connection: PlainConnection, text: bytes | None, binary: bytes) -> None:
        connection.send_frame(frames.frame(frames.BINARY, binary) if text is None else frames.text(text))

    def too_slow(self, connection: PlainConnection) -> None:
        self._metrics.closed.labels("slow").inc()
        connection.close(frames.POLICY, "slow")

    def dropped(self, reason: str) -> None:
        self._metrics.dropped.labels(reason).inc()

    def broke(self, connection: PlainConnection, reason: str) -> None:
        self._metrics.closed.labels("violation").inc()

    def ended(self, connection: PlainConnection) -> None:
        self.connections.discard(connection)

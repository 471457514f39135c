"""The wire of one Socket.IO session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from engineio import packet as eio

from rt_service import runtime
from rt_service.core.errors import NotOnline
from rt_service.core.model import PublicationClass
from rt_service.gateways.codecs import LatestPacket, SocketIoCodec
from rt_service.gateways.socketio.waiting import Waiting, size_of
from rt_service.metrics import Metrics

Answered = Callable[[Any], None]


class Line(Protocol):
    """What a transport needs of the gateway."""

    metrics: Metrics
    waiting_bytes: int

    def send(self, eio_sid: str, packet: eio.Packet) -> None: ...

    def queue_of(self, eio_sid: str) -> Waiting | None: ...

    def expect_ack(self, sid: str, answered: Answered) -> int:
        """The id under which the client's acknowledgement will come."""

    def end(self, eio_sid: str) -> None:
        """Close an Engine.IO connection, and with it its sessions."""

    def disconnect(self, sid: str, namespace: str) -> None:
        """End one session; the client does not come back by itself."""


class SocketIoTransport:
    """One namespace on an Engine.IO connection."""

    codec = SocketIoCodec()

    def __init__(self, line: Line, eio_sid: str, sid: str, namespace: str) -> None:
        self._line = line
        self._eio_sid = eio_sid
        self._sid = sid
        self._namespace = namespace
        self._closing = False
        self._asked: dict[int, Answered] = {}

    def put(self, frame: list[eio.Packet], class_: PublicationClass, key: str | None) -> None:
        if self._closing:
            return
        queue, dropped = self._line.queue_of(self._eio_sid), self._line.metrics.dropped
        size = sum(size_of(packet) for packet in frame)
        if queue is None or queue.nbytes + size <= self._line.waiting_bytes:
            self._send(frame)
        elif class_ is PublicationClass.VOLATILE:
            dropped.labels("volatile").inc()
        elif class_ is PublicationClass.LATEST and isinstance(frame[0], LatestPacket) and queue.replace(frame[0]):
            dropped.labels("latest_replaced").inc()
        else:
            self.close("slow", "too much waits for this session; reconnect and recover", reconnect=True)

    def ask(self, body: dict[str, Any], answered: Answered) -> None:
        def acknowledged(said: Any = None, *_: Any) -> None:
            del self._asked[number]
            answered(said)

        number = self._line.expect_ack(self._sid, acknowledged)
        self._asked[number] = answered
        self._send(self.codec.event(self._namespace, "call", body, id=number))

    def close(self, code: str, message: str, *, reconnect: bool, retry_after_ms: int | None = None) -> None:
        if self._closing:
            return
        self._closing = True
        self._line.metrics.closed.labels(code).inc()
        body: dict[str, Any] = {"code": code, "message": message, "reconnect": reconnect}
        if retry_after_ms is not None:
            body["retry_after_ms"] = retry_after_ms
        self._send(self.codec.push(self._namespace, "closing", body))
        # Ending a session changes tables that whoever called us may be walking through. A client comes back by itself
        # when its connection breaks, and stays away when its namespace is disconnected.
        if reconnect:
            runtime.spawn(self._line.end, self._eio_sid)
        else:
            runtime.spawn(self._line.disconnect, self._sid, self._namespace)

    def gone(self) -> None:
        """The session is closed: nobody is going to answer any more."""
        self._closing = True
        for answered in self._asked.values():
            answered({"error": {"code": NotOnline.code, "message": "it went offline"}})
        self._asked.clear()

    def _send(self, frame: list[eio.Packet]) -> None:
        for packet in frame:
            self._line.send(self._eio_sid, packet)

"""`GET /api/v1/rooms/<ns>/<room>/stream` (CONTRACT.md section 3): a room as Server-Sent Events or NDJSON."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, request

from rt_service import runtime
from rt_service.api import Api
from rt_service.core.errors import BadRequest, RtError
from rt_service.core.hub import Hub, Joined
from rt_service.core.model import Position
from rt_service.gateways import credentials
from rt_service.gateways.engineio import http
from rt_service.gateways.engineio.loop import Loop
from rt_service.gateways.positions import position
from rt_service.gateways.streams.connection import StreamConnection
from rt_service.gateways.streams.wires import NdjsonWire, SseWire
from rt_service.metrics import Metrics

HEARTBEAT_S = 15.0


class Streams:
    """The `Host` of its connections. `headers` says what else an answer to a request's origin has."""

    def __init__(
        self, hub: Hub, api: Api, metrics: Metrics, loop: Loop, max_waiting: int,
        headers: Callable[[str | None, Mapping[str, Any]], list[tuple[str, str]]],
    ) -> None:  # fmt: skip
        self.loop = loop
        self.max_waiting = max_waiting
        self.connections: set[StreamConnection] = set()
        self._hub = hub
        self._api = api
        self._metrics = metrics
        self._headers = headers
        self._sse = SseWire(loop)
        self._ndjson = NdjsonWire(loop)
        self._timer: runtime.Timer | None = None

    def start(self) -> None:
        self._timer = runtime.every(HEARTBEAT_S, self._beat)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()

    @property
    def flushed(self) -> bool:
        """Whether nothing waits to be sent any more."""
        return all(not connection.waiting for connection in self.connections)

    # -- see connection.Host

    def too_slow(self, connection: StreamConnection) -> None:
        self.closes("slow")
        connection.say_closing("slow", "too much waits; reconnect and recover", reconnect=True)
        connection.end()

    def dropped(self, reason: str) -> None:
        self._metrics.dropped.labels(reason).inc()

    def closes(self, code: str) -> None:
        self._metrics.closed.labels(code).inc()

    def ended(self, connection: StreamConnection) -> None:
        self.connections.discard(connection)
        session = connection.session
        if session is not None:
            session.may_return = True
            self._hub.close(session)
            self._metrics.sessions.labels(connection.wire.name).dec()

    # -- requests

    def stream(self, ns: str, room: str) -> Response:
        """Whoever asks becomes a member; the answer goes on until one of us ends it."""
        wire = self._ndjson if _wants_ndjson() else self._sse
        since = _since()
        if request.method == "HEAD":
            return Response("", content_type=wire.content_type)
        if request.environ["SERVER_PROTOCOL"] != "HTTP/1.1":
            raise BadRequest("a stream needs HTTP/1.1")
        self._api.publishing.check_namespace(f"/{ns}")
        connection = StreamConnection(self, wire)
        session = self._api.connect(
            secrets.token_hex(10), f"/{ns}", credentials.of_request(request.environ), connection
        )
        try:
            joined = self._api.follow(session, room, since)
        except RtError:
            self._hub.close(session)
            raise
        connection.session = session
        self.connections.add(connection)
        self._metrics.sessions.labels(wire.name).inc()
        runtime.answered_elsewhere()
        sock, _ = request.environ[http.DETACH]()
        connection.open(sock, self._head(wire, since, joined))
        self._hub.release(session, room)
        return Response()

    def _head(self, wire: SseWire | NdjsonWire, since: Position | None, joined: Joined) -> bytes:
        """The response's head, and what the client missed."""
        recovered = joined.recovered.recovered
        start = since if since and recovered else Position(joined.page.epoch, joined.page.offset)
        headers = [
            ("Content-Type", wire.content_type),
            ("Transfer-Encoding", "chunked"),
            ("Connection", "close"),
            ("Cache-Control", "no-store"),
            ("X-Accel-Buffering", "no"),  # a proxy that collects would hold every event back
            ("Stream-Position", f"{start.epoch}:{start.offset}"),
            ("Stream-Recovered", "true" if recovered else "false"),
            *self._headers(request.headers.get("Origin"), request.environ),
        ]
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        missed = b"".join(wire.publication(publication) for publication in joined.recovered.publications)
        return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + wire.start(start, bool(since) and not recovered) + missed

    def _beat(self) -> None:
        """To everybody who reads; whoever does not has something else coming."""
        for wire in (self._sse, self._ndjson):
            reading = [c.out for c in self.connections if c.wire is wire and not c.waiting]
            self.loop.broadcast(reading, wire.heartbeat)


def _wants_ndjson() -> bool:
    return request.accept_mimetypes.best_match(["text/event-stream", "application/x-ndjson"]) == "application/x-ndjson"


def _since() -> Position | None:
    """A browser that reconnects says in a header what it saw last; that counts, since the address is the old one."""
    said = request.headers.get("Last-Event-ID") or request.args.get("since")
    return position(said, "Last-Event-ID" if request.headers.get("Last-Event-ID") else "since") if said else None

"""Flask-SocketIO on the hub: connections, verbs and acknowledgements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import socketio
from engineio import packet as eio
from engineio.payload import Payload
from flask import Flask
from flask_socketio import SocketIO
from socketio import packet as sio
from socketio.exceptions import ConnectionRefusedError

from rt_service import runtime
from rt_service.api import Api
from rt_service.core.errors import RtError, TooManyRequests
from rt_service.core.hub import Hub
from rt_service.gateways.codecs import Json
from rt_service.gateways.socketio.manager import HubManager
from rt_service.gateways.socketio.transport import SocketIoTransport
from rt_service.gateways.socketio.waiting import Waiting
from rt_service.metrics import Metrics
from rt_service.settings import Settings

PACKETS_PER_POST = 10_000  # a busy client on long polling sends many at once; limits.wire_bytes bounds them


class SocketIoGateway:
    """`socketio` is an ordinary Flask-SocketIO server: what an application adds with `@socketio.on` works beside it."""

    def __init__(
        self,
        app: Flask,
        hub: Hub,
        api: Api,
        metrics: Metrics,
        settings: Settings,
        origins: Callable[[str | None, Mapping[str, Any]], bool],
    ) -> None:
        self.metrics = metrics
        self.waiting_bytes = settings.limits.waiting_bytes
        self._hub = hub
        self._api = api
        self._join_first_s = settings.limits.join_first_s
        self._over_limit: dict[str, tuple[SocketIoTransport, RtError]] = {}
        self._manager = HubManager(hub, api, self._on_connected)
        self.socketio = SocketIO(
            app,
            async_mode="eventlet",
            client_manager=self._manager,
            json=Json,
            namespaces=settings.server.namespaces,
            cors_allowed_origins=origins,
            ping_interval=settings.socketio.ping_interval_s,
            ping_timeout=settings.socketio.ping_timeout_s,
            max_http_buffer_size=settings.limits.wire_bytes,
            manage_session=False,
        )
        self._server: socketio.Server = self.socketio.server
        self._take_over(self._server)

    def _take_over(self, server: socketio.Server) -> None:
        """The seams of python-socketio 5 that this gateway relies on; tests/integration/test_seams.py names them."""
        self._original_event = server._handle_event
        self._original_trigger = server._trigger_event
        server._handle_event = self._on_event
        server._trigger_event = self._on_trigger
        server.eio.create_queue = Waiting
        server.eio.on("connect", self._on_connection)
        Payload.max_decode_packets = PACKETS_PER_POST

    # -- what the transports need

    def send(self, eio_sid: str, packet: eio.Packet) -> None:
        self._server._send_eio_packet(eio_sid, packet)

    def queue_of(self, eio_sid: str) -> Waiting | None:
        connection = self._server.eio.sockets.get(eio_sid)
        return connection.queue if connection is not None else None

    def end(self, eio_sid: str) -> None:
        """Close an Engine.IO connection, and with it its sessions."""
        connection = self._server.eio.sockets.get(eio_sid)
        if connection is not None:
            connection.close(wait=False)

    @property
    def flushed(self) -> bool:
        """Whether nothing waits to be sent any more."""
        return all(connection.queue.empty() for connection in self._server.eio.sockets.values())

    def expect_ack(self, sid: str, answered: Callable[..., None]) -> int:
        number: int = self._manager._generate_ack_id(sid, answered)
        return number

    def disconnect(self, sid: str, namespace: str) -> None:
        self._server.disconnect(sid, namespace=namespace)

    # -- what clients do

    def _on_connection(self, eio_sid: str, environ: dict[str, Any]) -> None:
        self._server._handle_eio_connect(eio_sid, environ)

        def check() -> None:
            if not self._manager.namespaces_of(eio_sid) and eio_sid in self._server.eio.sockets:
                self.metrics.closed.labels("join_timeout").inc()
                self.end(eio_sid)

        runtime.after(self._join_first_s, check)

    def _on_trigger(self, event: str, namespace: str, *args: Any) -> Any:
        """Application handlers run too, after ours on connect and before ours on disconnect."""
        if event == "connect":
            self._connect(namespace, *args)
        answer = self._original_trigger(event, namespace, *args)
        if event == "disconnect":
            self._disconnect(args[0])
        return answer

    def _connect(self, namespace: str, sid: str, environ: Any, auth: Any = None) -> None:
        if self._hub.sessions.get(sid) is not None:
            return  # python-socketio tries again without `auth` when a handler takes no such argument
        eio_sid = self._manager.eio_sid_from_sid(sid, namespace)
        transport = SocketIoTransport(self, eio_sid or "", sid, namespace)
        try:
            self._api.connect(sid, namespace, auth if isinstance(auth, dict) else {}, transport)
        except TooManyRequests as error:
            self._over_limit[sid] = (transport, error)  # told by `closing`, which needs a connected client
            return
        except RtError as error:
            refusal = self._api.refusal(error)["error"]
            raise ConnectionRefusedError(error.message, refusal) from None
        self.metrics.sessions.labels("socketio").inc()

    def _on_connected(self, sid: str, namespace: str) -> None:
        over = self._over_limit.pop(sid, None)
        if over is not None:
            transport, error = over
            transport.close(error.code, error.message, reconnect=False, retry_after_ms=error.retry_after_ms)

    def _disconnect(self, sid: str) -> None:
        session = self._hub.sessions.get(sid)
        if session is not None and isinstance(session.transport, SocketIoTransport):
            session.transport.gone()
            self.metrics.sessions.labels("socketio").dec()

    def _on_event(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:
        """One event, as python-socketio parsed it: a verb, unless the application has a handler for it."""
        namespace = namespace or "/"
        sid = self._manager.sid_from_eio_sid(eio_sid, namespace)
        session = self._hub.sessions.get(sid) if sid else None
        if session is None or not isinstance(data, list) or not data or not isinstance(data[0], str):
            return
        event, request = data[0], data[1] if len(data) > 1 else None
        if event not in self._server.reserved_events and self._application_handles(event, namespace):
            self._original_event(eio_sid, namespace, id, data)
            return

        def reply(answer: dict[str, Any]) -> None:
            if id is not None:
                self._server._send_packet(eio_sid, sio.Packet(sio.ACK, namespace=namespace, id=id, data=[answer]))

        if event == "call":  # waits for somebody else; what the client says meanwhile goes on
            runtime.spawn(self._api.answer, session, event, request, reply)
        else:
            self._api.answer(session, event, request, reply)

    def _application_handles(self, event: str, namespace: str) -> bool:
        handler, _ = self._server._get_event_handler(event, namespace, ())
        return handler is not None or self._server._get_namespace_handler(namespace, ())[0] is not None

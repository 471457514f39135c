"""Flask-SocketIO on the hub: connections, verbs and acknowledgements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import socketio
from flask import Flask
from socketio.exceptions import ConnectionRefusedError

from rt_service import log, runtime
from rt_service.api import Api
from rt_service.core.errors import InvalidData, NotFound, RtError, TooManyRequests
from rt_service.core.hub import Hub
from rt_service.core.session import Session
from rt_service.gateways import codecs
from rt_service.gateways.codecs import SocketIoWire
from rt_service.gateways.engineio import SocketIO, packets
from rt_service.gateways.engineio.connection import Connection
from rt_service.gateways.engineio.packets import Packet, Unusable
from rt_service.gateways.origins import Origins
from rt_service.gateways.socketio.client_manager import HubManager
from rt_service.gateways.socketio.transport import SocketIoTransport
from rt_service.metrics import Metrics
from rt_service.settings import Settings


class Json:
    """orjson behind the names that python-socketio asks for."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return orjson.dumps(value).decode()

    loads = staticmethod(orjson.loads)


class SocketIoGateway:
    """`socketio` is an ordinary Flask-SocketIO server: what an application adds with `@socketio.on` works beside it."""

    def __init__(
        self,
        app: Flask,
        hub: Hub,
        api: Api,
        metrics: Metrics,
        settings: Settings,
        origins: Origins,
    ) -> None:
        self._hub = hub
        self._api = api
        self._metrics = metrics
        self._log = log.get("socketio")
        self._quiet = log.Seldom(self._log, runtime.SystemClock())
        self._over_limit: dict[str, tuple[SocketIoTransport, RtError]] = {}
        self._manager = HubManager(hub, self._on_connected)
        self.socketio = SocketIO(
            app,
            client_manager=self._manager,
            json=Json,
            namespaces=settings.server.namespaces,
            cors_allowed_origins=origins,
            ping_interval=settings.socketio.ping_interval_s,
            ping_timeout=settings.socketio.ping_timeout_s,
            max_http_buffer_size=settings.limits.wire_bytes,
            max_waiting=settings.limits.waiting_bytes,
            max_attachments=settings.limits.attachments,
            per_message_deflate=settings.socketio.per_message_deflate,
            connect_timeout=settings.limits.join_first_s,
            manage_session=False,
        )
        self._server: socketio.Server = self.socketio.server
        self.wire = SocketIoWire(self._server.eio.loop)
        self._original_event = self._server.on_event
        self._original_trigger = self._server._trigger_event
        self._server.on_event = self._on_event
        self._server.on_unusable = self._on_unusable
        self._server._trigger_event = self._on_trigger
        self._server.eio.too_slow = self._too_slow
        self._server.eio.dropped = lambda reason: metrics.dropped.labels(reason).inc()
        self._server.eio.on_closed = self._on_closed
        self._server.eio.on_foreign_origin = origins.refused
        self._server.invalid_namespace = self._invalid_namespace

    @property
    def flushed(self) -> bool:
        """Whether nothing waits to be sent any more."""
        return all(not connection.waiting for connection in self._server.eio.sockets.values())

    # -- what transports need

    def expect_ack(self, sid: str, answered: Callable[..., None]) -> int:
        number: int = self._manager._generate_ack_id(sid, answered)
        return number

    def forget_ack(self, sid: str, number: int) -> None:
        self._manager.callbacks.get(sid, {}).pop(number, None)

    def end(self, transport: SocketIoTransport, code: str, reconnect: bool) -> None:
        """A client comes back by itself when its connection breaks, but not when its namespace is disconnected."""
        self._metrics.closed.labels(code).inc()
        if reconnect:
            runtime.spawn(transport.connection.close)
        else:
            runtime.spawn(self._server.disconnect, transport.sid, transport.namespace)

    # -- connections

    def _too_slow(self, connection: Connection) -> None:
        """More waits for a connection than may: tell its sessions, who may come back and recover."""
        self._metrics.closed.labels("slow").inc()
        for session in connection.attached.values():
            session.transport.say_closing("slow", "too much waits; reconnect and recover", reconnect=True)
        connection.close(reason="slow")

    def _on_closed(self, connection: Connection, reason: str, what: str) -> None:
        self._metrics.closed.labels(reason).inc()
        self._quiet.info("connection_closed", connection=connection.sid, reason=reason, what=what)

    def _invalid_namespace(self, namespace: str) -> dict[str, Any]:
        """What a client is told; `message` is what socket.io-client shows."""
        there_are = ", ".join(self._server.namespaces)
        refusal = NotFound(f"there is no namespace {namespace[:64]}; there are {there_are}")
        return {"message": "Invalid namespace", "data": self._api.refusal(refusal)["error"]}

    def _on_trigger(self, event: str, namespace: str, *args: Any) -> Any:
        """Application handlers run too, after ours on connect and before ours on disconnect."""
        if event == "connect":
            self._connect(namespace, *args)
        answer = self._original_trigger(event, namespace, *args)
        if event == "disconnect":
            self._disconnect(args[0], args[1], namespace)
        return answer

    def _connect(self, namespace: str, sid: str, environ: Any, auth: Any = None) -> None:
        if self._hub.sessions.get(sid) is not None:
            return  # python-socketio tries again without `auth` when a handler takes no such argument
        connection = self._server.eio.sockets.get(self._manager.eio_sid_from_sid(sid, namespace))
        if connection is None:
            raise ConnectionRefusedError("the connection is gone")
        transport = SocketIoTransport(self, connection, sid, namespace)
        try:
            session = self._api.connect(sid, namespace, auth or {}, transport)
        except TooManyRequests as error:
            self._over_limit[sid] = (transport, error)  # told by `closing`, which needs a connected client
            return
        except RtError as error:
            refusal = self._api.refusal(error)["error"]
            raise ConnectionRefusedError(error.message, refusal) from None
        connection.attached[namespace] = session
        self._metrics.sessions.labels("socketio").inc()

    def _on_connected(self, sid: str, namespace: str) -> None:
        over = self._over_limit.pop(sid, None)
        if over is not None:
            transport, error = over
            transport.close(error.code, error.message, reconnect=False, retry_after_ms=error.retry_after_ms or 0)

    def _disconnect(self, sid: str, reason: str, namespace: str) -> None:
        session = self._hub.sessions.get(sid)
        if session is not None and isinstance(session.transport, SocketIoTransport):
            meant = self._server.reason
            left = reason in (meant.CLIENT_DISCONNECT, meant.SERVER_DISCONNECT)
            session.may_return = not left and not session.transport.connection.said_goodbye
            session.transport.connection.attached.pop(namespace, None)
            session.transport.gone()
            self._metrics.sessions.labels("socketio").dec()

    # -- events

    def _on_event(self, connection: Connection, packet: Packet) -> None:
        """A verb, unless the application has a handler of that name."""
        namespace, data = packet.namespace, packet.data
        session = connection.attached.get(namespace)
        if session is None:
            return
        verb, request = data[0], data[1] if len(data) > 1 else None
        if self._application_handles(verb, namespace):
            self._original_event(connection, packet)
            return

        def reply(answer: dict[str, Any]) -> None:
            self._reply(connection, packet, session, answer)

        if verb == "call":  # waits for somebody else; what the client says meanwhile goes on
            runtime.spawn(self._api.answer, session, verb, request, reply)
        else:
            self._api.answer(session, verb, request, reply)

    def _reply(self, connection: Connection, packet: Packet, session: Session, answer: dict[str, Any]) -> None:
        if packet.id is not None:
            connection.send_frame(codecs.packet(packets.ACK, packet.namespace, [answer], packet.id))
        elif not answer["ok"]:
            self._quiet.info("refused_unheard", verb=packet.data[0][:64], session=session.sid, **answer["error"])

    def _on_unusable(self, connection: Connection, error: Unusable) -> bool:
        """Whether somebody was told: half an emoji in what somebody says is no reason to end the connection."""
        packet = error.packet
        session = connection.attached.get(packet.namespace)
        is_answer = packet.type == packets.ACK
        if session is None or (not is_answer and self._application_handles(packet.data[0], packet.namespace)):
            return False
        answer = self._api.refusal(InvalidData(str(error)))
        if is_answer:  # of a call: whoever called is told
            self._server._handle_ack(connection.sid, packet.namespace, packet.id, [{"error": answer["error"]}])
        else:
            self._reply(connection, packet, session, answer)
        return True

    def _application_handles(self, event: str, namespace: str) -> bool:
        server = self._server
        if not server.handlers and not server.namespace_handlers:
            return False
        handler, _ = server._get_event_handler(event, namespace, ())
        handles = handler is not None or server._get_namespace_handler(namespace, ())[0] is not None
        return handles and event not in server.reserved_events

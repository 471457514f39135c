"""The Socket.IO server (protocol v5): python-socketio's, with packets taken straight from the wire."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import eventlet
import socketio
from eventlet.event import Event
from socketio import packet as sio

from rt_service.gateways.engineio import packets
from rt_service.gateways.engineio.client_manager import RoomManager
from rt_service.gateways.engineio.connection import Connection, PacketError
from rt_service.gateways.engineio.packets import Malformed, Packet, Unusable
from rt_service.gateways.engineio.server import Server as EngineServer

log = logging.getLogger("rt_service.engineio")

HANDLERS_PER_CONNECTION = 100  # in greenlets of their own; then its next event waits until one has ended


class Server(socketio.Server):
    """Options besides those of `socketio.Server` and `engineio.server.Server`:

    `connect_timeout`: seconds that a client has to connect to a first namespace (None: any time).
    `max_attachments`: binary parts of one packet.
    """

    def __init__(self, *, connect_timeout: float | None = 45.0, max_attachments: int = 64, **options: Any) -> None:
        options.setdefault("client_manager", RoomManager())
        self.connect_timeout = connect_timeout
        self.max_attachments = max_attachments
        super().__init__(**options)
        self.invalid_namespace: Callable[[str], dict[str, Any]] = lambda namespace: {"message": "Invalid namespace"}
        self.on_unusable: Callable[[Connection, Unusable], bool] = lambda connection, error: False
        self.eio.on_text = self.on_text
        self.eio.on_binary = self.on_binary

    def _engineio_server_class(self) -> type[EngineServer]:
        return EngineServer

    # -- from the wire; in a greenlet, in order for each connection

    def on_text(self, connection: Connection, message: bytes) -> None:
        """One Engine.IO text message, `4` included. Raises PacketError."""
        if connection.attachments is not None:
            raise PacketError("a text packet where an attachment is due")
        try:
            packet = packets.parse(message, self.max_attachments)
        except Malformed as error:
            if isinstance(error, Unusable) and self.on_unusable(connection, error):
                return
            raise PacketError(str(error)) from None
        if packet.attachments:
            connection.attachments = (packet, [])
        else:
            self.on_packet(connection, packet)

    def on_binary(self, connection: Connection, payload: bytes) -> None:
        """One attachment. Raises PacketError."""
        if connection.attachments is None:
            raise PacketError("an attachment that was not announced")
        packet, parts = connection.attachments
        parts.append(payload)
        if sum(map(len, parts)) > self.eio.max_http_buffer_size:
            raise PacketError("the attachments of a packet are too large together")
        if len(parts) < packet.attachments:
            return
        connection.attachments = None
        try:
            whole = packets.with_attachments(packet, parts)
        except Malformed as error:
            raise PacketError(str(error)) from None
        self.on_packet(connection, whole)

    def on_packet(self, connection: Connection, packet: Packet) -> None:
        """One whole packet."""
        kind, namespace = packet.type, packet.namespace
        if kind == packets.EVENT:
            self.on_event(connection, packet)
        elif kind == packets.ACK:
            self._handle_ack(connection.sid, namespace, packet.id, packet.data)
        elif kind == packets.CONNECT:
            self._handle_connect(connection.sid, namespace, packet.data)
        else:
            self._handle_disconnect(connection.sid, namespace, self.reason.CLIENT_DISCONNECT)

    def on_event(self, connection: Connection, packet: Packet) -> None:
        """An event of a client: run the application's handler."""
        sid = self.manager.sid_from_eio_sid(connection.sid, packet.namespace)
        if sid is None or not self.manager.is_connected(sid, packet.namespace):
            return
        if packet.data[0] in self.reserved_events:  # or a client could run the application's own connect handler
            return
        arguments = (self, sid, connection.sid, packet.data, packet.namespace, packet.id)
        if not self.async_handlers:
            self._guarded(arguments)
            return
        if connection.handlers >= HANDLERS_PER_CONNECTION:
            connection.handler_ended = Event()
            connection.handler_ended.wait()
        connection.handlers += 1
        self.eio.loop.spawn(self._run_handler, connection, arguments)

    def _run_handler(self, connection: Connection, arguments: tuple[Any, ...]) -> None:
        try:
            self._guarded(arguments)
        finally:
            connection.handlers -= 1
            ended, connection.handler_ended = connection.handler_ended, None
            if ended is not None:
                ended.send()

    def _guarded(self, arguments: tuple[Any, ...]) -> None:
        try:
            self._handle_event_internal(*arguments)
        except (Exception, eventlet.Timeout):
            log.exception("a handler of %r failed", arguments[3][0])

    # -- to the wire

    def frame_of(self, packet: sio.Packet) -> bytes:
        """A python-socketio packet as WebSocket frames."""
        kind = packet.packet_type - 3 if packet.packet_type >= sio.BINARY_EVENT else packet.packet_type
        return packets.frame(kind, packet.namespace or "/", packet.data, packet.id)

    def _send_packet(self, eio_sid: str, pkt: sio.Packet) -> None:
        connection = self.eio.sockets.get(eio_sid)
        if connection is not None:
            connection.send_frame(self.frame_of(pkt))

    def _send_eio_packet(self, eio_sid: str, eio_pkt: Any) -> None:
        connection = self.eio.sockets.get(eio_sid)
        if connection is not None:
            connection.send(eio_pkt)

    # -- connecting

    def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        super()._handle_eio_connect(eio_sid, environ)
        if self.connect_timeout is not None:
            eventlet.hubs.get_hub().schedule_call_global(
                self.connect_timeout, self.eio.loop.spawn, self._check_connected, eio_sid
            )

    def _check_connected(self, eio_sid: str) -> None:
        connection = self.eio.sockets.get(eio_sid)
        if connection is not None and not connection.namespaces:
            self.eio.on_closed(connection, "join_timeout", "no namespace was connected to in time")
            connection.close(reason=self.reason.SERVER_DISCONNECT)

    def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        namespace = namespace or "/"
        known = self.namespaces == "*" or namespace in self.namespaces
        if not (known or namespace in self.handlers or namespace in self.namespace_handlers):
            refusal = self.invalid_namespace(namespace)
            self._send_packet(eio_sid, sio.Packet(sio.CONNECT_ERROR, data=refusal, namespace=namespace))
            return
        connection = self.eio.sockets.get(eio_sid)
        if connection is not None:
            connection.namespaces += 1
        super()._handle_connect(eio_sid, namespace, data)

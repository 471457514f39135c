"""The Engine.IO server (protocol v4) behind python-socketio: HTTP requests to connections."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import engineio
import eventlet.wsgi
from engineio import packet
from eventlet.event import Event

from rt_service.gateways.engineio import frames, http
from rt_service.gateways.engineio.body import BrokenBody
from rt_service.gateways.engineio.connection import Connection
from rt_service.gateways.engineio.farewell import Farewell
from rt_service.gateways.engineio.frames import Deflater, Inflater, Reader
from rt_service.gateways.engineio.heartbeat import Heartbeats
from rt_service.gateways.engineio.loop import Loop
from rt_service.gateways.engineio.probe import Probe
from rt_service.gateways.engineio.wire import Wire, wire_on

log = logging.getLogger("rt_service.engineio")

Response = dict[str, Any]
Environ = dict[str, Any]
StartResponse = Callable[..., Any]

# What Engine.IO servers say to a request that they refuse.
UNKNOWN_TRANSPORT = (0, "Transport unknown")
UNKNOWN_SID = (1, "Session ID unknown")
BAD_METHOD = (2, "Bad handshake method")
BAD_REQUEST = (3, "Bad request")
FORBIDDEN = (4, "Forbidden")
UNSUPPORTED_VERSION = (5, "Unsupported protocol version")


class Server(engineio.Server):
    """Options besides those of `engineio.Server`:

    `max_waiting`: bytes that may wait for one client; one that is slower than that is closed.
    `per_message_deflate`: compress for clients that ask (off).
    """

    def __init__(self, *, max_waiting: int = 1 << 20, per_message_deflate: bool = False, **options: Any) -> None:
        options["monitor_clients"] = False  # the heartbeats do it
        super().__init__(**options)
        self.loop = Loop()
        self.heartbeats = Heartbeats(self.ping_interval, self.ping_timeout)
        self.max_waiting = max_waiting
        self.per_message_deflate = per_message_deflate
        self.on_text: Callable[[Connection, bytes], None] = self._plain_text
        self.on_binary: Callable[[Connection, bytes], None] = self._plain_binary
        self.too_slow: Callable[[Connection], None] = lambda connection: connection.close(reason="slow")
        self.dropped: Callable[[str], None] = lambda reason: None
        self.on_foreign_origin: Callable[[str], None] = lambda origin: None
        self.on_closed: Callable[[Connection, str, str], None] = self._log_closed

    # -- what connections need

    def forget(self, connection: Connection) -> None:
        """The connection is over."""
        if self.sockets.pop(connection.sid, None) is not None:
            connection.out.owner = connection.out.send = None  # or they would keep each other alive

    def _log_closed(self, connection: Connection, reason: str, what: str) -> None:
        log.warning("%s closed, %s: %s", connection.sid, reason, what)

    def _plain_text(self, connection: Connection, message: bytes) -> None:
        self._trigger_event("message", connection.sid, message[1:].decode(), run_async=False)

    def _plain_binary(self, connection: Connection, payload: bytes) -> None:
        self._trigger_event("message", connection.sid, payload, run_async=False)

    def disconnect(self, sid: str | None = None) -> None:
        """Close one connection, or all."""
        for connection in [self.sockets.get(sid)] if sid is not None else list(self.sockets.values()):
            if connection is not None:
                connection.close(reason=self.reason.SERVER_DISCONNECT)

    def _get_socket(self, sid: str) -> Connection:
        connection: Connection | None = self.sockets.get(sid)
        if connection is None or connection.closed:
            raise KeyError("Session not found")
        return connection

    # -- requests

    def handle_request(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """A WSGI application."""
        response = self._respond(environ)
        if response is None:  # a WebSocket took the connection over
            eventlet.wsgi.WSGI_LOCAL.already_handled = True
            return []
        headers = response["headers"] + self._cors_headers(environ)
        body = self._compressed(response, environ, headers)
        start_response(response["status"], headers)
        return [body]

    def _respond(self, environ: Environ) -> Response | None:
        if not self._accepts_origin(environ):
            self.on_foreign_origin(environ["HTTP_ORIGIN"])
            return _refusal(BAD_REQUEST, "Not an accepted origin.")
        method = environ["REQUEST_METHOD"]
        if method == "OPTIONS":
            return _ok(b"")
        query = parse_qs(environ.get("QUERY_STRING", ""))
        transport = query.get("transport", [""])[0]
        if transport not in self.transports:
            return _refusal(UNKNOWN_TRANSPORT)
        if query.get("EIO") != ["4"]:
            return _refusal(UNSUPPORTED_VERSION)
        sid = query.get("sid", [None])[0]
        if sid is None:
            return self._open(environ, transport) if method == "GET" else _refusal(BAD_METHOD)
        connection = self.sockets.get(sid)
        if connection is None:
            return _refusal(UNKNOWN_SID)
        if transport == "websocket":
            return self._try_upgrade(connection, environ)
        return self._poll_or_post(connection, environ, method)

    def _accepts_origin(self, environ: Environ) -> bool:
        origin = environ.get("HTTP_ORIGIN")
        if not origin or self.cors_allowed_origins == []:
            return True
        allowed = self._cors_allowed_origins(environ)
        return allowed is None or origin in allowed

    def _poll_or_post(self, connection: Connection, environ: Environ, method: str) -> Response:
        if connection.upgraded or not connection.connected:
            return _refusal(BAD_REQUEST)
        if method == "GET":
            packets = connection.poll()
            return _refusal(BAD_REQUEST) if packets is None else _packets(packets)
        return self._post(connection, environ) if method == "POST" else _refusal(BAD_METHOD)

    def _post(self, connection: Connection, environ: Environ) -> Response:
        try:
            length = int(environ.get("CONTENT_LENGTH") or "")
        except ValueError:
            return _refusal(BAD_REQUEST)
        if connection.closed or not 0 < length <= self.max_http_buffer_size:
            connection.close(abort=True, reason=self.reason.TRANSPORT_ERROR)
            return _refusal(BAD_REQUEST)
        try:
            body = environ["wsgi.input"].read(length)
        except BrokenBody:
            body = b""
        good = len(body) == length and connection.post(body)
        return _ok(b"ok") if good else _refusal(BAD_REQUEST)

    def _open(self, environ: Environ, transport: str) -> Response | None:
        """A new connection."""
        key = http.accept_key(environ)
        if transport == "websocket" and key is None:
            return _refusal(BAD_REQUEST)
        sid = self.generate_id()
        connection = self.sockets[sid] = Connection(self, sid)
        refused = self._trigger_event("connect", sid, http.kept(environ), run_async=False)
        if refused is not None and refused is not True:
            del self.sockets[sid]
            return self._unauthorized(refused or None)
        self.heartbeats.start(connection)
        if transport == "websocket":
            assert key is not None
            wire, first = self._switch(environ, key, self._open_frame(sid, transport))
            connection.open(wire, first)
            self._keep_greenlet(environ, wire)
            return None
        connection.connected = True
        list.append(connection.out, self._open_frame(sid, transport))
        cookie = {"name": self.cookie} if isinstance(self.cookie, str) else self.cookie
        headers = [("Set-Cookie", self._generate_sid_cookie(sid, cookie))] if cookie else []
        return _packets(connection.poll() or b"", headers)

    def _open_frame(self, sid: str, transport: str) -> bytes:
        upgrades = b'"websocket"' if transport == "polling" and self._may_upgrade else b""
        told = b'0{"sid":"%s","upgrades":[%s],"pingInterval":%d,"pingTimeout":%d,"maxPayload":%d}'
        interval, timeout = round(self.ping_interval * 1000), round(self.ping_timeout * 1000)
        return frames.text(told % (sid.encode(), upgrades, interval, timeout, self.max_http_buffer_size))

    @property
    def _may_upgrade(self) -> bool:
        return bool(self.allow_upgrades) and "websocket" in self.transports

    # -- WebSocket

    def _switch(self, environ: Environ, key: bytes, greeting: bytes = b"") -> tuple[Wire, bytes]:
        """Answer the handshake and take the socket; `greeting` is the first frame, never compressed."""
        deflate = self.per_message_deflate and http.offers_deflate(environ)
        reader = Reader(self.max_http_buffer_size, Inflater() if deflate else None)
        if http.DETACH in environ:
            sock, first = environ[http.DETACH]()
        else:  # some other server than ours: its greenlet stays, see _keep_greenlet
            green = environ["eventlet.input"].get_socket()
            green.setblocking(False)
            sock, first = green.fd, b""
        http.greet(sock, http.switching_protocols(key, deflate) + greeting)
        return wire_on(sock, reader, Deflater() if deflate else None), first

    def _keep_greenlet(self, environ: Environ, wire: Wire) -> None:
        """A WSGI server that cannot let go of a socket closes it when its greenlet ends: keep that as long."""
        if http.DETACH not in environ:
            ended = Event()
            wire.closed = ended.send
            ended.wait()

    def _try_upgrade(self, connection: Connection, environ: Environ) -> Response | None:
        key = http.accept_key(environ)
        if key is None or not self._may_upgrade or not connection.connected:
            return _refusal(BAD_REQUEST)
        wire, first = self._switch(environ, key)
        if connection.upgraded or connection.upgrading or connection.closed:
            wire.start(Farewell(wire, frames.close(frames.NORMAL)))
        else:
            Probe(connection, wire, first)
        self._keep_greenlet(environ, wire)
        return None

    def _compressed(self, response: Response, environ: Environ, headers: list[tuple[str, str]]) -> bytes:
        body: bytes = response["response"]
        large = self.http_compression and len(body) >= self.compression_threshold
        if large and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            headers.append(("Content-Encoding", "gzip"))
            return self._gzip(body)
        return body


def _ok(body: bytes) -> Response:
    return {"status": "200 OK", "headers": [("Content-Type", "text/html")], "response": body}


def _packets(packets: bytes, headers: list[tuple[str, str]] | None = None) -> Response:
    headers = [("Content-Type", "text/plain; charset=UTF-8"), ("Cache-Control", "no-store"), *(headers or [])]
    return {"status": "200 OK", "headers": headers, "response": packets}


def _refusal(why: tuple[int, str], message: str | None = None) -> Response:
    code, text = why
    body = packet.Packet.json.dumps({"code": code, "message": message or text})
    return {"status": "400 Bad Request", "headers": [("Content-Type", "application/json")], "response": body.encode()}

"""MQTT over WebSocket at one path of the HTTP port, for browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rt_service import runtime
from rt_service.gateways.engineio import http
from rt_service.gateways.mqtt.gateway import MqttGateway
from rt_service.gateways.mqtt.streams import WebSocketStream
from rt_service.gateways.origins import Origins

PATH = "/mqtt"
SUBPROTOCOL = "mqtt"  # [MQTT-6.0.0-3]


class MqttOverWebSocket:
    """WSGI middleware: takes `/mqtt`, and leaves everything else to `app`."""

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        gateway: MqttGateway,
        origins: Origins,
        max_frame_bytes: int,
    ) -> None:
        self._app = app
        self._origins = origins
        self._gateway = gateway
        self._max_message = max_frame_bytes

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            return self._app(environ, start_response)
        if not self._origins.admits(environ):
            start_response("403 Forbidden", [("Content-Type", "application/json")])
            return [b'{"error":{"code":"forbidden","message":"this origin may not connect"}}']
        key = http.accept_key(environ)
        offered = [name.strip() for name in environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "").split(",")]
        if key is None or SUBPROTOCOL not in offered:
            start_response("400 Bad Request", [("Content-Type", "application/json")])
            text = b'{"error":{"code":"bad_request","message":"this is for WebSockets with the subprotocol mqtt"}}'
            return [text]
        first = environ[http.BEHIND]()
        sock = runtime.socket_of(environ)
        sock.sendall(http.switching_protocols(key, deflate=False, subprotocol=SUBPROTOCOL))
        self._gateway.serve_stream(WebSocketStream(sock, self._max_message, first))
        return []

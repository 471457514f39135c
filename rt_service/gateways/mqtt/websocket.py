"""MQTT over WebSocket at one path of the HTTP port, for browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rt_service import runtime
from rt_service.gateways.mqtt.gateway import MqttGateway

PATH = "/mqtt"


class MqttOverWebSocket:
    """WSGI middleware: takes `/mqtt`, and leaves everything else to `app`."""

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        gateway: MqttGateway,
        origins: Callable[[str | None, Mapping[str, Any]], bool],
        max_frame_bytes: int,
    ) -> None:
        self._app = app
        self._origins = origins
        self._websocket = runtime.websocket(gateway.serve_websocket, "mqtt", max_frame_bytes)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            return self._app(environ, start_response)
        if not self._origins(environ.get("HTTP_ORIGIN"), environ):
            start_response("403 Forbidden", [("Content-Type", "application/json")])
            return [b'{"error":{"code":"forbidden","message":"this origin may not connect"}}']
        return self._websocket(environ, start_response)

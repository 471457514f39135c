"""`/ws` and `/echo` of the HTTP port: the handshake, and the socket out of the WSGI server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rt_service import runtime
from rt_service.gateways import credentials
from rt_service.gateways.engineio import http
from rt_service.gateways.engineio.frames import Reader
from rt_service.gateways.engineio.wire import wire_on
from rt_service.gateways.origins import Origins
from rt_service.gateways.ws.echo import Echo
from rt_service.gateways.ws.gateway import WsGateway


class PlainWebSockets:
    """WSGI middleware: takes its paths, and leaves everything else to `app`."""

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        hosts: Mapping[str, WsGateway | Echo],
        origins: Origins,
        max_message: int,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins
        self._max_message = max_message

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        host = self._hosts.get(environ.get("PATH_INFO", ""))
        if host is None:
            return self._app(environ, start_response)
        if not self._origins.admits(environ):
            return _refusal(start_response, "403 Forbidden", "forbidden", "this origin may not connect")
        key = http.accept_key(environ)
        if key is None:
            return _refusal(start_response, "400 Bad Request", "bad_request", "this path is for WebSockets")
        runtime.answered_elsewhere()
        sock, first = environ[http.DETACH]()
        http.greet(sock, http.switching_protocols(key, deflate=False))
        connection = host.new(credentials.of_request(environ))
        connection.open(wire_on(sock, Reader(self._max_message)), first)
        return []


def _refusal(start_response: Callable[..., Any], status: str, code: str, message: str) -> list[bytes]:
    start_response(status, [("Content-Type", "application/json")])
    return [b'{"error":{"code":"%s","message":"%s"}}' % (code.encode(), message.encode())]

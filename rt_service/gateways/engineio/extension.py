"""Flask-SocketIO on this server: a drop-in for `flask_socketio.SocketIO`."""

from __future__ import annotations

from typing import Any

import flask_socketio

from rt_service.gateways.engineio.client_manager import RoomManager
from rt_service.gateways.engineio.protocol import HttpProtocol
from rt_service.gateways.engineio.sio import Server


class SocketIO(flask_socketio.SocketIO):
    """Everything that `flask_socketio.SocketIO` has, and the options of `sio.Server`. Runs on eventlet only."""

    server: Any

    def init_app(self, app: Any, **options: Any) -> None:
        if not (options.get("message_queue") or self.server_options.get("message_queue")):
            options.setdefault("client_manager", self.server_options.get("client_manager") or RoomManager())
        options["async_mode"] = "eventlet"
        super().init_app(app, **options)
        # Flask-SocketIO names the server's class itself, so its server is made and then replaced by ours.
        self.server = Server(**self.server_options)
        for event, handler, namespace in self.handlers:
            self.server.on(event, handler, namespace=namespace)
        for handler in self.namespace_handlers:
            self.server.register_namespace(handler)
        if app is not None:
            self.sockio_mw.engineio_app = self.server

    def run(self, app: Any, host: str | None = None, port: int | None = None, **options: Any) -> None:
        """Serve with eventlet; for a service of strangers use a listener with time-outs instead."""
        options.setdefault("protocol", HttpProtocol)
        options.setdefault("max_size", 65_536)
        super().run(app, host, port, **options)

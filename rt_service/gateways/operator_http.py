"""What who runs the service looks at besides sessions and metrics: rooms, settings, and what topics become."""

from __future__ import annotations

from typing import Any

from flask import Response

from rt_service.core.hub import Hub
from rt_service.gateways import http_types as types
from rt_service.gateways.http_requests import Requests, json, query
from rt_service.mqtt.explain import explained
from rt_service.mqtt.routes import Routes
from rt_service.settings import Settings, effective
from rt_service.verbs import convert


class OperatorHttp:
    def __init__(self, requests: Requests, hub: Hub, routes: Routes, settings: Settings) -> None:
        self._requests = requests
        self._hub = hub
        self._routes = routes
        self._settings = settings

    def all_rooms(self) -> Response:
        self._requests.operator("look")
        asked = query(types.Finding)
        found, total = self._hub.find_rooms(self._settings.server.namespaces, asked.filter, asked.limit)
        return json({"rooms": [room._asdict() for room in found], "total": total})

    def explain(self) -> Response:
        self._requests.operator("look")
        asked: Any = convert("explain", self._requests.object(), types.Explaining)
        return json({"lines": explained(asked.topic, self._routes, self._settings.server.namespaces)})

    def settings(self) -> Response:
        """Admins only: it says where everything is."""
        self._requests.operator("settings")
        return json({"settings": effective(self._settings)})

"""How the service itself is doing, over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask import Response

from rt_service.gateways import http_types as types
from rt_service.gateways.http_requests import Requests, json, query
from rt_service.metrics import Metrics
from rt_service.mqtt.dead_letters import DeadLetters

Check = Callable[[], str | None]


class ServiceHttp:
    """`checks` are asked by /readyz, each for None or what is wrong."""

    def __init__(
        self, requests: Requests, metrics: Metrics, dead_letters: DeadLetters, checks: Mapping[str, Check]
    ) -> None:
        self._requests = requests
        self._metrics = metrics
        self._dead_letters = dead_letters
        self._checks = checks

    def livez(self) -> Response:
        return json({"ok": True})

    def readyz(self) -> Response:
        wrong = {name: said for name, check in self._checks.items() if (said := check()) is not None}
        state = {name: wrong.get(name, "ok") for name in self._checks}
        return json({"ok": not wrong, "checks": state}, 503 if wrong else 200)

    def metrics(self) -> Response:
        self._requests.operator("look")
        return Response(self._metrics.text(), content_type="text/plain; version=0.0.4; charset=utf-8")

    def dead_letters(self) -> Response:
        self._requests.operator("look")
        newest = self._dead_letters.newest(query(types.LettersQuery).limit)
        return json({"dead_letters": [letter.as_dict() for letter in newest]})

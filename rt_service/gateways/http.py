"""Plain HTTP: the pages, the service's health, its metrics, and errors as JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask, Response, request, send_from_directory
from werkzeug.exceptions import HTTPException

from rt_service.core import encoding
from rt_service.core.errors import RtError, Unavailable
from rt_service.devices.registry import Devices
from rt_service.metrics import Metrics
from rt_service.mqtt.dead_letters import DeadLetters

WEB = Path(__file__).resolve().parent.parent / "web"
Check = Callable[[], str | None]

_CODES = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "bad_request"} | {
    413: "too_large",
    429: "too_many_requests",
}


def create_app(metrics: Metrics, dead_letters: DeadLetters, devices: Devices, checks: dict[str, Check]) -> Flask:
    """The Flask application; `checks` are asked by /readyz, each for None or what is wrong."""
    app = Flask("rt_service", static_folder=None)
    app.register_error_handler(Exception, _error)

    @app.get("/")
    def index() -> Response:
        return _page("index.html")

    @app.get("/web/<path:name>")
    def asset(name: str) -> Response:
        return _page(name)

    @app.get("/livez")
    def livez() -> Response:
        return _json({"ok": True})

    @app.get("/readyz")
    def readyz() -> Response:
        wrong = {name: said for name, check in checks.items() if (said := check()) is not None}
        state = {name: wrong.get(name, "ok") for name in checks}
        return _json({"ok": not wrong, "checks": state}, 503 if wrong else 200)

    @app.get("/metrics")
    def scrape() -> Response:
        return Response(metrics.text(), content_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/api/v1/dead-letters")
    def letters() -> Response:
        limit = request.args.get("limit", 100, type=int)
        return _json({"dead_letters": [letter.as_dict() for letter in dead_letters.newest(max(0, limit))]})

    @app.get("/api/v1/devices")
    def known_devices() -> Response:
        return _json({"devices": devices.known()})

    return app


def _page(name: str) -> Response:
    if not (WEB / "index.html").is_file():
        raise Unavailable("the pages are not built: run `make web`, or `pip install -e .`")
    response = send_from_directory(WEB, name)
    response.headers["Content-Security-Policy"] = "default-src 'self'; style-src 'self' 'unsafe-inline'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-cache"
    return response


def _json(value: Any, status: int = 200) -> Response:
    return Response(encoding.dumps(value), status, content_type="application/json")


def _error(error: Exception) -> Response:
    """Every error of every path in the contract's shape."""
    if isinstance(error, RtError):
        response = _json({"error": error.as_dict()}, error.http_status)
        if error.retry_after_ms is not None:
            response.headers["Retry-After"] = str(-(-error.retry_after_ms // 1000))
        return response
    if isinstance(error, HTTPException) and error.code is not None:
        said = {"code": _CODES.get(error.code, "internal"), "message": error.description or error.name}
        return _json({"error": said}, error.code)
    raise error

"""The Flask application: pages, who may ask from which page, and errors as JSON. `operations` has what can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from flask import Blueprint, Flask, Response, current_app, request, send_from_directory
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from rt_service.api import Api
from rt_service.core import encoding
from rt_service.core.errors import ERRORS, BadRequest, Forbidden, Internal, RtError, Unavailable
from rt_service.gateways.http_requests import Refused, failure, tagged
from rt_service.gateways.openapi import document
from rt_service.gateways.operations import JSON
from rt_service.gateways.origins import Origins

S = TypeVar("S", Flask, Blueprint)
WEB = Path(__file__).resolve().parent.parent / "web"
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'"
CONSOLE_POLICY = (  # an admin's token is in this page: nothing of anybody else's is, not even a frame around it
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

_BY_STATUS = {error.http_status: error for error in reversed(ERRORS.values())}  # the first of each status


def create_app(api: Api, origins: Origins, namespaces: Sequence[str]) -> Flask:
    """An application of our own: its errors are JSON whatever is asked for."""
    app = Flask("rt_service", static_folder=None)
    app.url_map.merge_slashes = False  # nothing is redirected
    app.add_url_rule("/", "index", lambda: _page("index.html"))
    return _equip(app, api, origins, namespaces)


def create_blueprint(api: Api, origins: Origins, namespaces: Sequence[str]) -> Blueprint:
    """The same for somebody else's application, whose own pages and errors stay as they are."""
    return _equip(Blueprint("rt_service", "rt_service"), api, origins, namespaces)


def _equip(app: S, api: Api, origins: Origins, namespaces: Sequence[str]) -> S:
    _serve_pages(app, encoding.dumps(document(namespaces)))

    @app.before_request
    def admit() -> Response | None:
        if not origins.admits(request.environ):
            why = "a page of this origin may not ask here; server.cors_allowed_origins names those that may"
            return failure(Forbidden(why).as_dict())
        preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        return Response(status=204, headers=origins.preflight()) if preflight else None

    @app.after_request
    def tell(response: Response) -> Response:
        response.headers.extend(origins.headers(request.headers.get("Origin"), request.environ))
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        """Every error of every path, in the contract's shape, counted once."""
        if isinstance(error, Refused):
            return failure(error.error, error.status)
        if isinstance(error, RtError):
            return failure(api.refusal(error)["error"], error.http_status)
        if isinstance(error, HTTPException):
            return _refused_by_werkzeug(api, error)
        return failure(api.failure(error, path=request.path)["error"])

    return app


def _serve_pages(app: Flask | Blueprint, openapi: bytes) -> None:
    app.add_url_rule("/docs", "docs", lambda: _page("docs.html", f"{POLICY}; img-src 'self' data:"))
    app.add_url_rule("/console", "console", lambda: _page("console.html", CONSOLE_POLICY))
    app.add_url_rule("/web/<path:name>", "asset", _page)
    app.add_url_rule("/openapi.json", "openapi", lambda: tagged(Response(openapi, content_type=JSON)))


def _page(name: str, policy: str = POLICY) -> Response:
    if not (WEB / "index.html").is_file():
        raise Unavailable("the pages are not built: run `make web`, or `pip install -e .`")
    response = send_from_directory(WEB, name)
    response.headers["Content-Security-Policy"] = policy
    response.headers["Cache-Control"] = "no-cache"
    return response


def _refused_by_werkzeug(api: Api, error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400 or error.response is not None:  # a redirect, or an answer that an application gives by `abort`
        return current_app.make_response(error.get_response(request.environ))
    kind = _BY_STATUS.get(status, BadRequest if status < 500 else Internal)
    response = failure(api.refusal(kind(_plainly(error)))["error"], status)
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value  # Allow, Content-Range
    return response


def _plainly(error: HTTPException) -> str:
    if isinstance(error, NotFound):
        return f"there is nothing at {request.path[:200]}; /docs shows what there is"
    if isinstance(error, MethodNotAllowed):
        return f"{request.method[:20]} is not for this path; {', '.join(sorted(error.valid_methods or ()))} are"
    return error.description or error.name

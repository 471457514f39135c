"""Which pages may connect: the service's own, those on this machine, and those that the settings name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from rt_service import log, runtime
from rt_service.metrics import Metrics

ANY = "*"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
METHODS = "GET, HEAD, POST, PATCH, DELETE"
REQUEST_HEADERS = "Content-Type, Authorization, Last-Event-ID, If-Match, If-None-Match"
RESPONSE_HEADERS = "ETag, Retry-After, Stream-Position, Stream-Recovered"
PREFLIGHT_S = 600  # for which a browser need not ask again


class Origins:
    def __init__(self, allowed: Iterable[str], metrics: Metrics) -> None:
        self._allowed = frozenset(origin.rstrip("/") for origin in allowed)
        self._metrics = metrics
        self._quiet = log.Seldom(log.get("http"), runtime.SystemClock())

    def __call__(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        """Whether a request with this `Origin` header may go on. Clients that are no browsers send none."""
        if not origin or ANY in self._allowed or origin in self._allowed:
            return True
        own = f"{environ.get('wsgi.url_scheme', 'http')}://{environ.get('HTTP_HOST', '')}"
        return origin == own or _is_local(origin)

    def admits(self, environ: Mapping[str, Any]) -> bool:
        """Whether this request may go on; one that may not is counted."""
        origin = environ.get("HTTP_ORIGIN")
        if self(origin, environ):
            return True
        self.refused(str(origin))
        return False

    def refused(self, origin: str) -> None:
        """Count a request that was refused for its origin."""
        self._metrics.refused.labels("origin").inc()
        help = "name it in server.cors_allowed_origins if it is a page of yours"
        self._quiet.info("origin_refused", origin=origin[:200], help=help)

    def headers(self, origin: str | None, environ: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What a response carries, so that a page of this origin may read it (CORS)."""
        same = [("Vary", "Origin")]
        if not origin or not self(origin, environ):
            return same
        return [*same, ("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", RESPONSE_HEADERS)]

    def preflight(self) -> list[tuple[str, str]]:
        """What pages may send; the response carries `headers` too."""
        return [
            ("Access-Control-Allow-Methods", METHODS),
            ("Access-Control-Allow-Headers", REQUEST_HEADERS),
            ("Access-Control-Max-Age", str(PREFLIGHT_S)),
        ]


def _is_local(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.hostname in LOCAL_HOSTS
    except ValueError:
        return False

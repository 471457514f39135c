"""Which pages may connect: the service's own, those on this machine, and those that the settings name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

ANY = "*"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Origins:
    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(origin.rstrip("/") for origin in allowed)

    def __call__(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        """Whether a request with this `Origin` header may go on. Clients that are no browsers send none."""
        if not origin or ANY in self._allowed or origin in self._allowed:
            return True
        own = f"{environ.get('wsgi.url_scheme', 'http')}://{environ.get('HTTP_HOST', '')}"
        return origin == own or _is_local(origin)

    def headers(self, origin: str | None, environ: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What lets a page of `origin` read the answer."""
        if not origin or not self(origin, environ):
            return []
        return [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]


def _is_local(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.hostname in LOCAL_HOSTS
    except ValueError:
        return False

"""In front of every request: whose it is behind a proxy, at which name it asks, whether its address has too many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rt_service import log, runtime
from rt_service.core import encoding
from rt_service.core.errors import Forbidden, RtError, TooManyRequests
from rt_service.gateways.addresses import Addresses, Crowded
from rt_service.gateways.engineio.http import AT_END
from rt_service.gateways.hosts import Hosts
from rt_service.gateways.proxies import Proxies
from rt_service.metrics import Metrics

STATUS = {403: "403 Forbidden", 429: "429 Too Many Requests"}


class Gate:
    """WSGI middleware."""

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        hosts: Hosts,
        proxies: Proxies,
        addresses: Addresses,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._proxies = proxies
        self._addresses = addresses
        self._metrics = metrics
        self._log = log.Seldom(log.get("http"), runtime.SystemClock())

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        handed_on = self._proxies.reveal(environ)
        try:
            self._check_host(environ)
            if handed_on:
                environ[AT_END].append(self._addresses.enter(environ["REMOTE_ADDR"]))
        except Crowded as crowded:
            self._count(environ, crowded.reason)
            return _refusal(start_response, crowded_out(crowded.reason, crowded.retry_after_s))
        except Forbidden as error:
            self._count(environ, "host", host=environ["HTTP_HOST"][:200], help="server.hosts names those that may be")
            return _refusal(start_response, error)
        return self._app(environ, start_response)

    def _check_host(self, environ: dict[str, Any]) -> None:
        if not self._hosts(environ.get("HTTP_HOST")):
            raise Forbidden("this service is not asked for at this name; server.hosts names those at which it is")

    def _count(self, environ: dict[str, Any], reason: str, **about: str) -> None:
        self._metrics.refused.labels(reason).inc()
        self._log.info("request_refused", reason=reason, address=environ["REMOTE_ADDR"], **about)


def crowded_out(reason: str, retry_after_s: float) -> TooManyRequests:
    """What a client is told; `reason` is that of `Crowded`."""
    what = "this address has as many connections as one may have"
    if reason == "connects_per_address":
        what = "this address connects faster than one may"
    return TooManyRequests(what, retry_after_ms=max(1, round(retry_after_s * 1000)))


def _refusal(start_response: Callable[..., Any], error: RtError) -> list[bytes]:
    headers = [("Content-Type", "application/json")]
    if error.retry_after_ms is not None:
        headers.append(("Retry-After", str(-(-error.retry_after_ms // 1000))))
    start_response(STATUS[error.http_status], headers)
    return [encoding.dumps({"error": error.as_dict()})]

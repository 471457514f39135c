"""What stands in front of every request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from rt_service.gateways.addresses import Addresses, Networks
from rt_service.gateways.engineio.http import AT_END
from rt_service.gateways.gate import Gate, crowded_out
from rt_service.gateways.hosts import Hosts
from rt_service.gateways.proxies import Proxies
from rt_service.metrics import Metrics
from tests.support.clock import ManualClock

PROXY, PEER, FAR = "10.0.0.1", "203.0.113.7", "192.0.2.1"


class Door:
    def __init__(self, most: int = 2, per_s: float = 2.0, burst: int = 10) -> None:
        self.metrics = Metrics()
        self.clock = ManualClock()
        self.addresses = Addresses(most, per_s, burst, self.clock)
        proxies = Proxies(Networks([PROXY]), "X-Forwarded-For")
        self.gate = Gate(self._app, Hosts([]), proxies, self.addresses, self.metrics)
        self.status = ""
        self.headers: dict[str, str] = {}
        self.over: list[Callable[[], None]] = []

    def _app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [environ["REMOTE_ADDR"].encode()]

    def ask(self, peer: str = PEER, host: str = "localhost", **headers: str) -> bytes:
        environ = {"REMOTE_ADDR": peer, "HTTP_HOST": host, "wsgi.url_scheme": "http", AT_END: []}
        body = b"".join(self.gate(environ | {f"HTTP_{k}": v for k, v in headers.items()}, self._answered))
        self.over = environ[AT_END]  # type: ignore[assignment]
        return body

    def _answered(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, dict(headers)


def test_a_client_that_comes_itself_was_counted_when_it_connected() -> None:
    door = Door()
    for _ in range(20):
        assert door.ask() == PEER.encode()
    assert len(door.addresses) == 0 and door.over == []


def test_a_request_through_a_proxy_counts_until_it_is_over() -> None:
    door = Door(most=1)
    assert door.ask(PROXY, X_FORWARDED_FOR=FAR) == FAR.encode()
    (over,) = door.over
    answer = door.ask(PROXY, X_FORWARDED_FOR=FAR)
    assert (door.status, door.headers["Retry-After"]) == ("429 Too Many Requests", "5")
    assert orjson.loads(answer)["error"]["message"] == "this address has as many connections as one may have"
    assert door.metrics.refused.labels("connections_per_address").value == 1
    over()
    assert door.ask(PROXY, X_FORWARDED_FOR=FAR) == FAR.encode()


def test_whoever_connects_too_fast_is_told_when_it_may_again() -> None:
    door = Door(most=100, per_s=0.4, burst=1)
    door.ask(PROXY, X_FORWARDED_FOR=FAR)
    error = orjson.loads(door.ask(PROXY, X_FORWARDED_FOR=FAR))["error"]
    assert error["message"] == "this address connects faster than one may" and error["retry_after_ms"] == 2500
    assert door.headers["Retry-After"] == "3"  # in whole seconds, and not too early
    assert door.metrics.refused.labels("connects_per_address").value == 1
    door.clock.advance(2.5)
    assert door.ask(PROXY, X_FORWARDED_FOR=FAR) == FAR.encode()


def test_nobody_is_told_to_come_again_at_once() -> None:
    assert crowded_out("connects_per_address", 0.0001).retry_after_ms == 1


@pytest.mark.parametrize("peer", [PEER, PROXY])
def test_the_log_says_who_asked_at_a_strangers_name_and_not_more_of_it_than_needed(peer: str) -> None:
    door = Door()
    with capture_logs() as lines:
        error = orjson.loads(door.ask(peer, host="x" * 300 + ".example", X_FORWARDED_FOR=FAR))["error"]
    assert door.status == "403 Forbidden" and error["code"] == "forbidden" and "Retry-After" not in door.headers
    (line,) = [line for line in lines if line["event"] == "request_refused"]
    assert line["address"] == (FAR if peer == PROXY else PEER) and len(line["host"]) == 200
    assert door.metrics.refused.labels("host").value == 1

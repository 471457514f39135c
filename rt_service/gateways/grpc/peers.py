"""How often each address makes this process connect to the service, which counts all of that as one address' doing."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import unquote

from grpc.aio import ServicerContext

from rt_service.core.errors import TooManyRequests
from rt_service.core.limits import Buckets, TokenBucket
from rt_service.gateways.addresses import counted

SHARE = 2  # of what the service allows this process: an address has half of it


class Peers:
    """Streams take a connection each, and so does a request after one that its client cancelled."""

    def __init__(self, per_s: float, burst: int) -> None:
        """What the service allows one address."""
        self._rates = Buckets(per_s / SHARE, max(1, burst // SHARE))

    def open(self, context: ServicerContext[Any, Any]) -> None:
        """A stream. Raises TooManyRequests."""
        bucket, now = self._of(context)
        _check(bucket.take(now))

    def ask(self, context: ServicerContext[Any, Any]) -> None:
        """A request. Raises TooManyRequests where too many were cancelled."""
        bucket, now = self._of(context)
        _check(bucket.wait(now))

    def cancelled(self, context: ServicerContext[Any, Any]) -> None:
        bucket, now = self._of(context)
        bucket.take(now)

    def _of(self, context: ServicerContext[Any, Any]) -> tuple[TokenBucket, float]:
        now = time.monotonic()
        return self._rates.of(_address(context.peer()), now), now


def _address(peer: str) -> str:
    """Of what gRPC calls a peer: `ipv4:192.0.2.1:4711`, `ipv6:%5B::1%5D:4711`."""
    return counted(unquote(peer.partition(":")[2].rpartition(":")[0]).strip("[]"))


def _check(wait_s: float) -> None:
    if wait_s:
        why = "this address opens streams, or cancels requests, faster than one may"
        raise TooManyRequests(why, retry_after_ms=max(1, round(wait_s * 1000)))

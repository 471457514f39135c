"""How much a session may: token buckets, on a clock that is handed in."""

from __future__ import annotations

from collections import OrderedDict

from rt_service.core.errors import TooManyRequests


class TokenBucket:
    """`rate` per second on average, `burst` at once (the GCRA form: one number of state).

    >>> bucket = TokenBucket(rate=2, burst=1, now=0.0)
    >>> bucket.take(0.0), bucket.take(0.0), bucket.take(0.5)
    (0.0, 0.5, 0.0)
    """

    __slots__ = ("_full_at", "_interval", "_slack")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._interval = 1.0 / rate
        self._slack = (burst - 1) * self._interval
        self._full_at = now

    def take(self, now: float) -> float:
        """Take one token: 0.0 if there was one, else the seconds until there is (and nothing is taken)."""
        full_at = self._full_at if self._full_at > now else now
        wait = full_at - now - self._slack
        if wait > 1e-6:  # less is the rounding of sums
            return wait
        self._full_at = full_at + self._interval
        return 0.0

    def wait(self, now: float) -> float:
        """What `take` would return; nothing is taken."""
        wait = self._full_at - now - self._slack
        return wait if wait > 1e-6 else 0.0


class Buckets:
    """A bucket for each name; past `most` the one that was asked for longest ago is forgotten, as if it were full."""

    def __init__(self, rate: float, burst: int, most: int = 10_000) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, name: str, now: float) -> TokenBucket:
        bucket = self._buckets.get(name)
        if bucket is not None:
            self._buckets.move_to_end(name)
            return bucket
        if len(self._buckets) >= self._most:
            self._buckets.popitem(last=False)
        bucket = self._buckets[name] = TokenBucket(self._rate, self._burst, now)
        return bucket


class Pace:
    """How often each may do something, on average; `what` stands in the refusal: "joins", say."""

    def __init__(self, what: str, per_s: float, burst: int) -> None:
        self._refusal = f"more than {per_s:g} {what} a second"
        self._buckets = Buckets(per_s, burst)

    def check(self, name: str, now: float) -> None:
        """Raises TooManyRequests where `name` does it faster than it may."""
        wait_s = self._buckets.of(name, now).take(now)
        if wait_s:
            raise TooManyRequests(self._refusal, retry_after_ms=int(wait_s * 1000) + 1)

"""How much a session may: token buckets, on a clock that is handed in."""

from __future__ import annotations


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

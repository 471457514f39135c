from __future__ import annotations

import pytest

from rt_service.core.limits import TokenBucket


def test_a_burst_is_let_through_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=10, burst=3, now=0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(0.1)]
    assert bucket.take(0.1) == 0.0
    assert bucket.take(0.1) > 0


def test_a_refused_attempt_costs_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1, now=0.0)
    bucket.take(0.0)
    for _ in range(100):
        assert bucket.take(0.5) > 0
    assert bucket.take(1.0) == 0.0


def test_quiet_time_saves_up_one_burst_and_no_more() -> None:
    bucket = TokenBucket(rate=10, burst=3, now=0.0)
    assert [bucket.take(1000.0) == 0.0 for _ in range(4)] == [True, True, True, False]


def test_the_average_over_a_long_time_is_the_rate() -> None:
    bucket = TokenBucket(rate=200, burst=400, now=0.0)
    taken = sum(bucket.take(n / 1000) == 0.0 for n in range(10_000))
    assert 2390 <= taken <= 2400

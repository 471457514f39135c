from __future__ import annotations

import pytest

from rt_service.core.errors import TooManyRequests
from rt_service.core.limits import Buckets, TokenBucket
from rt_service.core.model import Identity, known_as
from rt_service.publishing import ApiBounds
from tests.support.core import Core


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


def test_each_name_has_a_bucket_of_its_own_and_the_oldest_is_forgotten() -> None:
    buckets = Buckets(rate=1, burst=1, most=2)
    assert buckets.of("a", 0.0).take(0.0) == 0.0 and buckets.of("b", 0.0).take(0.0) == 0.0
    assert buckets.of("a", 0.0).take(0.0) > 0
    assert buckets.of("c", 0.0).take(0.0) == 0.0  # in place of b, which was asked for longest ago
    assert buckets.of("a", 0.0).take(0.0) > 0 and len(buckets) == 2


def test_names_without_end_take_no_more_than_so_many_buckets() -> None:
    buckets = Buckets(rate=1, burst=1)
    for n in range(10_100):
        buckets.of(f"name-{n}", 0.0)
    assert len(buckets) == 10_000


def test_who_joins_faster_than_it_may_is_told_when_to_try_again() -> None:
    core = Core(api_bounds=ApiBounds(joins_per_s=2, join_burst=3))
    alice = core.client("alice")
    for _ in range(3):
        alice.ok("join", room="r")
    error = core.client("alice").ask("join", {"room": "r"})["error"]
    assert error["code"] == "too_many_requests" and 0 < error["retry_after_ms"] <= 501
    core.client("bob").ok("join", room="r")
    core.clock.advance(0.5)
    alice.ok("join", room="r")


def test_who_makes_rooms_faster_than_it_may_can_still_enter_those_that_are_there() -> None:
    core = Core(api_bounds=ApiBounds(new_rooms_per_s=1, new_room_burst=2))
    alice, bob = core.client("alice"), core.client("bob")
    alice.ok("join", room="one")
    alice.ok("join", room="two")
    assert alice.refused("join", room="three") == "too_many_requests"
    bob.ok("join", room="three")
    alice.ok("join", room="three")
    with pytest.raises(TooManyRequests):
        core.api.publishing.publish(lambda receipt: None, alice.session.who, "/chat", "four", "say", 1)
    core.api.publishing.publish(lambda receipt: None, known_as(Identity("service", "s")), "/chat", "four", "say", 1)
    core.api.publishing.publish(lambda receipt: None, alice.session.who, "/chat", "four", "say", 1)

"""Garbage that lived for a while is found while nothing goes on, whatever the service was busy with before."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from rt_service.tuning import GarbageCollector


class Loop:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(20_000, 10, 1_000_000)
    yield
    gc.set_threshold(*before)


def test_garbage_of_connections_that_published_nothing_is_collected() -> None:
    loops = [Loop() for _ in range(30_000)]  # as many as make the young ones be looked at
    found = weakref.ref(loops[0])
    loops.clear()
    assert found() is not None
    GarbageCollector(lambda: 0.0)._look()
    assert found() is None


def test_a_busy_service_is_not_stopped_for_garbage() -> None:
    counts = iter(range(1, 1000))
    collector = GarbageCollector(lambda: float(next(counts)))
    loops = [Loop() for _ in range(30_000)]
    found = weakref.ref(loops[0])
    loops.clear()
    collector._look()
    assert found() is not None

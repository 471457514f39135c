from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.service import Service

ALONE = (
    "chaos/", "hostile/", "e2e/test_benchmarks", "integration/test_fairness", "integration/test_slow_readers",
    "integration/test_tls_attacks",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(part in item.nodeid for part in ALONE):
            item.add_marker("alone")


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """One service that many tests share; each uses rooms, users and devices of its own.

    python-engineio's polling client sometimes says no goodbye and waits for the next ping, so pings are frequent.
    """
    with Service("--set", "socketio.ping_interval_s=1") as running:
        yield running

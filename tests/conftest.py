from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.service import Service

ALONE = (
    "chaos/", "e2e/test_benchmarks", "integration/test_fairness", "integration/test_slow_readers",
    "integration/test_tls_attacks", "hostile/",
)  # fmt: skip
BESIDE_OTHERS = (  # attacks by what is said, not by how much of it
    "hostile/test_json", "hostile/test_log", "hostile/test_mqtt_abuse", "hostile/test_names", "hostile/test_pages",
    "hostile/test_rights", "hostile/test_since", "hostile/test_tokens",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(part in item.nodeid for part in ALONE) and not any(part in item.nodeid for part in BESIDE_OTHERS):
            item.add_marker("alone")


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """One service that many tests share; each uses rooms, users and devices of its own.

    python-engineio's polling client sometimes says no goodbye and waits for the next ping, so pings are frequent.
    """
    with Service("--set", "socketio.ping_interval_s=1") as running:
        yield running

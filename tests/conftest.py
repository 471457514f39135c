from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.service import Service


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """One service that many tests share; each uses rooms, users and devices of its own.

    python-engineio's polling client sometimes says no goodbye and waits for the next ping, so pings are frequent.
    """
    with Service("--set", "socketio.ping_interval_s=1") as running:
        yield running

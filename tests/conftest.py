from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.service import Service


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """One service that many tests share; each uses rooms, users and devices of its own."""
    with Service() as running:
        yield running

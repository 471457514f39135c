"""The device kit's device, as the tests use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rt_device import Device
from tests.support.service import Service


@contextmanager
def kit(service: Service | str, id: str, *, queued: int = 1000, **login: Any) -> Iterator[Device]:
    """A device that is connected, and says goodbye at the end."""
    device = Device(id, queued=queued)
    device.connect(service if isinstance(service, str) else service.mqtt, **login)
    try:
        yield device
    finally:
        device.disconnect()

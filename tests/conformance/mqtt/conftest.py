"""One broker with small bounds, and clients that speak to it on the wire."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.support.raw_mqtt import RawMqtt
from tests.support.service import Service

Dial = Callable[..., RawMqtt]
_numbers = itertools.count()


@pytest.fixture(scope="module")
def broker() -> Iterator[Service]:
    limits = {
        "mqtt.connect_s": "4", "mqtt.packet_bytes": "20000", "mqtt.receive_maximum": "5", "mqtt.topic_aliases": "3",
        "mqtt.keepalive_max_s": "60", "mqtt.queued": "10", "mqtt.retained": "20", "mqtt.subscriptions": "6",
        "mqtt.session_expiry_max_s": "100",
    }  # fmt: skip
    with Service(*(part for name, value in limits.items() for part in ("--set", f"{name}={value}"))) as running:
        yield running


@pytest.fixture
def dial(broker: Service) -> Iterator[Dial]:
    opened: list[RawMqtt] = []

    def dial(version: int = 5) -> RawMqtt:
        opened.append(RawMqtt(broker.mqtt, version))
        return opened[-1]

    yield dial
    for client in opened:
        client.close()


@pytest.fixture(params=[5, 4], ids=["5.0", "3.1.1"])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def topic() -> str:
    return f"t/{next(_numbers)}"


@pytest.fixture
def name() -> str:
    return f"client-{next(_numbers)}"

"""What strangers get written into the log, as who runs the service sees it on a terminal."""

from __future__ import annotations

from rt_service.mqtt.packets import Publish
from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support import tokens
from tests.support.waiting import eventually

SETTINGS = ("log.format=console",)
MORE = {"with_tokens": True}
COUNTED = 'rt_mqtt_refused_total{reason="not_authorized"}'
PUMP = {"username": "pump", "password": tokens.make("pump", kind="device").encode()}


SIGNS = "\x1b[2J\x07\x85\u2028\u202e\x9b31m"


def test_a_device_that_tells_a_terminal_what_to_do(siege: Siege) -> None:
    written = len(siege.service.log)
    with siege.attack(COUNTED) as service, ways.device(service, "pump", **PUMP) as pump:
        for signs in (SIGNS, SIGNS + "\r\n"):
            assert pump.publish(f"free{signs}logged_in") == 0x87
    *lines, end = siege.service.log[written:].split("\n")
    assert len(lines) == 2 and all("logged_in" in line and line.isprintable() for line in lines) and not end


def test_a_device_that_is_refused_topics_as_long_as_may_be(siege: Siege) -> None:
    before = siege.metrics().get(COUNTED, 0)
    with siege.attack(COUNTED) as service, ways.device(service, "pump", **PUMP) as pump:
        pump.send(*(Publish("x" * 65_000, b"", 1, packet_id=n + 1) for n in range(20)))
        eventually(lambda: siege.metrics().get(COUNTED, 0) >= before + 20)

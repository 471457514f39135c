"""The embedded broker against statements of the MQTT specifications, 5.0 and 3.1.1: connecting."""

from __future__ import annotations

import pytest

from rt_service.mqtt import codec, wire
from rt_service.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Kind,
    Ping,
)
from rt_service.mqtt.wire import Reason
from tests.conformance.mqtt.conftest import Dial
from tests.support.raw_mqtt import RawMqtt


def test_connect_is_answered_and_nothing_is_left_of_a_clean_session(dial: Dial, version: int, name: str) -> None:
    for _ in range(2):
        client = dial(version)
        connack = client.connect(name)
        assert (connack.reason, connack.session_present) == (0, False)
        client.send(Disconnect())
        assert client.receive() is None


def test_a_first_packet_that_is_not_connect_ends_the_connection(dial: Dial) -> None:  # MQTT-3.1.0-1
    assert dial().send(Ping(Kind.PINGREQ)).receive() is None


def test_a_second_connect_ends_the_connection(dial: Dial, name: str) -> None:  # MQTT-3.1.0-2
    client = dial()
    client.connect(name)
    client.send(Connect(name))
    assert client.ended_with() == Reason.PROTOCOL_ERROR


def test_a_connection_that_says_nothing_is_closed(dial: Dial) -> None:
    assert dial().receive() is None


def test_a_connection_that_trickles_is_closed(dial: Dial) -> None:
    client = dial()
    for byte in codec.encode(Connect("slow" * 50), 5):
        try:
            client.send(bytes((byte,)))
        except OSError:
            return
        if not _still_open(client):
            return
    pytest.fail("it was let in")


def _still_open(client: RawMqtt) -> bool:
    try:
        return client.receive(timeout_s=0.1) is not None
    except TimeoutError:
        return True


def test_an_unknown_protocol_version_is_refused_with_the_code_for_it(dial: Dial) -> None:  # MQTT-3.1.2-2
    client = dial(4)
    client.send(wire.packet(0x10, wire.text("MQTT") + b"\x09\x02\0\0" + wire.text("x")))
    assert client.expect(Connack).reason == 1
    assert client.receive() is None


def test_a_client_without_an_id_gets_one(dial: Dial) -> None:  # MQTT-3.1.3-6
    assert dial().connect("").properties["assigned_client_identifier"].startswith("auto-")
    assert dial(4).connect("").reason == 0


def test_a_3_1_1_client_without_an_id_may_not_have_a_session(dial: Dial) -> None:  # MQTT-3.1.3-8
    client = dial(4)
    assert client.connect("", clean_start=False).reason == 2
    assert client.receive() is None


def test_the_server_says_what_it_takes(dial: Dial, name: str) -> None:
    told = dial().connect(name, keepalive=600).properties
    assert (told["receive_maximum"], told["topic_alias_maximum"], told["maximum_packet_size"]) == (5, 3, 20000)
    assert told["server_keep_alive"] == 60


def test_an_authentication_method_is_not_known(dial: Dial, name: str) -> None:
    assert (
        dial().connect(name, properties={"authentication_method": "SCRAM"}).reason == Reason.BAD_AUTHENTICATION_METHOD
    )


def test_a_newer_connection_of_the_same_client_takes_over(dial: Dial, name: str) -> None:  # MQTT-3.1.4-3
    old, new = dial(), dial()
    old.connect(name)
    new.connect(name)
    assert old.ended_with() == Reason.SESSION_TAKEN_OVER
    assert new.nothing_waits()


def test_a_client_that_is_silent_longer_than_its_keepalive_is_closed(dial: Dial, name: str) -> None:  # MQTT-3.1.2-22
    client = dial()
    client.connect(name, keepalive=1)
    assert client.ended_with() == Reason.KEEPALIVE_TIMEOUT


def test_a_packet_of_a_server_ends_the_connection(dial: Dial, name: str) -> None:
    client = dial()
    client.connect(name)
    client.send(Connack(False, 0))
    assert client.ended_with() == Reason.PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\x30\x02\x00\x05", Reason.MALFORMED),
        (b"\x36\x05\x00\x01a\x00\x01", Reason.MALFORMED),
        (b"\x30\x04\x00\x01#\x00", Reason.TOPIC_NAME_INVALID),
        (b"\x80\x00", Reason.MALFORMED),
        (b"\x00\x00", Reason.MALFORMED),
        (b"\x30\xff\xff\xff\x7f", Reason.PACKET_TOO_LARGE),
        (b"\x30\xff\xff\xff\xff\xff", Reason.MALFORMED),
        (Auth(0), Reason.PROTOCOL_ERROR),
    ],
)
def test_what_is_no_mqtt_ends_the_connection_with_a_reason(dial: Dial, name: str, sent: bytes, reason: Reason) -> None:
    client = dial()
    client.connect(name)
    client.send(sent)
    assert client.ended_with() == reason

"""The embedded broker against statements of the MQTT specifications, 5.0 and 3.1.1: properties and limits of MQTT 5."""

from __future__ import annotations

import time

import pytest

from rt_service.mqtt.packets import (
    Acknowledgement,
    Disconnect,
    Kind,
    Publish,
)
from rt_service.mqtt.wire import Reason
from tests.conformance.mqtt.conftest import Dial
from tests.support.raw_mqtt import RawMqtt
from tests.support.service import Service
from tests.support.waiting import eventually


def test_properties_of_a_message_reach_the_subscriber(dial: Dial, topic: str, name: str) -> None:
    client = dial()
    client.connect(name)
    client.subscribe(topic, qos=0)
    sent = {
        "payload_format_indicator": 1, "content_type": "a/b", "response_topic": "r", "correlation_data": b"\x01",
        "user_property": [("a", "1"), ("a", "2"), ("b", "3")],
    }  # fmt: skip
    client.publish(topic, b"x", 0, properties={**sent, "message_expiry_interval": 30})
    got = client.expect(Publish).properties
    assert got.pop("message_expiry_interval") in range(1, 31) and got == sent


def test_a_message_past_its_expiry_is_not_delivered(dial: Dial, topic: str, name: str) -> None:  # MQTT-3.3.2-5
    client = dial()
    client.connect(name, clean_start=False, properties={"session_expiry_interval": 60})
    client.subscribe(topic, qos=1)
    client.send(Disconnect())
    assert client.receive() is None
    other = dial()
    other.connect(name + "-o")
    other.publish(topic, b"short", properties={"message_expiry_interval": 1})
    other.publish(topic, b"long", properties={"message_expiry_interval": 100})
    sent = time.monotonic()
    eventually(lambda: time.monotonic() > sent + 1.1)
    back = dial()
    back.connect(name, clean_start=False, properties={"session_expiry_interval": 60})
    assert back.expect(Publish).payload == b"long"


def test_topic_aliases_work_in_both_directions(dial: Dial, topic: str, name: str) -> None:
    client = dial()
    client.connect(name, properties={"topic_alias_maximum": 1})
    client.subscribe(topic, topic + "/2", qos=0)
    client.send(Publish(topic, b"1", properties={"topic_alias": 3}), Publish("", b"2", properties={"topic_alias": 3}))
    first, second = client.expect(Publish), client.expect(Publish)
    assert (first.topic, first.payload, first.properties["topic_alias"]) == (topic, b"1", 1)
    assert (second.topic, second.payload, second.properties["topic_alias"]) == ("", b"2", 1)
    client.send(Publish(topic + "/2", b"3"))
    assert client.expect(Publish).topic == topic + "/2"


@pytest.mark.parametrize(
    ("alias", "reason"), [(0, Reason.TOPIC_ALIAS_INVALID), (4, Reason.TOPIC_ALIAS_INVALID), (2, Reason.PROTOCOL_ERROR)]
)
def test_a_topic_alias_that_is_not_known_or_allowed_ends_the_connection(
    dial: Dial, name: str, alias: int, reason: Reason
) -> None:
    client = dial()
    client.connect(name)
    client.send(Publish("", b"x", properties={"topic_alias": alias}))
    assert client.ended_with() == reason


def test_the_clients_receive_maximum_is_kept_to(dial: Dial, topic: str, name: str) -> None:  # MQTT-3.3.4-9
    client, other = dial(), dial()
    client.connect(name, properties={"receive_maximum": 2})
    client.subscribe(topic, qos=1)
    other.connect(name + "-o")
    for n in range(4):
        other.publish(topic, b"%d" % n)
    first, second = client.expect(Publish), client.expect(Publish)
    assert client.nothing_waits()
    client.send(Acknowledgement(Kind.PUBACK, first.packet_id))
    assert client.expect(Publish).payload == b"2"
    client.send(Acknowledgement(Kind.PUBACK, second.packet_id))
    assert client.expect(Publish).payload == b"3"


def test_a_message_larger_than_the_client_takes_is_not_sent(dial: Dial, topic: str, name: str) -> None:  # MQTT-3.1.2-24
    client, other = dial(), dial()
    client.connect(name, properties={"maximum_packet_size": 100})
    client.subscribe(topic, qos=1)
    other.connect(name + "-o")
    other.publish(topic, b"x" * 200)
    other.publish(topic, b"small")
    assert client.expect(Publish).payload == b"small"


def test_a_packet_larger_than_allowed_ends_the_connection(dial: Dial, topic: str, name: str) -> None:
    client = dial()
    client.connect(name)
    client.send(Publish(topic, b"x" * 30_000))
    assert client.ended_with() == Reason.PACKET_TOO_LARGE


def test_a_thousand_small_messages_in_one_segment_are_all_handled(dial: Dial, topic: str, name: str) -> None:
    client = dial()
    client.connect(name)
    client.subscribe(topic, qos=0)
    client.send(*(Publish(topic, b"%d" % n) for n in range(1000)))
    assert [client.expect(Publish).payload for _ in range(1000)] == [b"%d" % n for n in range(1000)]


def test_the_server_says_that_it_shuts_down() -> None:
    with Service() as service, RawMqtt(service.mqtt) as client:
        client.connect("c")
        assert service.stop() == 0
        assert client.ended_with() == Reason.SERVER_SHUTTING_DOWN

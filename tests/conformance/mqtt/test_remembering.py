"""The embedded broker against statements of the MQTT specifications, 5.0 and 3.1.1: what it remembers."""

from __future__ import annotations

import time

from rt_service.mqtt.packets import (
    Acknowledgement,
    Disconnect,
    Kind,
    Publish,
    Subscription,
    Will,
)
from rt_service.mqtt.wire import Reason
from tests.conformance.mqtt.conftest import Dial
from tests.support.raw_mqtt import RawMqtt
from tests.support.service import Service
from tests.support.waiting import eventually


def test_a_retained_message_is_sent_to_a_new_subscriber_and_can_be_removed(
    dial: Dial, version: int, topic: str, name: str
) -> None:
    client = dial(version)
    client.connect(name)
    client.publish(topic, b"state", 1, retain=True)
    client.subscribe(topic + "/#", qos=0)
    message = client.expect(Publish)
    assert (message.payload, message.retain) == (b"state", True)
    client.publish(topic, b"", 0, retain=True)
    assert client.expect(Publish).payload == b""
    client.subscribe(topic + "/#", qos=0)
    assert client.nothing_waits()


def test_retain_handling_says_when_retained_messages_are_sent(dial: Dial, topic: str, name: str) -> None:
    client = dial()
    client.connect(name)
    client.publish(topic, b"state", 1, retain=True)
    client.subscribe(Subscription(topic, 0, retain_handling=2))
    assert client.nothing_waits()
    client.subscribe(Subscription(topic, 0, retain_handling=1))
    assert client.nothing_waits()
    client.subscribe(Subscription(topic, 0, retain_handling=0))
    assert client.expect(Publish).retain is True


def test_retain_as_published_keeps_the_flag(dial: Dial, topic: str, name: str) -> None:
    client = dial()
    client.connect(name)
    client.subscribe(Subscription(topic, 0, retain_as_published=True))
    client.publish(topic, b"state", 0, retain=True)
    assert client.expect(Publish).retain is True


def test_more_retained_messages_than_may_be_are_refused_and_counted(
    dial: Dial, broker: Service, topic: str, name: str
) -> None:
    client = dial()
    client.connect(name)
    for n in range(25):
        client.publish(f"{topic}/{n}", b"x", 1, retain=True)
    assert broker.metric("rt_mqtt_refused_total", reason="retained_full") >= 5
    for n in range(25):
        client.publish(f"{topic}/{n}", b"", 1, retain=True)


def test_a_session_waits_for_its_client(dial: Dial, version: int, topic: str, name: str) -> None:
    keep = {"properties": {"session_expiry_interval": 60}} if version == 5 else {}
    client = dial(version)
    client.connect(name, clean_start=False, **keep)
    client.subscribe(topic, qos=1)
    client.close()
    other = dial(version)
    other.connect(name + "-o")
    eventually(lambda: other.publish(topic, b"first") == 0)
    other.publish(topic, b"second", 1, 2)
    back = dial(version)
    assert back.connect(name, clean_start=False, **keep).session_present is True
    assert [back.expect(Publish).payload for _ in range(2)] == [b"first", b"second"]


def test_what_was_not_acknowledged_comes_again_marked_as_such(
    dial: Dial, version: int, topic: str, name: str
) -> None:  # MQTT-4.4.0-1
    keep = {"properties": {"session_expiry_interval": 60}} if version == 5 else {}
    client, other = dial(version), dial(version)
    client.connect(name, clean_start=False, **keep)
    client.subscribe(topic, qos=2)
    other.connect(name + "-o")
    other.publish(topic, b"one", 1)
    other.publish(topic, b"two", 2)
    one, two = client.expect(Publish), client.expect(Publish)
    client.send(Acknowledgement(Kind.PUBREC, two.packet_id))
    client.expect(Acknowledgement)
    client.close()
    back = dial(version)
    back.connect(name, clean_start=False, **keep)
    again = back.expect(Publish)
    assert (again.payload, again.dup, again.packet_id) == (b"one", True, one.packet_id)
    assert back.expect(Acknowledgement) == Acknowledgement(Kind.PUBREL, two.packet_id)


def test_a_session_ends_at_its_expiry(dial: Dial, topic: str, name: str) -> None:
    client, other = dial(), dial()
    client.connect(name, clean_start=False, properties={"session_expiry_interval": 1})
    client.subscribe(topic, qos=1)
    other.connect(name + "-o")
    closed = time.monotonic()
    client.close()
    eventually(lambda: other.publish(topic) == Reason.NO_MATCHING_SUBSCRIBERS)
    assert time.monotonic() > closed + 1
    assert dial().connect(name, clean_start=False).session_present is False


def test_a_longer_expiry_than_allowed_is_cut_and_told(dial: Dial, name: str) -> None:
    assert (
        dial().connect(name, properties={"session_expiry_interval": 0xFFFFFFFF}).properties["session_expiry_interval"]
        == 100
    )


def test_a_session_that_was_to_end_cannot_be_kept_at_the_last_moment(dial: Dial, name: str) -> None:
    client = dial()
    client.connect(name)
    client.send(Disconnect(0, {"session_expiry_interval": 10}))
    assert client.ended_with() == Reason.PROTOCOL_ERROR


def test_the_queue_of_an_absent_client_is_bounded_and_loses_the_oldest_counted(
    dial: Dial, broker: Service, topic: str, name: str
) -> None:
    client = dial()
    client.connect(name, clean_start=False, properties={"session_expiry_interval": 60})
    client.subscribe(topic, qos=1)
    client.send(Disconnect())
    assert client.receive() is None
    other, dropped = dial(), broker.metric("rt_dropped_total", reason="mqtt_queue")
    other.connect(name + "-o")
    for n in range(13):
        other.publish(topic, b"%d" % n)
    assert broker.metric("rt_dropped_total", reason="mqtt_queue") == dropped + 3
    back = dial()
    back.connect(name, clean_start=False, properties={"session_expiry_interval": 60})
    assert [back.expect(Publish).payload for _ in range(10)] == [b"%d" % n for n in range(3, 13)]


# -- wills


def listener(dial: Dial, topic: str, name: str) -> RawMqtt:
    client = dial()
    client.connect(name + "-l")
    client.subscribe(topic, qos=0)
    return client


def test_a_will_is_sent_when_the_connection_breaks(dial: Dial, version: int, topic: str, name: str) -> None:
    seen, client = listener(dial, topic, name), dial(version)
    client.connect(name, will=Will(topic, b"gone", 1))
    client.close()
    assert seen.expect(Publish).payload == b"gone"


def test_a_will_is_not_sent_after_a_goodbye(dial: Dial, version: int, topic: str, name: str) -> None:  # MQTT-3.14.4-3
    seen, client = listener(dial, topic, name), dial(version)
    client.connect(name, will=Will(topic, b"gone"))
    client.send(Disconnect())
    assert client.receive() is None and seen.nothing_waits()


def test_a_will_is_sent_when_the_client_asks_for_it(dial: Dial, topic: str, name: str) -> None:
    seen, client = listener(dial, topic, name), dial()
    client.connect(name, will=Will(topic, b"gone"))
    client.send(Disconnect(Reason.DISCONNECT_WITH_WILL))
    assert seen.expect(Publish).payload == b"gone"


def test_a_will_is_sent_when_the_client_breaks_the_protocol(dial: Dial, topic: str, name: str) -> None:
    seen, client = listener(dial, topic, name), dial()
    client.connect(name, will=Will(topic, b"gone"))
    client.send(b"\x00\x00")
    assert seen.expect(Publish).payload == b"gone"


def test_a_delayed_will_waits_and_is_not_sent_if_the_client_is_back_in_time(
    dial: Dial, topic: str, name: str
) -> None:  # MQTT-3.1.3-9
    seen = listener(dial, topic, name)
    options = {"clean_start": False, "properties": {"session_expiry_interval": 60}}
    client = dial()
    client.connect(name, will=Will(topic, b"away", 0, False, {"will_delay_interval": 5}), **options)
    closed = time.monotonic()
    client.close()
    back = dial()
    will = Will(topic, b"gone", 0, False, {"will_delay_interval": 1})
    assert back.connect(name, will=will, **options).session_present
    eventually(lambda: time.monotonic() > closed + 7)
    assert seen.nothing_waits()
    back.close()
    assert seen.expect(Publish).payload == b"gone"


def test_a_retained_will_stays(dial: Dial, topic: str, name: str) -> None:
    client = dial()
    client.connect(name, will=Will(topic, b"gone", 1, True))
    seen = listener(dial, topic, name)
    client.close()
    seen.expect(Publish)
    assert listener(dial, topic, name + "2").expect(Publish).retain is True
    seen.publish(topic, b"", 0, retain=True)

"""The embedded broker against statements of the MQTT specifications, 5.0 and 3.1.1: publishing and subscribing."""

from __future__ import annotations

import pytest

from rt_service.mqtt.packets import (
    Acknowledgement,
    Kind,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Unsubscribe,
)
from rt_service.mqtt.wire import Reason
from tests.conformance.mqtt.conftest import Dial


@pytest.mark.parametrize("subscribed", [0, 1, 2])
@pytest.mark.parametrize("published", [0, 1, 2])
def test_a_message_comes_with_the_lower_of_both_qos(
    dial: Dial, version: int, topic: str, name: str, subscribed: int, published: int
) -> None:
    client = dial(version)
    client.connect(name)
    assert client.subscribe(topic, qos=subscribed) == [subscribed]
    other = dial(version)
    other.connect(name + "-p")
    other.publish(topic, b"hello", published)
    message = client.expect(Publish)
    assert (message.topic, message.payload, message.qos, message.retain) == (
        topic,
        b"hello",
        min(subscribed, published),
        False,
    )
    if message.qos == 1:
        client.send(Acknowledgement(Kind.PUBACK, message.packet_id))
    elif message.qos == 2:
        client.send(Acknowledgement(Kind.PUBREC, message.packet_id))
        assert client.expect(Acknowledgement) == Acknowledgement(Kind.PUBREL, message.packet_id)
        client.send(Acknowledgement(Kind.PUBCOMP, message.packet_id))
    assert client.nothing_waits()


def test_a_qos_2_message_that_comes_again_is_handed_on_once(dial: Dial, topic: str, name: str) -> None:  # MQTT-4.3.3-10
    client = dial()
    client.connect(name)
    client.subscribe(topic, qos=0)
    client.send(
        *(Publish(topic, b"x", 2, dup=n > 0, packet_id=9) for n in range(50))
    )  # before it can be kept, and after
    seen = [client.receive() for _ in range(51)]
    assert [type(p).__name__ for p in seen].count("Publish") == 1
    client.send(Acknowledgement(Kind.PUBREL, 9))
    assert client.expect(Acknowledgement).reason == 0
    client.send(Acknowledgement(Kind.PUBREL, 9))
    assert client.expect(Acknowledgement).reason == Reason.PACKET_ID_NOT_FOUND


def test_more_qos_2_messages_than_the_receive_maximum_end_the_connection(
    dial: Dial, topic: str, name: str
) -> None:  # MQTT-3.3.4-7
    client = dial()
    client.connect(name)
    client.send(*(Publish(topic, b"x", 2, packet_id=n) for n in range(1, 8)))
    assert client.ended_with() == Reason.RECEIVE_MAXIMUM_EXCEEDED


def test_a_publisher_is_told_when_nobody_listens(dial: Dial, topic: str, name: str) -> None:
    client = dial()
    client.connect(name)
    assert client.publish(topic) == Reason.NO_MATCHING_SUBSCRIBERS
    client.subscribe(topic, qos=0)
    client.send(Publish(topic, b"x", 1, packet_id=2))
    assert {type(client.receive()), type(client.receive())} == {Publish, Acknowledgement}


def test_overlapping_subscriptions_bring_one_message_with_all_identifiers(
    dial: Dial, topic: str, name: str
) -> None:  # MQTT-3.3.4-2
    client = dial()
    client.connect(name)
    client.subscribe(topic, qos=0, properties={"subscription_identifier": [7]})
    client.subscribe(Subscription(topic + "/#", 1), properties={"subscription_identifier": [8]})
    client.publish(topic, b"x", 0)
    message = client.expect(Publish)
    assert sorted(message.properties["subscription_identifier"]) == [7, 8] and client.nothing_waits()


def test_no_local_keeps_a_clients_own_messages_away(dial: Dial, topic: str, name: str) -> None:  # MQTT-3.8.3-3
    client, other = dial(), dial()
    client.connect(name), other.connect(name + "-o")
    client.subscribe(Subscription(topic, 0, no_local=True))
    client.publish(topic, b"mine", 0)
    other.publish(topic, b"theirs", 0)
    assert client.expect(Publish).payload == b"theirs"


def test_unsubscribing_ends_it_and_says_whether_there_was_one(dial: Dial, topic: str, name: str) -> None:
    client = dial()
    client.connect(name)
    client.subscribe(topic)
    client.send(Unsubscribe(5, [topic, "other"]))
    assert client.expect(Suback).reasons == [0, Reason.NO_SUBSCRIPTION_EXISTED]
    assert client.publish(topic) == Reason.NO_MATCHING_SUBSCRIBERS


@pytest.mark.parametrize("filter", ["a/#/b", "a+", "", "$share/g", "$share//x"])
def test_a_filter_that_is_not_valid_ends_the_connection(dial: Dial, name: str, filter: str) -> None:
    client = dial()
    client.connect(name)
    client.send(Subscribe(1, [Subscription(filter)]))
    assert client.ended_with() == Reason.TOPIC_FILTER_INVALID


def test_too_many_subscriptions_are_refused_one_by_one(dial: Dial, topic: str, name: str) -> None:
    client = dial()
    client.connect(name)
    assert client.subscribe(*(f"{topic}/{n}" for n in range(7)), qos=0) == [0] * 6 + [Reason.QUOTA_EXCEEDED]


def test_topics_that_only_the_service_speaks_on_are_refused(dial: Dial, version: int, name: str) -> None:
    client = dial(version)
    client.connect(name)
    for topic in ("rt/out/chat/lobby/say", "devices/p/calls/c/m", "$SYS/x"):
        assert client.publish(topic) == (Reason.NOT_AUTHORIZED if version == 5 else 0)


def test_a_shared_subscription_gives_each_message_to_one_member_in_turn(dial: Dial, topic: str, name: str) -> None:
    members = [dial() for _ in range(2)]
    for n, member in enumerate(members):
        member.connect(f"{name}-{n}")
        member.subscribe(f"$share/workers/{topic}", qos=0)
    other = dial()
    other.connect(name)
    for n in range(6):
        other.publish(topic, b"%d" % n, 0)
    got = [[member.expect(Publish).payload for _ in range(3)] for member in members]
    assert sorted(got[0] + got[1]) == [b"%d" % n for n in range(6)]

"""The embedded broker against statements of the MQTT 5.0 and 3.1.1 specifications, spoken on the wire."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import pytest

from rt_service.mqtt import codec, wire
from rt_service.mqtt.packets import (
    Acknowledgement,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Kind,
    Ping,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Unsubscribe,
    Will,
)
from rt_service.mqtt.wire import Reason
from tests.support.raw_mqtt import RawMqtt
from tests.support.service import Service
from tests.support.waiting import eventually

Dial = Callable[..., RawMqtt]
_numbers = itertools.count()


@pytest.fixture(scope="module")
def broker() -> Iterator[Service]:
    limits = {
        "mqtt.connect_s": "0.5", "mqtt.packet_bytes": "20000", "mqtt.receive_maximum": "5", "mqtt.topic_aliases": "3",
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


# -- connecting


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
    for byte in codec.encode(Connect("slow"), 5):
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


# -- publishing and subscribing


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
    for dup in (False, True):
        client.send(Publish(topic, b"x", 2, dup=dup, packet_id=9))
    seen = [client.receive() for _ in range(3)]
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


# -- what a broker remembers


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
    client.close()
    assert other.publish(topic) == 0
    eventually(lambda: other.publish(topic) == Reason.NO_MATCHING_SUBSCRIBERS)
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
    will = Will(topic, b"gone", 0, False, {"will_delay_interval": 2})
    options = {"clean_start": False, "will": will, "properties": {"session_expiry_interval": 60}}
    client = dial()
    client.connect(name, **options)
    client.close()
    back = dial()
    will.properties["will_delay_interval"] = 1
    assert back.connect(name, **options).session_present
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


# -- properties and limits of MQTT 5


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
    assert got.pop("message_expiry_interval") in (29, 30) and got == sent


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

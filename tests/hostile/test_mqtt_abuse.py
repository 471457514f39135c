"""MQTT that is against the rules, or within them and against everybody else."""

from __future__ import annotations

import json

import pytest

from rt_service.mqtt import wire
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
    Will,
)
from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support.raw_mqtt import RawMqtt
from tests.support.raw_ws import BINARY, CLOSE, TEXT, RawWebSocket, masked
from tests.support.waiting import eventually

MALFORMED = 'rt_mqtt_refused_total{reason="malformed"}'
PROTOCOL = 'rt_mqtt_refused_total{reason="protocol_error"}'
NOT_AUTHORIZED = 'rt_mqtt_refused_total{reason="not_authorized"}'
TOPIC = 'rt_mqtt_refused_total{reason="topic_name_invalid"}'
FILTER = 'rt_mqtt_refused_total{reason="topic_filter_invalid"}'
BROKEN = {
    "type 0": b"\x00\x00",
    "no such flags": b"\xc1\x00",
    "QoS 3": wire.packet(0x36, b"\0\1a\0\1\0x"),
    "DUP of QoS 0": wire.packet(0x38, b"\0\1a\0x"),
    "packet id 0": wire.packet(0x32, b"\0\1a\0\0\0x"),
    "length of five bytes": b"\x30\xff\xff\xff\xff\x7f",
    "NUL in a topic": wire.packet(0x30, b"\0\3a\0b\0x"),
    "surrogate in a topic": wire.packet(0x30, b"\0\3\xed\xa0\x80\0x"),
    "properties too long": wire.packet(0x30, b"\0\1a\x7fx"),
    "a property there is not": wire.packet(0x30, b"\0\1a\2\x7e\0x"),
    "a property that ends late": wire.packet(0x30, b"\0\1a\3\x26\0\1"),
    "SUBSCRIBE without its flag": wire.packet(0x80, b"\0\1\0"),
    "reserved options": wire.packet(0x82, b"\0\1\0\0\1a\xff"),
    "PINGREQ with a body": b"\xc0\x01x",
    "PUBACK too short": b"\x40\x01\0",
}
AGAINST_PROTOCOL = {
    "a second CONNECT": Connect("again"),
    "what servers send": Connack(False, 0),
    "a SUBACK": Suback(Kind.SUBACK, 1, [0]),
    "PINGRESP": Ping(Kind.PINGRESP),
    "AUTH": Auth(0x18, {"authentication_method": "x"}),
    "property of another packet": Publish("a", b"", properties={"server_keep_alive": 1}),
    "property twice": wire.packet(0x30, b"\0\1a\4\1\0\1\0x"),
    "flag of 7": Publish("a", b"", properties={"payload_format_indicator": 7}),
    "SUBSCRIBE to nothing": wire.packet(0x82, b"\0\1\0"),
    "UNSUBSCRIBE of nothing": wire.packet(0xA2, b"\0\1\0"),
    "identifier in a PUBLISH": Publish("a", b"", properties={"subscription_identifier": [1]}),
    "alias nobody was told": Publish("", b"", properties={"topic_alias": 3}),
    "expiry of a session that has none": Disconnect(0, {"session_expiry_interval": 5}),
    "No Local on a share": Subscribe(1, [Subscription("$share/g/a", no_local=True)]),
}
NO_CONNECT = [
    b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\xff" * 100, b"\x10\x00", b"\xc0\x00", b"\x30\x03\0\1a",
    b"\x10\x0c\0\4MQTT\x63\2\0\0\0\0", b"\x10\x0c\0\4MQTT\4\3\0\0\0\0", b"\x10\x0c\0\6MQIsdp\4\2\0\0\0\0",
    b"\x10\x0e\0\4MQTT\4\2\0\0\0\2\xff\xff", b"{}",
]  # fmt: skip


def test_devices_whose_packets_are_broken(siege: Siege) -> None:
    with siege.attack(MALFORMED) as service:
        for name, packet in BROKEN.items():
            with ways.device(service, "broken") as mqtt:
                assert mqtt.send(packet).ended_with() == 0x81, name


def test_devices_that_send_what_does_not_belong_there(siege: Siege) -> None:
    with siege.attack(PROTOCOL) as service:
        for name, packet in AGAINST_PROTOCOL.items():
            with ways.device(service, "against") as mqtt:
                assert mqtt.send(packet).ended_with() == 0x82, name


@pytest.mark.parametrize("first", NO_CONNECT, ids=repr)
def test_a_device_that_does_not_begin_with_a_connect(siege: Siege, first: bytes) -> None:
    with siege.attack() as service, RawMqtt(service.mqtt, version=4) as mqtt:
        before = refusals(siege)
        mqtt.send(first + b"\0" * 20)
        packet = mqtt.receive()
        assert packet is None or (isinstance(packet, Connack) and packet.reason)
        eventually(lambda: refusals(siege) > before)


def refusals(siege: Siege) -> float:
    return sum(value for name, value in siege.metrics().items() if name.startswith("rt_mqtt_refused_total"))


@pytest.mark.parametrize("topic", ["#", "a/#", "+", "a/+/b", "", "$share/g/a/#"])
def test_a_device_that_publishes_on_wildcards(siege: Siege, topic: str) -> None:
    with siege.attack(TOPIC) as service:
        with ways.device(service, "wild") as mqtt:
            assert mqtt.send(Publish(topic, b"x")).ended_with() == 0x90
        with RawMqtt(service.mqtt) as mqtt:
            assert mqtt.send(Connect("wild", will=Will(topic, b"x"))).ended_with() is None


RESERVED = [
    "$SYS/broker", "$share/g/a", "$x", "rt/out/chat/lobby/say", "rt/services/x/status", "devices/other/calls/1/set",
    "devices/other/inbox/e", "devices/other/twin/desired",
]  # fmt: skip


@pytest.mark.parametrize("topic", RESERVED)
def test_a_device_that_speaks_in_the_name_of_the_service(siege: Siege, topic: str) -> None:
    with siege.attack(NOT_AUTHORIZED) as service, ways.device(service, "reader") as reader:
        reader.subscribe("#", "$SYS/#", "rt/out/chat/lobby/say", topic, qos=0)
        with ways.device(service, "speaks") as mqtt:
            assert mqtt.publish(topic, b"{}", retain=True) == 0x87
            mqtt.send(Publish(topic, b"{}", 0))
            assert mqtt.nothing_waits()
        with RawMqtt(service.mqtt) as mqtt:
            will = Will(topic, b"{}", 1, True)
            assert mqtt.connect("wills", will=will).reason == 0x87
        with ways.device(service, "late") as late:
            late.subscribe(topic, qos=0)
            assert late.nothing_waits()


NO_FILTERS = [
    "", "a/#/b", "a#", "a+", "+a/b", "$share/g", "$share//a", "$share/g/", "$share/+/a", "$share/#/a", "$share/g/a#",
    "a/" * 40,
]  # fmt: skip


@pytest.mark.parametrize("filter", NO_FILTERS)
def test_a_device_that_subscribes_to_what_is_no_filter(siege: Siege, filter: str) -> None:
    with siege.attack(FILTER) as service, ways.device(service, "filters") as mqtt:
        assert mqtt.send(Subscribe(1, [Subscription(filter)])).ended_with() == 0x8F


def test_a_device_in_a_thousand_share_groups_gets_a_message_once(siege: Siege) -> None:
    with siege.attack() as service, ways.device(service, "shares") as mqtt, ways.device(service, "writer") as writer:
        for part in range(10):
            mqtt.send(Subscribe(1, [Subscription(f"$share/g{part}-{n}/shared/topic") for n in range(100)]))
            assert mqtt.expect(Suback).reasons == [0] * 100
        for n in range(200):
            writer.send(Publish("shared/topic", b"%d" % n))
        assert [mqtt.expect(Publish).payload for _ in range(200)] == [b"%d" % n for n in range(200)]
        assert mqtt.nothing_waits()


def test_devices_that_leave_with_heavy_wills(siege: Siege) -> None:
    will = Will("wills/heavy", b"x" * 60_000, 1, True, {"will_delay_interval": 2**32 - 1})
    with siege.attack() as service, ways.device(service, "reader") as reader:
        reader.subscribe("wills/#", qos=0)
        for n in range(20):
            with ways.device(service, f"will-{n % 5}", will=will):
                pass  # it breaks off, and its session ends with it: the will is sent now, whatever delay it asked for
        assert [len(reader.expect(Publish).payload) for _ in range(20)] == [60_000] * 20


def test_a_device_whose_will_is_sent_while_it_fights_over_its_name(siege: Siege) -> None:
    will = Will("devices/fights/status", b"offline", 1, True)
    with siege.attack() as service:
        for _ in range(200):
            ways.device(service, "fights", will=will)
        assert ways.device(service, "fights").nothing_waits()


@pytest.mark.parametrize("qos", [1, 2])
def test_a_device_that_publishes_more_than_its_receive_maximum(siege: Siege, qos: int) -> None:
    with siege.attack() as service, ways.device(service, "floods") as mqtt:
        packets = [Publish("flood/topic", b"x" * 100, qos, packet_id=n) for n in range(1, 3001)]
        try:
            mqtt.send(*packets)
        except OSError:
            pass
        last = mqtt.ended_with() if qos == 2 else [mqtt.expect(Acknowledgement) for _ in range(3000)][-1].packet_id
        assert last == (0x93 if qos == 2 else 3000)


def test_a_device_that_acknowledges_what_it_never_got(siege: Siege) -> None:
    kinds = (Kind.PUBACK, Kind.PUBREC, Kind.PUBREL, Kind.PUBCOMP)
    with siege.attack() as service, ways.device(service, "acks") as mqtt:
        for kind in kinds:
            mqtt.send(*(Acknowledgement(kind, n) for n in range(1, 10_001)))
            answers = 10_000 if kind in (Kind.PUBREC, Kind.PUBREL) else 0
            assert all(mqtt.expect(Acknowledgement).reason == 0x92 for _ in range(answers))
        assert mqtt.nothing_waits()


def test_a_device_that_sends_one_message_a_thousand_times_as_if_it_were_lost(siege: Siege) -> None:
    with siege.attack() as service, ways.device(service, "again") as mqtt, ways.device(service, "reader") as reader:
        reader.subscribe("rt/out/chat/again/e", "free/topic", qos=0)
        for topic in ("rt/in/chat/again/e", "free/topic"):
            mqtt.send(*[Publish(topic, b"1", 2, dup=n > 0, packet_id=7) for n in range(1000)])
            assert {mqtt.expect(Acknowledgement).kind for _ in range(1000)} == {Kind.PUBREC}
            mqtt.send(Acknowledgement(Kind.PUBREL, 7)).expect(Acknowledgement)
            reader.expect(Publish)
            assert reader.nothing_waits()


def test_a_device_with_topic_aliases_it_may_not_have(siege: Siege) -> None:
    with siege.attack('rt_mqtt_refused_total{reason="topic_alias_invalid"}') as service:
        for alias in (0, 33, 65535):
            with ways.device(service, "alias") as mqtt:
                mqtt.send(Publish("a", b"x", properties={"topic_alias": alias}))
                assert mqtt.ended_with() == 0x94


WRONG_FRAMES = [
    (masked(TEXT, b"\x10\0"), 1003), (masked(0x3, b"x"), 1002), (masked(BINARY, b"x", mask=False), 1002),
    (masked(BINARY, b"x", rsv=0x40), 1002), (masked(CLOSE, b"\x03"), 1002), (masked(0, b"x"), 1002),
]  # fmt: skip


def test_browsers_that_speak_mqtt_in_the_wrong_frames(siege: Siege) -> None:
    with siege.attack() as service:
        for frame, code in WRONG_FRAMES:
            with ways.device_on_websocket(service, "frames") as ws:
                assert ws.send(frame).ended() == code
        for headers in ({}, {"Sec-WebSocket-Protocol": "mqttv3.1"}, {"Sec-WebSocket-Protocol": "chat, mqtt5"}):
            with RawWebSocket(service.http, "/mqtt", headers) as ws:
                assert ws.status == 400


def test_a_device_that_says_it_is_online_and_offline_all_the_time(siege: Siege) -> None:
    with siege.attack() as service, ways.device(service, "blinks") as mqtt, ways.plain(service) as ws:
        assert ways.ask(ws, "join", "/iot", room="device:blinks")["ok"]
        for n in range(2000):
            mqtt.send(Publish("devices/blinks/status", b"online" if n % 2 else b"offline", retain=True))
        assert mqtt.nothing_waits()
        changes = 0
        while changes < 1999:
            changes += json.loads(ws.text())["push"] == "presence"
    eventually(lambda: service.get("/livez")[0] == 200)

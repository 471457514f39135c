"""MQTT in amounts: what is kept for later, what is looked through, what is not acknowledged."""

from __future__ import annotations

from rt_service.mqtt.packets import Acknowledgement, Kind, Ping, Publish, Suback, Subscribe, Subscription, Unsubscribe
from tests.hostile import ways
from tests.hostile.siege import MIB, Siege
from tests.support.raw_mqtt import RawMqtt

SETTINGS = (
    "mqtt.retained=20000",
    "mqtt.retained_bytes=20000000",
    "mqtt.queued_bytes=4000000",
    "history.publications=100",
)
FULL = 'rt_mqtt_refused_total{reason="retained_full"}'
DROPPED = 'rt_dropped_total{reason="mqtt_queue"}'
PERSISTENT = {"session_expiry_interval": 60}


def handled(mqtt: RawMqtt) -> bool:
    """Whether everything that was sent is handled, and the connection still there."""
    return isinstance(mqtt.send(Ping(Kind.PINGREQ)).receive(30), Ping)


def forget(mqtt: RawMqtt, *topics: str) -> None:
    """Remove retained messages again."""
    mqtt.send(*(Publish(topic, b"", retain=True) for topic in topics))
    assert handled(mqtt)


def test_a_device_that_retains_large_messages_without_end(siege: Siege) -> None:
    topics = [f"large/{n}" for n in range(60)]
    with siege.attack(FULL) as service, ways.device(service, "retains") as mqtt:
        mqtt.send(*(Publish(topic, b"x" * (MIB - 100), retain=True) for topic in topics))
        assert handled(mqtt)
        forget(mqtt, *topics)


def test_a_device_that_retains_small_messages_without_end(siege: Siege) -> None:
    topics = [f"small/{n}/a/b/c" for n in range(25_000)]
    with siege.attack(FULL) as service, ways.device(service, "retains") as mqtt:
        mqtt.send(*(Publish(topic, b"x", retain=True) for topic in topics))
        assert handled(mqtt)
        forget(mqtt, *topics)


def test_a_device_that_looks_for_retained_messages_in_many_ways_at_once(siege: Siege) -> None:
    topics = [f"look/{n}/x" for n in range(10_000)]
    with siege.attack() as service, ways.device(service, "retains") as mqtt, ways.device(service, "looks") as looks:
        mqtt.send(*(Publish(topic, b"x", retain=True) for topic in topics))
        assert handled(mqtt)
        looks.send(Subscribe(1, [Subscription(f"look/+/y{n}") for n in range(999)]))
        assert looks.expect(Suback)
        looks.send(Subscribe(2, [Subscription("look/7/x")]))
        assert looks.expect(Suback)
        assert looks.expect(Publish).topic == "look/7/x"
        forget(mqtt, *topics)


def test_a_device_that_lets_large_messages_wait_while_it_is_away(siege: Siege) -> None:
    with siege.attack(DROPPED) as service, ways.device(service, "writes") as mqtt:
        for n in range(5):
            with ways.device(service, f"away-{n}", properties=PERSISTENT) as away:
                away.subscribe(f"away/{n}")
        for n in range(200):
            mqtt.send(Publish(f"away/{n % 5}", b"x" * 500_000, 1, packet_id=n + 1)).expect(Acknowledgement)
        for n in range(5):
            with ways.device(service, f"away-{n}") as away:
                assert away.nothing_waits()


def test_a_device_that_never_acknowledges_what_it_gets(siege: Siege) -> None:
    with (
        siege.attack(DROPPED) as service,
        ways.device(service, "writes") as mqtt,
        ways.device(service, "never") as never,
    ):
        never.subscribe("never/topic", qos=1)
        for n in range(100):
            mqtt.send(Publish("never/topic", b"x" * 500_000, 1, packet_id=n + 1)).expect(Acknowledgement)
        got = 0
        never.send(Ping(Kind.PINGREQ))
        while isinstance(never.receive(), Publish):
            got += 1
        assert 0 < got < 20


def test_a_device_that_subscribes_and_unsubscribes_all_the_time(siege: Siege) -> None:
    with siege.attack() as service, ways.device(service, "changes", properties=PERSISTENT) as mqtt:
        for n in range(2000):
            mqtt.send(Subscribe(1, [Subscription(f"changes/{n}/+/#", 1)]), Unsubscribe(2, [f"changes/{n}/+/#"]))
        assert all(mqtt.expect(Suback).reasons in ([1], [0]) for _ in range(4000))


def test_a_device_that_sends_without_acknowledgement_as_fast_as_it_can(siege: Siege) -> None:
    with siege.attack() as service, ways.device(service, "fast") as mqtt:
        for _ in range(20):
            mqtt.send(*[Publish("devices/fast/telemetry", b'{"c":21.5}')] * 1000)
        assert handled(mqtt)


def test_a_device_that_fills_the_disks_queue_with_large_messages(siege: Siege) -> None:
    with siege.attack() as service, ways.device(service, "disk") as mqtt:
        payload = b'"' + b"x" * 60_000 + b'"'
        for _ in range(60):
            mqtt.send(*[Publish("devices/disk/telemetry", payload)] * 50)
        assert handled(mqtt)


def test_devices_that_take_each_others_place_all_the_time(siege: Siege) -> None:
    with siege.attack() as service:
        clients = [ways.device(service, "place", clean_start=False, properties=PERSISTENT) for _ in range(300)]
        assert handled(clients[-1])
        assert clients[0].ended_with() == 0x8E
        for mqtt in clients:
            mqtt.close()

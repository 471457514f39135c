"""Too much at once: frames, messages, headers, bodies, packets, names, lists."""

from __future__ import annotations

import json
import random

import pytest

from rt_service.mqtt import codec, wire
from rt_service.mqtt.packets import Acknowledgement, Kind, Ping, Publish, Suback, Subscribe, Subscription, Unsubscribe
from rt_service.mqtt.topics import MAX_LEVELS
from tests.hostile import ways
from tests.hostile.siege import MIB, Siege
from tests.support.raw_http import RawHttp, said
from tests.support.raw_mqtt import RawMqtt
from tests.support.raw_ws import TEXT, RawWebSocket, masked

SETTINGS = ("history.publications=100",)
TOO_LARGE = 'rt_refused_total{code="too_large"}'
VIOLATION = 'rt_sessions_closed_total{reason="violation"}'
WEBSOCKETS = [ways.SOCKETIO, "/ws", "/echo"]  # /mqtt speaks of it in packets
JSON = "Content-Type: application/json"
PUBLISH = ways.PUBLICATIONS.format(room="sizes")


@pytest.mark.parametrize("path", [*WEBSOCKETS, "/mqtt"])
@pytest.mark.parametrize("length", [MIB + 1, 2**31, 2**63, 2**64 - 1])
def test_a_client_that_announces_a_frame_larger_than_may_be(siege: Siege, path: str, length: int) -> None:
    with siege.attack(*[VIOLATION] * (path != "/mqtt")) as service, RawWebSocket(service.http, path, ways.MQTT) as ws:
        ws.send(bytes((0x80 | TEXT, 0x80 | 127)) + length.to_bytes(8, "big") + b"mask")
        assert ws.ended() == 1009


@pytest.mark.parametrize("path", WEBSOCKETS)
def test_a_client_that_sends_a_message_in_fragments_without_end(siege: Siege, path: str) -> None:
    with siege.attack(VIOLATION) as service:
        for size in (0, 1, 60_000):
            with RawWebSocket(service.http, path) as ws:
                try:
                    ws.send(masked(TEXT, b"", fin=False))
                    for _ in range(40):
                        ws.send(*[masked(0, b"x" * size, fin=False)] * 500)
                except OSError:
                    continue  # closed, with more on the way
                assert ws.ended() == 1009


def publish(data: str) -> str:
    return f'{{"room":"sizes","event":"say","data":{data}}}'


def test_clients_that_publish_more_than_a_message_may_hold(siege: Siege) -> None:
    data = json.dumps("x" * 70_000)
    with siege.attack(TOO_LARGE) as service:
        with ways.socketio(service) as ws:
            ws.send('42/chat,1["join",{"room":"sizes"}]', f'42/chat,2["publish",{publish(data)}]')
            assert '"ok":true' in ws.text() and '"too_large"' in ws.text()
        with ways.plain(service) as ws:
            assert ways.ask(ws, "join", room="sizes")["ok"]
            refused = ways.ask(ws, "publish", room="sizes", event="say", data="x" * 70_000)
            assert refused["error"]["code"] == "too_large"
        with RawHttp(service) as client:
            body = publish(data).encode()
            assert (
                client.send(said("POST", PUBLISH, JSON, f"Content-Length: {len(body)}", body=body)).reply().status
                == 413
            )
        with ways.device(service, "large") as mqtt:
            mqtt.publish("devices/large/telemetry", data.encode())
    assert siege.metrics()['rt_dead_letters_total{reason="too_large"}'] >= 1


@pytest.mark.parametrize("verb", ["send", "call", "twin.update"])
def test_a_client_that_says_too_much_to_somebody(siege: Siege, verb: str) -> None:
    with siege.attack(TOO_LARGE) as service, ways.plain(service) as ws:
        large = {"to": "user:honest", "event": "e", "method": "m", "data": "x" * 70_000}
        large |= {"device": "large", "desired": {"x": "x" * 70_000}}
        assert ways.ask(ws, verb, **large)["error"]["code"] == "too_large"


@pytest.mark.parametrize("info", ["x" * 2000, {"x": ["y" * 100] * 20}])
def test_a_client_whose_info_is_larger_than_may_be_shown(siege: Siege, info: object) -> None:
    with siege.attack('rt_refused_total{code="bad_request"}') as service, ways.plain(service) as ws:
        assert ways.ask(ws, "auth", user="large", info=info)["error"]["code"] == "bad_request"


def test_a_client_that_posts_a_list_of_too_many(siege: Siege) -> None:
    with siege.attack(TOO_LARGE) as service, RawHttp(service) as client:
        body = json.dumps([{"event": "e", "data": 1}] * 1001).encode()
        assert client.send(said("POST", PUBLISH, JSON, f"Content-Length: {len(body)}", body=body)).reply().status == 413


def test_a_client_that_posts_full_lists_all_the_time(siege: Siege) -> None:
    body = json.dumps([{"event": "e", "data": "x" * 900}] * 1000).encode()
    request = said("POST", PUBLISH, JSON, f"Content-Length: {len(body)}", body=body)
    with siege.attack('rt_refused_total{code="too_many_requests"}') as service, RawHttp(service) as client:
        for _ in range(20):
            assert client.send(request).reply().status == 200


@pytest.mark.parametrize("head", ["GET /" + "a" * 100_000, "GET /livez HTTP/1.1\r\nX: " + "a" * 100_000])
def test_a_client_whose_headers_do_not_end(siege: Siege, head: str) -> None:
    with siege.attack() as service, RawHttp(service) as client:
        try:
            client.send(head.encode())
        except OSError:
            pass  # closed, with more on the way
        assert client.reply().status in (414, 431)
        assert client.ended()


@pytest.mark.parametrize("framing", ["Content-Length: 100000000000", "Transfer-Encoding: chunked"])
def test_a_client_whose_body_does_not_end(siege: Siege, framing: str) -> None:
    with siege.attack(TOO_LARGE) as service, RawHttp(service) as client:
        client.send(said("POST", PUBLISH, JSON, framing))
        try:
            for _ in range(40):
                client.send(b"100000\r\n" + b"x" * MIB + b"\r\n")
        except OSError:
            pass
        assert client.ended()


@pytest.mark.parametrize("kind", range(1, 16))
def test_a_device_that_announces_the_largest_packet_there_can_be(siege: Siege, kind: int) -> None:
    with siege.attack('rt_mqtt_refused_total{reason="packet_too_large"}') as service, RawMqtt(service.mqtt) as mqtt:
        if kind != Kind.CONNECT:
            mqtt.connect("largest")
        mqtt.send(bytes((kind << 4,)) + b"\xff\xff\xff\x7f")
        assert mqtt.ended_with() in (0x95, None)


def settled(mqtt: RawMqtt) -> bool:
    """Whether everything that was sent is handled, and the connection still there."""
    return isinstance(mqtt.send(Ping(Kind.PINGREQ)).receive(30), Ping)


def test_a_device_that_publishes_on_topics_as_long_as_may_be(siege: Siege) -> None:
    with siege.attack() as service, ways.device(service, "long") as mqtt:
        for n in range(2000):
            mqtt.send(Publish(f"rt/in/chat/{n:05d}{'x' * 60_000}/e", b"1"))
        assert settled(mqtt)
    assert siege.metrics()['rt_dead_letters_total{reason="invalid_room"}'] >= 2000


def test_a_device_that_answers_calls_with_ids_as_long_as_may_be(siege: Siege) -> None:
    with siege.attack() as service, ways.device(service, "long") as mqtt:
        for n in range(1100):
            mqtt.send(Publish(f"devices/long/replies/{n:05d}{'x' * 60_000}", b"1"))
        assert settled(mqtt)
    assert siege.metrics()['rt_dead_letters_total{reason="not_found"}'] >= 1100


def test_a_device_that_subscribes_to_filters_of_many_levels_and_publishes(siege: Siege) -> None:
    with siege.attack() as service, ways.device(service, "deep") as reader, ways.device(service, "writer") as writer:
        for _ in range(10):
            filters = ["/".join(random.choice("a+") for _ in range(MAX_LEVELS)) for _ in range(100)]
            reader.send(Subscribe(1, [Subscription(one) for one in filters]))
        writer.send(*[Publish("/".join("a" * MAX_LEVELS), b"x")] * 50)
        assert settled(writer)


def test_a_device_that_publishes_below_its_packet_bound_all_the_time(siege: Siege) -> None:
    with siege.attack() as service, ways.device(service, "heavy") as mqtt:
        for n in range(40):
            mqtt.send(Publish("heavy/topic", b"x" * (MIB - 100), 1, packet_id=n + 1))
            mqtt.expect(Acknowledgement)


@pytest.mark.parametrize(
    "packet",
    [
        Publish("properties/topic", b"x", properties={"user_property": [("a", "b")] * 100_000}),
        Subscribe(1, [Subscription("a")] * 200_000),
        Unsubscribe(1, ["a"] * 200_000),
    ],
    ids=lambda packet: type(packet).__name__,
)
def test_a_device_that_sends_packets_of_as_many_items_as_fit(siege: Siege, packet: Publish) -> None:
    with (
        siege.attack('rt_mqtt_refused_total{reason="quota_exceeded"}') as service,
        ways.device(service, "items") as mqtt,
    ):
        try:
            mqtt.send(codec.encode(packet, 5) * 5)
        except OSError:
            pass  # closed, with more on the way
        assert mqtt.ended_with() == 0x97


def test_a_device_that_asks_for_more_subscriptions_than_it_may_have(siege: Siege) -> None:
    with siege.attack('rt_mqtt_refused_total{reason="subscriptions"}') as service, ways.device(service, "many") as mqtt:
        mqtt.send(Subscribe(1, [Subscription(f"f/{n}") for n in range(1500)]))
        reasons = mqtt.expect(Suback).reasons
        assert reasons == [0] * 1000 + [0x97] * 500


def test_a_device_whose_strings_say_that_they_are_longer_than_the_packet(siege: Siege) -> None:
    with siege.attack('rt_mqtt_refused_total{reason="malformed"}') as service, ways.device(service, "short") as mqtt:
        mqtt.send(wire.packet(0x30, b"\xff\xff" + b"a/b"))
        assert mqtt.ended_with() == 0x81

"""What one client does, however wrong or rude, is answered, bounded, and nobody else's trouble."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator

import pytest

from rt_service.mqtt import codec
from rt_service.mqtt.packets import Connect, Kind, Ping, Publish, Subscribe, Subscription
from tests.support.mqtt_client import MqttClient
from tests.support.raw_mqtt import RawMqtt
from tests.support.raw_ws import BINARY, RawWebSocket, masked
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually

PERSISTENT = {"session_expiry_interval": 300}
MQTT_OVER_WS = {"Sec-WebSocket-Protocol": "mqtt"}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service("--set", "mqtt.packet_bytes=2000000") as running:
        yield running


def nested(depth: int) -> str:
    return "[" * depth + "1" + "]" * depth


def test_data_that_is_nested_too_deep_is_refused_and_the_room_stays_usable(service: Service) -> None:
    with MqttClient(service.mqtt) as device, SocketIoClient(service.http, "/iot") as page:
        page.ok("join", room="device:deep")
        device.publish("devices/deep/telemetry", nested(251).encode())
        device.publish("devices/deep/telemetry", nested(150).encode())
        page.sees("telemetry")
        assert page.refused("publish", room="device:deep", event="say", data=json.loads(nested(210))) == "invalid_data"
        assert len(page.ok("history", room="device:deep")["publications"]) == 1


def test_an_answer_to_a_call_that_is_nested_too_deep_fails_the_call(service: Service) -> None:
    with SocketIoClient(service.http, "/chat", "callee") as callee, SocketIoClient(service.http, "/chat") as caller:
        callee.on_call = lambda body: json.loads(nested(230))
        assert caller.refused("call", to="user:callee", method="m") == "invalid_data"


def test_a_position_that_cannot_be_is_refused_and_membership_goes_on(service: Service) -> None:
    with SocketIoClient(service.http, "/chat") as member, SocketIoClient(service.http, "/chat") as other:
        epoch = member.ok("join", room="since")["epoch"]
        since = {"epoch": epoch, "offset": 2**64 - 1}
        assert member.refused("join", room="since", since=since) == "bad_request"
        assert member.refused("history", room="since", since=since) == "bad_request"
        other.ok("join", room="since")
        other.ok("publish", room="since", event="say", data=1)
        member.sees("say", 1)


def test_a_subscriber_of_many_retained_messages_gets_them_all(service: Service) -> None:
    with RawMqtt(service.mqtt) as sender:
        sender.connect("retainer")
        for n in range(3000):
            sender.send(Publish(f"many/{n}", b"x" * 1000, 0, retain=True))
        assert isinstance(sender.send(Ping(Kind.PINGREQ)).receive(), Ping)
    for qos in (0, 1):
        with MqttClient(service.mqtt, ReceiveMaximum=20) as reader:
            reader.subscribe("many/+", qos=qos)
            eventually(lambda reader=reader: len(reader.messages) == 3000)


def test_a_packet_with_too_many_filters_ends_its_connection(service: Service) -> None:
    with RawMqtt(service.mqtt) as client:
        client.connect("filters")
        client.send(Subscribe(1, [Subscription("#", 0)] * 6000, {}))
        assert client.ended_with() == 0x97


def test_a_session_with_much_in_flight_can_come_back(service: Service) -> None:
    with RawMqtt(service.mqtt) as reader:
        reader.connect("back", properties=PERSISTENT, clean_start=False)
        reader.subscribe("heavy", qos=1)
    with MqttClient(service.mqtt) as sender:
        for _ in range(100):
            sender.publish("heavy", b"x" * 60_000)
    with MqttClient(service.mqtt, "back", clean=False, expiry_s=300) as reader:
        assert reader.session_present
        eventually(lambda: len(reader.messages) == 100)


@pytest.mark.parametrize("version", [4, 5])
def test_a_client_id_that_is_no_name_here_keeps_its_session(service: Service, version: int) -> None:
    more = {"properties": PERSISTENT} if version == 5 else {}
    with RawMqtt(service.mqtt, version) as client:
        client.connect(f"my küche/{version}", clean_start=False, **more)
        client.subscribe("kitchen", qos=1)
    with RawMqtt(service.mqtt, version) as client:
        answer = client.connect(f"my küche/{version}", clean_start=False, **more)
        assert (answer.reason, answer.session_present) == (0, True)


def test_a_topic_with_more_levels_than_make_sense_is_refused(service: Service) -> None:
    with RawMqtt(service.mqtt) as client:
        client.connect("levels")
        client.send(Publish("a" + "/" * 200, b"x", 0))
        assert client.ended_with() == 0x90


def test_a_topic_alias_is_used_only_after_it_was_told(service: Service) -> None:
    with RawMqtt(service.mqtt) as reader, MqttClient(service.mqtt) as sender:
        reader.connect("alias", properties={"topic_alias_maximum": 10, "maximum_packet_size": 100})
        reader.subscribe("alias/topic", qos=0)
        sender.publish("alias/topic", b"x" * 200)  # too large for this client
        sender.publish("alias/topic", b"small")
        assert reader.expect(Publish).topic == "alias/topic"


def over_websocket(service: Service, client_id: str, *packets: object) -> RawWebSocket:
    ws = RawWebSocket(service.http, "/mqtt", MQTT_OVER_WS, buffer=4096)
    connect = codec.encode(Connect(client_id, keepalive=0), 5)
    ws.send(masked(BINARY, connect + b"".join(codec.encode(p, 5) for p in packets)))
    return ws


def test_mqtt_over_websocket_bounds_a_message_of_endless_fragments(service: Service) -> None:
    ws = RawWebSocket(service.http, "/mqtt", MQTT_OVER_WS)
    try:
        ws.send(masked(BINARY, b"", fin=False))
        for _ in range(1000):
            ws.send(masked(0, b"x" * 10_000, fin=False))
    except OSError:
        return  # it was closed
    assert ws.ended() == 1009


def test_a_websocket_client_that_does_not_read_neither_holds_its_client_id_nor_the_shutdown() -> None:
    with Service("--set", "mqtt.waiting_bytes=100000") as running:
        deaf = over_websocket(running, "stuck", Subscribe(1, [Subscription("#", 0)], {}))
        assert deaf.frame() is not None
        with MqttClient(running.mqtt) as sender:
            for _ in range(20):
                sender.publish("noise", b"x" * 500_000)
        with RawMqtt(running.mqtt) as again:
            assert again.connect("stuck").reason == 0
        deaf2 = over_websocket(running, "stuck-2", Subscribe(1, [Subscription("#", 0)], {}))
        assert deaf2.frame() is not None
        with MqttClient(running.mqtt) as sender:
            for _ in range(20):
                sender.publish("noise", b"x" * 500_000)
        assert running.stop() == 0


def test_one_session_cannot_use_up_the_calls_of_all() -> None:
    with (
        Service("--set", "limits.calls_per_identity=5") as running,
        SocketIoClient(running.http, "/chat", "busy") as busy,
        SocketIoClient(running.http, "/chat", "other") as other,
    ):
        never = threading.Event()
        busy.on_call = lambda body: never.wait(30)
        for _ in range(5):
            busy.client.emit("call", {"to": "user:busy", "method": "m", "timeout_ms": 60_000}, namespace="/chat")
        eventually(lambda: len(busy.pushed("call")) == 5)
        assert busy.refused("call", to="user:busy", method="m") == "too_many_requests"
        other.on_call = lambda body: "fine"
        assert other.ok("call", to="user:other", method="m")["data"] == "fine"
        never.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_right_after_the_start_is_a_clean_stop(number: int) -> None:
    for _ in range(3):
        running = Service()
        running.start()
        assert running.stop(number) == 0


def test_the_ready_file_is_gone_when_the_service_is() -> None:
    running = Service()
    running._ready_file.write_text('{"http": "http://127.0.0.1:1"}')
    with running:
        assert running.get("/livez")[0] == 200
        running.stop()
        assert not running._ready_file.exists()


def test_a_device_that_publishes_faster_than_it_may_is_read_later_and_loses_nothing() -> None:
    limits = ("--set", "mqtt.publishes_per_s=200", "--set", "mqtt.publish_burst=50")
    with Service(*limits) as service, SocketIoClient(service.http, "/iot") as page, MqttClient(service.mqtt) as honest:
        page.ok("join", room="device:fast")
        with RawMqtt(service.mqtt) as fast:
            fast.connect("fast")
            fast.send(*(Publish("devices/fast/telemetry", b'{"n":%d}' % n, qos=0) for n in range(250)))
            honest.publish("devices/slow/telemetry", {"n": 0})  # others are not kept waiting
            eventually(lambda: len(page.publications) == 250)
        assert [p["data"]["n"] for p in page.publications] == list(range(250))
        assert service.metric("rt_mqtt_paused_seconds_total") > 0.5

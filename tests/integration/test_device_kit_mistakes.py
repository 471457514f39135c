"""clients/device: one mistake of a device's program does not silence the device."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from rt_device import Device, RtError
from tests.support import tokens
from tests.support.certificates import Authority
from tests.support.device_kit import kit
from tests.support.mosquitto import Mosquitto
from tests.support.mqtt_client import MqttClient
from tests.support.proxy import Proxy
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.token_mode import TOKEN_MODE
from tests.support.waiting import eventually

MOST = 1 << 20


@pytest.fixture
def page(service: Service) -> Iterator[SocketIoClient]:
    with SocketIoClient(service.http, "/iot") as page:
        yield page


@pytest.mark.parametrize("wait", [False, True], ids=["offline", "connected"])
def test_what_cannot_be_published_is_refused_where_it_is_said_and_the_rest_is_sent(
    service: Service, page: SocketIoClient, wait: bool
) -> None:
    id = f"clumsy-{int(wait)}"
    page.ok("join", room=f"device:{id}")
    device = Device(id)
    if wait:
        device.connect(service.mqtt)
    with pytest.raises(ValueError, match="a topic to publish on"):
        device.say("iot", "device:a", "#", 1)
    wrong: list[tuple[Any, Any]] = [("a/+/b", b""), ("", b""), ("a\0b", b""), ("a", {"c": 1}), ("a", "text")]
    for topic, payload in wrong:
        with pytest.raises(ValueError, match=r"a topic to publish on|a payload is bytes"):
            device.publish(topic, payload)
    with pytest.raises(ValueError, match=f"{MOST} are the most"):
        device.telemetry("x" * MOST)
    for topic in ("", "a/#/b", "a#", "a/b+/c", "a\0"):
        with pytest.raises(ValueError, match="a topic to listen to"):
            device.listen(topic, print)
    for topic in ("#", "+", "/", "a//b", "+/a/+/#", "$SYS/#"):
        device.listen(topic, print)
    device.event("after", 1)
    if not wait:
        device.connect(service.mqtt)
    try:
        page.sees("after", 1)
        eventually(lambda: device.waiting == 0)
        assert device.dropped == 0
    finally:
        device.disconnect()


def test_an_answer_that_is_too_large_is_an_error_and_the_device_stays(service: Service, page: SocketIoClient) -> None:
    with kit(service, "wordy") as device:
        device.on_call("all", lambda data: "x" * 2 * MOST)
        device.on_call("ping", lambda data: "still here")
        assert page.refused("call", to="device:wordy", method="all") == "too_large"
        assert page.ok("call", to="device:wordy", method="ping")["data"] == "still here"


def strange(data: Any) -> Any:
    raise RtError(ValueError("no such thing"), ValueError("not today"))  # type: ignore[arg-type]


def test_a_handler_that_exits_or_raises_what_is_no_text_fails_and_the_device_goes_on(
    service: Service, page: SocketIoClient
) -> None:
    with kit(service, "quitter") as device:
        device.on_call("exit", lambda data: sys.exit(1))
        device.on_call("strange", strange)
        device.on_inbox("exit", lambda publication: sys.exit(1))
        device.on_call("ping", lambda data: "still here")
        eventually(lambda: page.ask("send", {"to": "device:quitter", "event": "exit", "data": None})["ok"])
        assert page.refused("call", to="device:quitter", method="exit") == "internal"
        assert (
            "not today"
            in page.ask("call", {"to": "device:quitter", "method": "strange", "data": 1})["error"]["message"]
        )
        assert page.ok("call", to="device:quitter", method="ping")["data"] == "still here"


def test_a_device_that_says_goodbye_into_a_dead_network_is_online_when_it_comes_back(
    service: Service, page: SocketIoClient
) -> None:
    page.ok("join", room="device:phoenix")
    device = Device("phoenix", keepalive_s=4)
    with Proxy(service.mqtt_port) as proxy:
        device.connect(f"mqtt://127.0.0.1:{proxy.port}")
        eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online"])
        proxy.lose()
        device.disconnect()
        eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online", "offline"])
    device.connect(service.mqtt)
    try:
        device.telemetry(1)
        page.sees("telemetry", 1)
        eventually(lambda: device.waiting == 0)
        with MqttClient(service.mqtt) as other:
            other.subscribe("devices/phoenix/status")
            assert other.sees("devices/phoenix/status").payload == b"online"
        assert [p["action"] for p in page.pushed("presence")] == ["online", "offline", "online"]
    finally:
        device.disconnect()


def test_a_device_may_try_again_over_tls(secure: Service, authority: Authority) -> None:
    device = Device("stubborn")
    context = ssl.create_default_context(cafile=authority.ca)
    with pytest.raises(ConnectionError, match="nothing listens there"):
        device.connect("mqtts://127.0.0.1:1", tls=context)
    device.connect(secure.mqtt, tls=context)
    try:
        assert device.connected
    finally:
        device.disconnect()


def test_a_topic_that_may_not_be_heard_is_told(caplog: pytest.LogCaptureFixture) -> None:
    token = tokens.make("curious", kind="device")
    with Service(*TOKEN_MODE) as service, kit(service, "curious", token=token) as device:
        device.listen("devices/other/inbox/+", print)
        eventually(lambda: "curious may not listen to a topic" in caplog.text)
        assert device.connected


def test_what_a_broker_does_not_take_leaves_and_the_next_is_sent() -> None:
    with Mosquitto(settings=("max_packet_size 1000",)) as broker:
        device = Device("modest")
        device.publish("a", b"x" * 1000)  # nobody knows yet
        device.publish("b", b"x")
        device.connect(broker.url)
        try:
            eventually(lambda: (device.waiting, device.dropped) == (0, 1))
            with pytest.raises(ValueError, match="1000 are the most"):
                device.publish("a", b"x" * 1000)
            device.publish("a", b"x" * 989)
            eventually(lambda: device.waiting == 0)
            assert device.connected
        finally:
            device.disconnect()

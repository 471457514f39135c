"""An outside broker that is absent, goes away and comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.mosquitto import Mosquitto, free_port
from tests.support.mqtt_client import MqttClient
from tests.support.proxy import Proxy
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually

FAST = ("--set", "bridge.backoff_max_s=0.3", "--set", "bridge.backoff_min_s=0.05")


def cut_off(service: Service) -> bool:
    """Whether it knows that it has no broker; it may be not ready for other reasons too."""
    status, said = service.get("/readyz")
    return status == 503 and "not connected" in said["checks"]["bridge"]


@pytest.fixture
def broker() -> Iterator[Mosquitto]:
    with Mosquitto() as running:
        yield running


def test_a_broker_that_is_absent_at_the_start_is_said_once_and_found_when_it_comes() -> None:
    port = free_port()
    with (
        Service("--mqtt-url", f"mqtt://127.0.0.1:{port}", *FAST) as service,
        SocketIoClient(service.http, "/iot") as page,
    ):
        page.ok("join", room="device:late")
        status, body = service.get("/readyz")
        assert status == 503 and "not connected" in body["checks"]["bridge"]
        assert service.get("/livez")[0] == 200
        with Mosquitto(port):
            eventually(lambda: service.get("/readyz")[0] == 200)
            with MqttClient(f"mqtt://127.0.0.1:{port}") as device:
                device.publish("devices/late/telemetry", {"c": 1})
                page.sees("telemetry", {"c": 1})
        assert len(service.events("broker_unreachable")) == 1


def test_a_broker_that_goes_away_and_comes_back_is_subscribed_to_again(broker: Mosquitto) -> None:
    with Service("--mqtt-url", broker.url, *FAST) as service, SocketIoClient(service.http, "/iot") as page:
        page.ok("join", room="device:back")
        eventually(lambda: service.get("/readyz")[0] == 200)
        broker.stop()
        eventually(lambda: cut_off(service))
        page.ok("publish", room="device:back", event="say", data="meanwhile")
        broker.start()
        eventually(lambda: service.get("/readyz")[0] == 200)
        with MqttClient(broker.url) as device:
            device.publish("devices/back/telemetry", {"c": 2})
            page.sees("telemetry", {"c": 2})
        assert len(service.events("broker_lost")) == 1 and len(service.events("broker_connected")) == 2
        assert service.metric("rt_bridge_connects_total") == 2


def test_what_is_published_while_the_network_is_cut_reaches_the_device_afterwards_in_order(broker: Mosquitto) -> None:
    with Proxy(broker.port) as network, MqttClient(broker.url) as device:
        device.subscribe("rt/out/iot/r/+")
        with Service("--mqtt-url", f"mqtt://127.0.0.1:{network.port}", *FAST) as service:
            page = SocketIoClient(service.http, "/iot")
            page.ok("join", room="r")
            eventually(lambda: service.get("/readyz")[0] == 200)
            network.cut()
            eventually(lambda: cut_off(service))
            for n in range(3):
                page.ok("publish", room="r", event="say", data=n)
                page.ok("publish", room="r", event="where", data=n, **{"class": "latest"}, key="k")
            network.mend()
            eventually(lambda: len(device.messages) >= 4)
            assert [json.loads(p)["data"] for p in device.payloads("rt/out/iot/r/say")] == [0, 1, 2]
            assert [json.loads(p)["data"] for p in device.payloads("rt/out/iot/r/where")] == [2]
            page.client.disconnect()


def test_past_its_bound_the_outbox_drops_the_newest_counted() -> None:
    with (
        Service("--mqtt-url", f"mqtt://127.0.0.1:{free_port()}", "--set", "bridge.outbox=5", *FAST) as service,
        SocketIoClient(service.http, "/iot") as page,
    ):
        page.ok("join", room="r")
        for n in range(8):
            page.ok("publish", room="r", event="say", data=n, key=f"k{n}", **{"class": "latest"})
        assert service.metric("rt_dropped_total", reason="bridge_outbox") == 3


def test_the_service_tells_the_broker_that_it_is_there_and_when_it_is_gone(broker: Mosquitto) -> None:
    with MqttClient(broker.url) as watcher:
        watcher.subscribe("rt/services/+/status")
        with Service("--mqtt-url", broker.url, "--set", "bridge.client_id=rt-1"):
            eventually(lambda: watcher.payloads("rt/services/rt-1/status") == [b"online"])
        eventually(lambda: watcher.payloads("rt/services/rt-1/status") == [b"online", b"offline"])
        crashed = Service("--mqtt-url", broker.url, "--set", "bridge.client_id=rt-2")
        crashed.start()
        eventually(lambda: watcher.payloads("rt/services/rt-2/status") == [b"online"])
        crashed.kill()
        eventually(lambda: watcher.payloads("rt/services/rt-2/status") == [b"online", b"offline"])


def test_two_services_with_one_client_id_are_named_in_the_log(broker: Mosquitto) -> None:
    with Service("--mqtt-url", broker.url, *FAST) as first:
        eventually(lambda: first.get("/readyz")[0] == 200)
        with Service("--mqtt-url", broker.url, *FAST):
            taken = eventually(lambda: first.events("client_id_taken"))
            assert taken[0]["client_id"] == "rt-service" and "bridge.client_id" in taken[0]["help"]


def test_retained_readings_of_earlier_are_values_and_not_news(broker: Mosquitto) -> None:
    with MqttClient(broker.url) as device:
        device.publish("devices/old/telemetry", {"c": 7}, retain=True)
        device.publish("devices/old/status", b"online", retain=True)
    with Service("--mqtt-url", broker.url) as service, SocketIoClient(service.http, "/iot") as page:
        eventually(lambda: [m["id"] for m in page.ok("presence", room="device:old")["members"]] == ["old"])
        eventually(lambda: page.ok("join", room="device:old")["latest"])  # which came first cannot be told
        answer = page.ok("join", room="device:old")
        assert [p["data"] for p in answer["latest"]] == [{"c": 7}] and answer["offset"] == 0


def test_a_user_name_and_password_let_it_in_and_are_shown_nowhere() -> None:
    with Mosquitto(users={"bridge": "hunter2"}) as broker:
        with Service("--mqtt-url", f"mqtt://bridge:hunter2@127.0.0.1:{broker.port}") as service:
            eventually(lambda: service.get("/readyz")[0] == 200)
            assert "hunter2" not in service.log and service.mqtt == broker.url
        with Service("--mqtt-url", f"mqtt://bridge:wrong@127.0.0.1:{broker.port}", *FAST) as service:
            (said,) = eventually(lambda: service.events("broker_unreachable"))
            assert "Not authorized" in said["error"] and "wrong" not in service.log


def test_what_was_published_while_the_broker_was_away_reaches_devices_in_order_after_a_kill(broker: Mosquitto) -> None:
    with Proxy(broker.port) as network, MqttClient(broker.url) as device:
        device.subscribe("rt/out/chat/r/#")
        with Service("--mqtt-url", f"mqtt://127.0.0.1:{network.port}", *FAST) as service:
            eventually(lambda: service.get("/readyz")[0] == 200)
            with SocketIoClient(service.http) as page:
                page.ok("join", room="r")
                page.ok("publish", room="r", event="say", data=0)
                eventually(lambda: len(device.messages) == 1)
                network.cut()
                eventually(lambda: cut_off(service))
                for n in range(1, 20):
                    page.ok("publish", room="r", event="say", data=n)
            service.kill()
            network.mend()
            service.restart()
            eventually(lambda: numbers(device)[-1:] == [19])
            # The broker's word for the first may have been cut off; then it comes twice.
            seen = numbers(device)
            assert seen[-19:] == list(range(1, 20)) and set(seen[:-19]) == {0}


def numbers(device: MqttClient) -> list[int]:
    return [json.loads(p)["data"] for p in device.payloads("rt/out/chat/r/say")]


def test_with_a_full_outbox_rooms_are_read_from_the_history_later(broker: Mosquitto) -> None:
    with Proxy(broker.port) as network, MqttClient(broker.url) as device:
        device.subscribe("rt/out/chat/#")
        url = f"mqtt://127.0.0.1:{network.port}"
        with Service("--mqtt-url", url, "--set", "bridge.outbox=10", *FAST) as service:
            eventually(lambda: service.get("/readyz")[0] == 200)
            network.cut()
            eventually(lambda: cut_off(service))
            with SocketIoClient(service.http) as page:
                for room in ("a", "b"):
                    page.ok("join", room=room)
                    for n in range(100):
                        page.ok("publish", room=room, event="say", data=n)
            network.mend()
            for room in ("a", "b"):
                topic = f"rt/out/chat/{room}/say"
                eventually(lambda topic=topic: len(device.payloads(topic)) == 100)
                assert [json.loads(p)["data"] for p in device.payloads(topic)] == list(range(100))
            assert service.metric("rt_dropped_total", reason="bridge_outbox") == 0

"""clients/device: what a device does that is made with `rt_device`, through a real service."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rt_device import Device, RtError
from tests.support import tokens
from tests.support.certificates import Authority
from tests.support.device_kit import kit
from tests.support.mosquitto import Mosquitto
from tests.support.mqtt_client import MqttClient
from tests.support.script import Script
from tests.support.service import ROOT, Service
from tests.support.socketio_client import SocketIoClient
from tests.support.token_mode import TOKEN_MODE, ws
from tests.support.waiting import eventually

KIT = {**os.environ, "PYTHONPATH": str(ROOT / "clients" / "device")}


@pytest.fixture(scope="module", params=["embedded", "mosquitto"])
def setup(request: pytest.FixtureRequest) -> Iterator[Service]:
    with ExitStack() as stack:
        outside = ["--mqtt-url", stack.enter_context(Mosquitto()).url] if request.param == "mosquitto" else []
        service = stack.enter_context(Service(*outside))
        eventually(lambda: service.get("/readyz")[0] == 200)
        yield service


def page_of(service: Service, *devices: str) -> SocketIoClient:
    page = SocketIoClient(service.http, "/iot")
    for device in devices:
        page.ok("join", room=f"device:{device}")
    return page


def told(page: SocketIoClient, event: str) -> list[Any]:
    return [p["data"] for p in page.publications if p["event"] == event]


def actions(page: SocketIoClient) -> list[str]:
    return [p["action"] for p in page.pushed("presence")]


# -- connected, and not


def test_a_device_is_online_while_it_is_there_and_offline_after_its_goodbye(setup: Service) -> None:
    with page_of(setup, "birth") as page:
        with kit(setup, "birth") as device:
            eventually(lambda: actions(page) == ["online"])
            assert device.connected
        eventually(lambda: actions(page) == ["online", "offline"])


def test_a_device_that_is_killed_is_shown_offline_by_its_will(setup: Service, tmp_path: Path) -> None:
    source = f"from rt_device import Device; d = Device('killed'); d.connect({setup.mqtt!r}); d.telemetry(1); input()"
    with page_of(setup, "killed") as page, Script([sys.executable, "-c", source], tmp_path, KIT) as script:
        eventually(lambda: told(page, "telemetry") == [1] and actions(page) == ["online"])
        script.process.send_signal(signal.SIGKILL)
        eventually(lambda: actions(page) == ["online", "offline"])


def test_a_broken_connection_comes_back_by_itself_and_is_online_again(setup: Service) -> None:
    with page_of(setup, "shaky") as page, kit(setup, "shaky") as device:
        eventually(lambda: actions(page) == ["online"])
        device.drop()
        eventually(lambda: actions(page) == ["online", "offline", "online"])
        device.event("back", 1)
        page.sees("back", 1)


# -- what it says and hears


def test_what_a_device_says_is_in_its_room_and_in_others(setup: Service) -> None:
    with page_of(setup, "talker") as page, kit(setup, "talker") as device:
        page.ok("join", room="hall")
        device.telemetry({"c": 21.5})
        device.event("door", {"open": True})
        device.say("/iot", "hall", "say", "hello")
        page.sees("telemetry", {"c": 21.5})
        page.sees("door", {"open": True})
        page.sees("say", "hello")


def test_what_is_no_json_is_refused_where_it_is_said(setup: Service) -> None:
    device = Device("strict")
    for value in (float("nan"), {1, 2}, object()):
        with pytest.raises(ValueError, match="JSON"):
            device.telemetry(value)


def test_a_call_is_answered(setup: Service) -> None:
    with page_of(setup) as page, kit(setup, "callee") as device:
        device.on_call("add", lambda data: data["a"] + data["b"])
        assert page.ok("call", to="device:callee", method="add", data={"a": 1, "b": 2})["data"] == 3


def test_a_device_can_be_called_as_soon_as_it_is_connected(setup: Service) -> None:
    with page_of(setup) as page:
        for n in range(50):
            with kit(setup, "quick") as device:
                device.on_call("which", lambda data, n=n: n)
                assert page.ok("call", to="device:quick", method="which", data=None)["data"] == n


def fail(data: Any) -> Any:
    raise RtError("conflict", "the valve is stuck")


@pytest.mark.parametrize(
    ("handler", "code", "says"),
    [
        (fail, "conflict", "the valve is stuck"),
        (lambda data: data["c"], "internal", "work failed on the device"),
        (lambda data: object(), "internal", "work failed on the device"),
        (lambda data: float("nan"), "internal", "work failed on the device"),
    ],
    ids=["on purpose", "a fault", "no JSON", "not a number"],
)
def test_a_call_that_fails_says_why_without_any_python(setup: Service, handler: Any, code: str, says: str) -> None:
    with page_of(setup) as page, kit(setup, "failing") as device:
        device.on_call("work", handler)
        device.on_call("ping", lambda data: "still here")
        error = page.ask("call", {"to": "device:failing", "method": "work", "data": None})["error"]
        assert error["code"] == code and says in error["message"]
        assert not any(word in error["message"] for word in ("Error", "NoneType", "object", "Traceback"))
        assert page.refused("call", to="device:failing", method="fly") == "not_found"
        assert page.ok("call", to="device:failing", method="ping")["data"] == "still here"


def test_a_device_gets_what_it_should_be_at_every_connect_and_change_and_says_what_it_is(setup: Service) -> None:
    with page_of(setup) as page:
        page.ok("twin.update", device="twin", desired={"c": 20, "fan": True})
        device, desired = Device("twin"), []
        device.on_desired(desired.append)
        device.connect(setup.mqtt)
        try:
            eventually(lambda: desired == [{"c": 20, "fan": True}])
            page.ok("twin.update", device="twin", desired={"fan": None})
            eventually(lambda: desired[1:] == [{"c": 20}])
            device.report({"c": 20, "firmware": "1.2"})
            eventually(lambda: page.ok("twin", device="twin")["reported"] == {"c": 20, "firmware": "1.2"})
            device.report({"firmware": None})
            eventually(lambda: page.ok("twin", device="twin")["reported"] == {"c": 20})
            device.drop()
            eventually(lambda: desired[2:] == [{"c": 20}])
        finally:
            device.disconnect()


def test_one_bad_message_or_handler_does_not_end_the_connection(setup: Service) -> None:
    heard: list[Any] = []

    def hear(publication: Any) -> None:
        heard.append(publication["data"])
        raise TypeError("a fault of the handler")

    with page_of(setup) as page, kit(setup, "robust") as device, MqttClient(setup.mqtt) as other:
        device.listen("spare/robust", lambda value: heard.append(value))
        device.on_inbox("hello", hear)
        eventually(lambda: other.publish("spare/robust", b'"there"') and "there" in heard)
        other.publish("spare/robust", b"{bad")
        page.ok("send", to="device:robust", event="hello", data=1)
        page.ok("send", to="device:robust", event="hello", data=2)
        eventually(lambda: [h for h in heard if h != "there"] == [1, 2])


# -- while the service is away


def test_what_is_said_while_the_service_is_away_comes_afterwards_once_and_in_order() -> None:
    with Service() as service, kit(service, "patient") as device:
        for n in range(300):
            device.event("count", n)
            if n == 100:
                service.kill()
        assert device.waiting >= 199 and device.dropped == 0
        service.restart()
        for n in range(300, 400):
            device.event("count", n)
        with page_of(service) as page:
            eventually(lambda: device.waiting == 0, 30)
            history = page.ok("history", room="device:patient", limit=1000)["publications"]
        counts = [p["data"] for p in history if p["event"] == "count"]
        # Nothing is lost; what was not acknowledged when the service was killed may be there twice, in its order.
        firsts = list(dict.fromkeys(counts))
        assert firsts == list(range(400)) and len(counts) - len(firsts) <= 10


def test_what_was_acknowledged_is_not_sent_again_after_a_restart() -> None:
    with Service() as service, kit(service, "once") as device:
        for n in range(50):
            device.event("count", n)
        eventually(lambda: device.waiting == 0)
        service.kill()
        eventually(lambda: not device.connected)
        for n in range(50, 100):
            device.event("count", n)
        service.restart()
        eventually(lambda: device.waiting == 0, 30)
        with page_of(service) as page:
            history = page.ok("history", room="device:once", limit=1000)["publications"]
        assert [p["data"] for p in history if p["event"] == "count"] == list(range(100))


def test_when_too_much_waits_the_oldest_leaves_and_is_counted() -> None:
    with Service() as service:
        device = Device("small", queued=10)
        for n in range(25):
            device.event("count", n)
        assert (device.waiting, device.dropped) == (10, 15)
        with page_of(service, "small") as page:
            device.connect(service.mqtt)
            eventually(lambda: told(page, "count") == list(range(15, 25)))
            device.disconnect()


def test_a_device_may_start_before_its_service(tmp_path: Path) -> None:
    service = Service()
    service.start()
    service.stop()
    device = Device("early")
    device.connect(service.mqtt, wait=False)
    device.telemetry("waited")
    try:
        service.restart()
        with page_of(service) as page:
            history = eventually(lambda: page.ok("history", room="device:early")["publications"], 30)
            assert [p["data"] for p in history if p["event"] == "telemetry"] == ["waited"]
    finally:
        device.disconnect()
        assert service.stop() == 0


# -- who it is


def refusal(url: str, id: str, **login: Any) -> str:
    with pytest.raises(OSError, match=r"refused|CERTIFICATE") as caught:
        Device(id).connect(url, **login)
    return str(caught.value)


def test_a_device_with_its_secret_is_in_and_one_with_a_wrong_one_is_told_so() -> None:
    with Service(*TOKEN_MODE, "--set", "accounts.enabled=true") as service:
        command = [sys.executable, "run.py", "device", "add", "lamp", "--data-dir", str(service.data)]
        added = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        secret = added.stdout.strip()
        for wrong in ("wrong", None):
            assert "refused lamp: the secret or token is wrong" in refusal(service.mqtt, "lamp", secret=wrong)
        assert "refused pump: the secret or token is wrong" in refusal(service.mqtt, "pump", secret=secret)
        with (
            ws(service, tokens.make("viewer", kind="service"), namespace="/iot") as page,
            kit(service, "lamp", secret=secret) as device,
        ):
            page.ok("join", room="device:lamp")
            device.telemetry({"c": 1})
            eventually(lambda: [p["data"] for p in page.publications] == [{"c": 1}])
            device.publish("devices/pump/telemetry", b"1")
            eventually(lambda: device.refused == 1)
        url = service.mqtt.replace("mqtt://", f"mqtt://lamp:{secret}@")
        with kit(url, "lamp"):
            pass


def test_a_device_asks_for_a_newer_token_before_each_connect() -> None:
    with Service(*TOKEN_MODE) as service:
        asked: list[str] = []

        def token() -> str:
            asked.append(tokens.make("meter", kind="device"))
            return asked[-1]

        with kit(service, "meter", token=token) as device:
            device.drop()
            eventually(lambda: len(asked) >= 2 and device.connected)
            device.telemetry(1)
            eventually(lambda: device.waiting == 0)
        assert "another device" in refusal(service.mqtt, "meter", token=tokens.make("other", kind="device"))


def test_mosquitto_refuses_a_wrong_secret_in_the_same_words() -> None:
    with Mosquitto(users={"pump": "right"}) as broker:
        assert "refused pump: the secret or token is wrong" in refusal(broker.url, "pump", secret="wrong")
        with kit(broker.url, "pump", secret="right") as device:
            assert device.connected


def test_a_device_speaks_tls_and_to_nobody_that_it_does_not_know(tmp_path: Path) -> None:
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(0o755)  # Mosquitto may have dropped its rights
    authority = Authority(tmp_path)
    certificate, key = authority.issue("broker")
    ours = (authority.ca, *authority.issue("listener"))
    with Mosquitto(settings=(f"certfile {certificate}", f"keyfile {key}")) as broker:
        url = broker.url.replace("mqtt://", "mqtts://")
        assert "CERTIFICATE_VERIFY_FAILED" in refusal(url, "pump")
        with (
            kit(url, "pump", tls=ssl.create_default_context(cafile=authority.ca)) as device,
            MqttClient(url, tls=ours) as c,
        ):
            c.subscribe("devices/pump/#")
            device.telemetry(1)
            assert c.sees("devices/pump/telemetry").payload == b"1"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1883", "127.0.0.1", "mqtt://", "mqtt://h:no"])
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(ValueError, match="mqtt://host:1883"):
        Device("lost").connect(url)


def test_a_place_where_nobody_listens_or_where_there_is_no_tls_is_said_with_its_address(setup: Service) -> None:
    with pytest.raises(ConnectionError, match=r"^127\.0\.0\.1:1 cannot be reached: nothing listens there"):
        Device("lost").connect("mqtt://127.0.0.1:1")
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:\d+ cannot be reached: no TLS there"):
        Device("lost").connect(setup.mqtt.replace("mqtt:", "mqtts:"))


def test_a_name_that_no_device_or_event_can_have_is_refused_where_it_is_given() -> None:
    for id in ("", "esp 1", "a/b", "x" * 122):
        with pytest.raises(ValueError, match="a device id is 1-121 of"):
            Device(id)
    with pytest.raises(ValueError, match="an event name is 1-64 of"):
        Device("esp-1").event("a b", {})


def test_two_devices_with_one_id_are_told_so(caplog: pytest.LogCaptureFixture) -> None:
    with Service() as service, kit(service, "same"), MqttClient(service.mqtt, client_id="same"):
        eventually(lambda: "another client connected as same" in caplog.text)

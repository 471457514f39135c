"""`mosquitto-config`: a real Mosquitto lets in the devices that have a secret, each to what is its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import tokens
from tests.support.mosquitto import Mosquitto
from tests.support.mqtt_client import MqttClient
from tests.support.service import ROOT, Service
from tests.support.token_mode import TOKEN_MODE, ws
from tests.support.waiting import eventually

OURS = ["--set", "bridge.username=rt", "--set", "bridge.password=a password of ours"]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "run.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)


class Setup(NamedTuple):
    broker: Mosquitto
    service: Service
    secrets: dict[str, str]

    def device(self, id: str, secret: str | None = None, client_id: str | None = None) -> MqttClient:
        return MqttClient(self.broker.url, client_id or id, login=(id, secret or self.secrets[id]))


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    folder = tmp_path_factory.mktemp("mosquitto")
    data, written = str(folder / "data"), folder / "written"
    secrets = {}
    for id, grants in {"lamp": ["/chat:lobby join,publish:say"], "pump": ["/iot:device:l* join"]}.items():
        added = command("device", "add", id, "--data-dir", data, *(part for g in grants for part in ("--grant", g)))
        secrets[id] = added.stdout.strip()
    told = command("mosquitto-config", str(written), "--data-dir", data, *OURS)
    assert told.returncode == 0 and "2 devices" in told.stdout, told.stderr
    assert "cannot say it: pump: /iot:device:l*" in told.stdout
    for path in (*list(written.parents)[:-2], written):
        path.chmod(path.stat().st_mode | 0o055)  # Mosquitto may have dropped its rights; the files are for its group
    below_listener = "use_username_as_clientid true"
    assert told.stdout.splitlines()[2].endswith(": " + below_listener)
    assert below_listener not in (written / "include.conf").read_text()  # it would open another port
    with Mosquitto(settings=[below_listener, f"include_dir {written}"], users={}) as broker:
        options = [*TOKEN_MODE, "--set", "bridge.trusted=true", "--mqtt-url", broker.url, *OURS]
        with Service(*options) as service:
            eventually(lambda: service.get("/readyz")[0] == 200)
            yield Setup(broker, service, secrets)


def test_a_device_comes_in_with_its_secret_and_is_in_the_rooms(setup: Setup) -> None:
    with (
        ws(setup.service, tokens.make("viewer", kind="service"), namespace="/iot") as page,
        setup.device("lamp") as lamp,
    ):
        assert lamp.reason.value == 0
        page.ok("join", room="device:lamp")
        lamp.subscribe("devices/lamp/calls/#")
        lamp.publish("devices/lamp/telemetry", {"c": 1})
        eventually(lambda: [p["data"] for p in page.publications] == [{"c": 1}])
        lamp.client.on_message = lambda client, _, message: client.publish(
            message.topic.replace("calls", "replies").rpartition("/")[0], b'"done"', 1
        )
        assert page.ok("call", to="device:lamp", method="blink")["data"] == "done"


def test_without_its_secret_nobody_is_a_device(setup: Setup) -> None:
    for id, secret in (("lamp", "wrong"), ("lamp", setup.secrets["pump"]), ("nobody", "x"), ("rt", "guessed")):
        with setup.device(id, secret) as thief:
            assert thief.reason.is_failure
    with MqttClient(setup.broker.url) as anonymous:
        assert anonymous.reason.is_failure


def test_a_device_has_what_is_its_own_and_what_it_was_granted(setup: Setup) -> None:
    with (
        ws(setup.service, tokens.make("alice", role="admin"), namespace="/chat") as lobby,
        setup.device("lamp") as lamp,
        setup.device("pump") as pump,
    ):
        lobby.ok("join", room="lobby")
        pump.subscribe("devices/#", "rt/out/#")
        for topic in (
            "devices/lamp/telemetry",
            "devices/lamp/status",
            "devices/pump/calls/1/m",
            "rt/in/chat/lobby/say",
        ):
            pump.publish(topic, {"forged": True})
        for topic in ("rt/in/chat/lobby/shout", "rt/in/chat/other/say"):
            lamp.publish(topic, {"forged": True})
        lamp.publish("devices/lamp/telemetry", {"secret": True})
        lamp.publish("rt/in/chat/lobby/say", {"text": "ding"})
        eventually(lambda: [p["data"] for p in lobby.publications] == [{"text": "ding"}])
        assert pump.payloads() == []
    with ws(setup.service, tokens.make("root", role="admin"), namespace="/iot") as iot:
        history = eventually(lambda: iot.ok("history", room="device:lamp")["publications"])
        assert {"forged": True} not in [p["data"] for p in history]


def test_no_device_takes_the_session_of_another(setup: Setup) -> None:
    with setup.device("lamp") as lamp, setup.device("pump", client_id="lamp"):
        lamp.publish("devices/lamp/telemetry", {"still": "here"})
        assert lamp.disconnected == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "bridge.username and bridge.password: set both"),
        (("--set", "bridge.username=taken", "--set", "bridge.password=x"), "there is a device called taken too"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    command("device", "add", "taken", "--data-dir", str(tmp_path))
    done = command("mosquitto-config", str(tmp_path / "out"), "--data-dir", str(tmp_path), *arguments)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()

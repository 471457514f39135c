"""`simulate`: scenarios of simulated devices against a real service."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rt_device.greenhouse import Greenhouse
from rt_device.scenario import ScenarioError, load
from tests.support.mqtt_client import MqttClient
from tests.support.proxy import Proxy
from tests.support.script import Script
from tests.support.service import ROOT, Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually

EXAMPLE = ROOT / "clients" / "device" / "scenarios" / "farm.toml"
SHAPES = """
seed = 3
[[group]]
name = "s"
count = 2
rate = 20
[group.signals.flat]
shape = "constant"
value = 4
[group.signals.wave]
shape = "sine"
low = 10
high = 20
period_s = 1
noise = 0.1
[group.signals.walk]
shape = "random_walk"
start = 5
step = 1
low = 4
high = 6
[group.signals.step]
shape = "step"
low = -1
high = 1
period_s = 0.5
[group.signals.saw]
shape = "sawtooth"
low = 0
high = 8
period_s = 0.5
"""


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "run.py", "simulate", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def scenario(folder: Path, text: str) -> str:
    file = folder / "scenario.toml"
    file.write_text(text)
    return str(file)


def readings(service: Service, device: str) -> list[Any]:
    with SocketIoClient(service.http, "/iot") as page:
        page.ok("join", room=f"device:{device}")
        history = page.ok("history", room=f"device:{device}", limit=1000)["publications"]
        return [p["data"] for p in history if p["event"] == "telemetry"]


def test_a_scenario_runs_for_as_long_as_is_said_and_says_what_it_did(service: Service, tmp_path: Path) -> None:
    done = simulate("--url", service.mqtt, "--scenario", scenario(tmp_path, SHAPES), "--seconds", "4")
    assert done.returncode == 0 and done.stderr == ""
    said = re.fullmatch(r"2 devices, (\d+) readings in (\d+) s, 0 dropped\n", done.stdout)
    assert said and 50 <= int(said[1]) <= 162 and int(said[2]) >= 4  # what was due while it stood still is left out
    seen = readings(service, "s-1")
    assert len(seen) + len(readings(service, "s-2")) == int(said[1])
    assert {r["flat"] for r in seen} == {4} and {r["step"] for r in seen} == {-1, 1}
    assert all(9 < r["wave"] < 21 and 4 <= r["walk"] <= 6 and 0 <= r["saw"] < 8 for r in seen)
    assert max(r["wave"] for r in seen) > 19 and max(r["saw"] for r in seen) > 7 and min(r["saw"] for r in seen) < 1


def test_a_run_is_repeated_with_the_same_seed_and_differs_with_another(tmp_path: Path) -> None:
    def signals(seed: int) -> list[Any]:
        devices = load(Path(scenario(tmp_path, SHAPES.replace("seed = 3", f"seed = {seed}")))).devices()
        return [[d._signals[name](n / d.rate) for n in range(50) for name in d._signals] for d in devices]

    assert signals(3) == signals(3)
    assert signals(3) != signals(4) and signals(3)[0] != signals(3)[1]


FAULTS = """
[[group]]
name = "{name}"
rate = 20
[group.signals.c]
shape = "constant"
value = 1
[[group.fault]]
kind = "{kind}"
{more}
"""


def faulty(service: Service, folder: Path, name: str, kind: str, more: str) -> Script:
    file = scenario(folder, FAULTS.format(name=name, kind=kind, more=more))
    return Script([sys.executable, "run.py", "simulate", "--url", service.mqtt, "--scenario", file], folder)


def test_a_device_that_reconnects_is_shown_offline_and_online(service: Service, tmp_path: Path) -> None:
    with SocketIoClient(service.http, "/iot") as page:
        page.ok("join", room="device:shaky-1")
        with faulty(service, tmp_path, "shaky", "reconnect", "every_s = 1"):
            eventually(lambda: [p["action"] for p in page.pushed("presence")][:3] == ["online", "offline", "online"])


def test_a_device_that_sends_garbage_makes_dead_letters_and_goes_on(service: Service, tmp_path: Path) -> None:
    before = service.metric("rt_dead_letters_total", reason="invalid_data")
    with faulty(service, tmp_path, "mad", "garbage", "every_s = 0.5"):
        eventually(lambda: service.metric("rt_dead_letters_total", reason="invalid_data") >= before + 2)
        seen = len(readings(service, "mad-1"))
        eventually(lambda: len(readings(service, "mad-1")) > seen)


def test_a_battery_runs_low_and_says_so_once(service: Service, tmp_path: Path) -> None:
    with SocketIoClient(service.http, "/iot") as page:
        page.ok("join", room="device:cell-1")
        with faulty(service, tmp_path, "cell", "battery", "lasts_s = 2"):
            assert page.sees("battery_low")["data"]["battery"] < 20
            eventually(lambda: len(of_one_battery(said := page.publications)) < len(said))
            said = of_one_battery(page.publications)
            levels = [p["data"]["battery"] for p in said if p["event"] == "telemetry"]
            assert len(levels) > 1 and levels[0] == 100
            assert sum(p["event"] == "battery_low" for p in said) == 1


def of_one_battery(publications: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those before the level rises: whoever looks late sees the next battery too."""
    levels = [100.0, *(p["data"]["battery"] for p in publications)]
    return list(publications[: next((n for n, (a, b) in enumerate(pairwise(levels)) if b > a), None)])


def test_a_silent_device_says_nothing_for_a_while_and_stays_online(service: Service, tmp_path: Path) -> None:
    with SocketIoClient(service.http, "/iot") as page:
        page.ok("join", room="device:mute-1")
        with faulty(service, tmp_path, "mute", "silent", "every_s = 2\nfor_s = 1"):

            def gaps() -> list[float]:
                at = [p["at"] for p in page.publications if p["event"] == "telemetry"]
                return [later - earlier for earlier, later in pairwise(at)]

            eventually(lambda: any(gap > 800 for gap in gaps()))
            assert [p["action"] for p in page.pushed("presence")] == ["online"]


def test_a_simulated_device_is_what_its_twin_says_and_answers(service: Service, tmp_path: Path) -> None:
    with (
        SocketIoClient(service.http, "/iot") as page,
        faulty(service, tmp_path, "obedient", "garbage", "every_s = 1000"),
    ):
        page.ok("twin.update", device="obedient-1", desired={"fan": True})
        eventually(lambda: page.ok("twin", device="obedient-1")["reported"] == {"fan": True})
        assert page.ok("call", to="device:obedient-1", method="ping", data=1)["data"] == {"pong": 1}


def test_on_a_terminal_it_shows_how_it_goes(service: Service) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "run.py", "simulate", "--url", service.mqtt, "--devices", "2", "--seconds", "30"]
    done = subprocess.Popen(command, cwd=ROOT, stdout=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"})
    os.close(theirs)
    shown = b""
    while not re.search(r"2 of 2 devices online +[1-9]\d* readings/s", plain(shown)):
        shown += os.read(ours, 4096)
    done.send_signal(signal.SIGINT)
    assert done.wait(timeout=30) == 0
    os.close(ours)


def plain(shown: bytes) -> str:
    """Without what moves the cursor and colours."""
    return re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown).decode(errors="replace")


def test_elsewhere_it_says_every_ten_seconds_how_it_goes(service: Service) -> None:
    done = simulate("--url", service.mqtt, "--devices", "2", "--seconds", "11")
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"2 of 2 devices online, \d+ readings in 1\d s, 0 dropped", lines[0]) and len(lines) == 2


class Turnstile(Proxy):
    """A network that is slow after the first ten connections, until it is opened."""

    def __init__(self, port: int) -> None:
        self._turns = threading.Semaphore(20)  # a connection has two directions
        super().__init__(port)

    def open(self) -> None:
        self._turns.release(1000)

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        self._turns.acquire()
        super()._copy(source, sink)


def test_it_can_be_stopped_while_its_devices_connect(tmp_path: Path) -> None:
    with (
        Service() as service,  # where no other device is online
        Turnstile(service.mqtt_port) as turnstile,
        MqttClient(service.mqtt) as other,
    ):
        other.subscribe("devices/+/status")
        url = f"mqtt://127.0.0.1:{turnstile.port}"
        with Script([sys.executable, "run.py", "simulate", "--url", url, "--devices", "300"], tmp_path) as script:
            eventually(lambda: b"online" in other.payloads())
            script.process.send_signal(signal.SIGINT)
            turnstile.open()
            assert script.process.wait(timeout=30) == 0
            assert script.output.startswith("300 devices, 0 readings")
            assert other.payloads().count(b"online") < 300


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        url = f"mqtt://127.0.0.1:{silent.getsockname()[1]}"
        with Script([sys.executable, "run.py", "simulate", "--url", url], tmp_path) as script, silent.accept()[0]:
            eventually(lambda: script.process.send_signal(signal.SIGINT) or script.process.poll() is not None)
            assert script.process.returncode == -signal.SIGINT
            assert script.output == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no [[group]]"),
        ("[[group", "scenario.toml: Expected"),
        ("a = " + "[" * 3000 + "]" * 3000, "scenario.toml: too much is nested"),
        ('sed = 1\n[[group]]\nname = "a"\nsignals.c = {shape = "constant", value = 1}', "there is no sed here"),
        ('[[group]]\nname = "a"\nrate = -1\nsignals.c = {shape = "constant", value = 1}', "group a: rate has to be"),
        ('[[group]]\nname = "a"\nrate = nan\nsignals.c = {shape = "constant", value = 1}', "group a: rate has to be"),
        ('[[group]]\nname = "a"\nrate = "2"\nsignals.c = {shape = "constant", value = 1}', "group a: rate has to be"),
        ('[[group]]\nname = "a"\ncount = 0\nsignals.c = {shape = "constant", value = 1}', "group a: count has to be"),
        ('[[group]]\nname = "a"\ncount = 301\nsignals.c = {shape = "constant", value = 1}', "300 are the most"),
        ('[[group]]\nname = "a/b"\nsignals.c = {shape = "constant", value = 1}', "name has to be"),
        ('[[group]]\nsignals.c = {shape = "constant", value = 1}', "group 1: name is missing"),
        ('[[group]]\nname = "a"', "group a: from 1 to 50"),
        ('[[group]]\nname = "a"\nsignals = 3', "group a: signals: a table is wanted"),
        (
            '[[group]]\nname = "a"\nsignals.c = {shape = "sinus"}',
            "signal c: there is no shape 'sinus'; there are constant",
        ),
        ('[[group]]\nname = "a"\nsignals.c = {shape = "sine", low = 1}', "signal c: high is missing"),
        ('[[group]]\nname = "a"\nsignals.c = {shape = "sine", low = 1, high = 0, period_s = 1}', "high has to be"),
        ('[[group]]\nname = "a"\nsignals.c = {shape = "sine", low = 1, high = 2, period_s = 0}', "period_s has to be"),
        ('[[group]]\nname = "a"\nsignals.c = {shape = "constant", value = 1, hi = 2}', "signal c: there is no hi here"),
        ('[[group]]\nname = "a"\nsignals.c = {shape = "constant", value = 1, noise = -1}', "noise has to be"),
        (FAULTS.format(name="a", kind="fire", more="every_s = 1"), "group a: fault 1: there is no fault 'fire'"),
        (FAULTS.format(name="a", kind="silent", more="every_s = 1"), "fault 1: for_s is missing"),
        (FAULTS.format(name="a", kind="garbage", more="every_s = 0"), "every_s has to be a number from 0.1"),
        (FAULTS.format(name="a", kind="garbage", more="every_s = 1") * 2, "two groups have one name"),
    ],
)
def test_a_scenario_that_cannot_be_used_says_where_it_is_wrong(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=re.escape(says)) as caught:
        load(Path(scenario(tmp_path, text)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [("seed", "sed", "there is no sed"), ("rate = 20", "rate = -1", "rate has to"), ('"sine"', '"s"', "no shape 's'")],
)
def test_a_scenario_that_cannot_be_used_ends_the_command(was: str, becomes: str, says: str, tmp_path: Path) -> None:
    done = simulate("--scenario", scenario(tmp_path, SHAPES.replace(was, becomes)))
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--scenario", "nowhere.toml"), "nowhere.toml: No such file"),
        (("--scenario", str(EXAMPLE), "--devices", "3"), "a scenario says how many"),
        (("--devices", "0"), "--devices"),
        (("--devices", "301"), "--devices"),
        (("--seconds", "-1"), "--seconds"),
        (("--url", "http://127.0.0.1:1883"), "mqtt://host:1883"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(arguments: tuple[str, ...], says: str) -> None:
    done = simulate(*arguments)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_the_example_scenario_can_be_used() -> None:
    devices = {one.device.id for one in load(EXAMPLE).devices()}
    assert len(devices) == 6
    # Beside a service with --simulate they would push each other out.
    assert not devices & {Greenhouse(number).device.id for number in range(30)}


def test_the_greenhouses_answer_a_setpoint_that_is_none_in_words() -> None:
    with Service("--simulate", "1") as service, SocketIoClient(service.http, "/iot") as page:
        page.ok("join", room="device:greenhouse-1")
        page.sees("telemetry")
        for data in (None, {}, {"c": None}, {"c": "warm"}, {"c": 1e9}, 5):
            error = page.ask("call", {"to": "device:greenhouse-1", "method": "set", "data": data})["error"]
            assert error["code"] == "bad_request" and 'set takes {"c": degrees}' in error["message"]
        assert page.ok("call", to="device:greenhouse-1", method="set", data={"c": 25})["data"]["c"] == 25
        page.ok("publish", room="device:greenhouse-1", event="say", data="just text")
        assert "just text" in page.sees("said")["data"]["text"]

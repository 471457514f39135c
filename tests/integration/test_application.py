"""An application that is run along: the examples as they stand in docs/examples, and what may be wrong with one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.support.mqtt_client import MqttClient
from tests.support.script import Script
from tests.support.service import ROOT, Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually


def test_a_shop_takes_orders_and_looks_at_what_is_said() -> None:
    with Service("--app", "docs.examples.shop:setup") as service, SocketIoClient(service.http) as page:
        page.ok("join", room="customer:ann")
        page.ok("join", room="shop")
        order = {"customer": "ann", "item": "tea"}
        assert requests.post(service.http + "/orders", json=order, timeout=30).status_code == 201
        assert page.sees("ordered", {"item": "tea"})["from"] == {"kind": "service", "id": "docs.examples.shop"}
        assert page.refused("publish", room="shop", event="say", data={"text": "buy spam"}) == "forbidden"
        page.ok("publish", room="shop", event="say", data={"text": "darn"})
        page.sees("say", {"text": "d***"})
        page.sees("orders", {"count": 1})
        answer = page.ask("publish", {"room": "shop", "event": "say", "data": ["no object"]})
        assert answer["error"]["code"] == "internal" and "reference" in answer["error"]["message"]
        page.ok("ping")
        assert service.stop() == 0
        assert service.events("hook_failed")
        Path(service.log_file).write_text("")  # the traceback of the application's own fault belongs there


def test_a_thermostat_adds_to_telemetry_and_tells_a_warm_device() -> None:
    with (
        Service("--app", "docs.examples.thermostat:setup") as service,
        SocketIoClient(service.http, "/iot") as page,
        MqttClient(service.mqtt) as device,
    ):
        device.subscribe("devices/oven/twin/desired")
        page.ok("join", room="device:oven")
        device.publish("devices/oven/telemetry", {"c": 20.0})
        page.sees("telemetry", {"c": 20.0, "f": 68.0})
        device.publish("devices/oven/telemetry", {"c": 35.0})
        eventually(lambda: device.payloads() and b'"fan":true' in device.payloads()[-1])


def run(app: str, folder: Path) -> tuple[int, str]:
    command = [sys.executable, str(ROOT / "run.py"), "--port", "0", "--mqtt-port", "0", "--data-dir", "data"]
    done = subprocess.run(
        [*command, "--app", app], cwd=folder, capture_output=True, text=True, timeout=30, env=os.environ
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("app", "says"),
    [
        ("shop", "write module:function"),
        ("nothing_here:setup", "there is no module nothing_here"),
        ("mine:other", "mine has no function other"),
        ("mine:throws", "ZeroDivisionError: division by zero (mine.py, line 2)"),
        ("mine:nowhere", "there is no namespace /nowhere"),
        ("broken:setup", "SyntaxError"),
        ("needs:setup", "No module named 'surely_not_installed'"),
    ],
)
def test_an_application_that_cannot_be_used_is_told_in_one_line(app: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def throws(rt):\n    1 / 0\n\ndef nowhere(rt):\n    rt.on('/nowhere', 'e')\n")
    (tmp_path / "broken.py").write_text("def setup(rt)\n")
    (tmp_path / "needs.py").write_text("import surely_not_installed\n")
    code, error = run(app, tmp_path)
    assert code == 2 and says in error and error.count("\n") == 1, error


def test_a_timer_that_fails_gets_its_next_turn(tmp_path: Path) -> None:
    (tmp_path / "ticks.py").write_text(
        "turns = []\n"
        "def setup(rt):\n"
        "    @rt.every(0.02)\n"
        "    def tick():\n"
        "        turns.append(1)\n"
        "        rt.api.publish('/chat', 'ticks', 'tick', len(turns))\n"
        "        raise RuntimeError('oh')\n"
    )
    with Service("--app", "ticks:setup", environment={"PYTHONPATH": str(tmp_path)}) as service:
        with SocketIoClient(service.http) as page:
            page.ok("join", room="ticks")
            eventually(lambda: len(page.publications) > 3)
        assert service.stop() == 0 and service.events("timer_failed")
        Path(service.log_file).write_text("")


def embedded(folder: Path, program: str) -> Script:
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RT_SERVER__DATA_DIR": str(folder / "data")}
    environment |= {"RT_SERVER__PORT": "0", "RT_MQTT__PORT": "0"}
    return Script(command, folder, environment)


def test_a_flask_application_of_ones_own_is_served_with_the_rooms(tmp_path: Path) -> None:
    program = (ROOT / "docs/examples/embedded.py").read_text().replace('"server.port": 5000', '"server.port": 0')
    program = program.replace("    rt.run()", "    rt.run()  # as in the document")
    with embedded(tmp_path, program) as script:
        found = eventually(lambda: re.search(r'"http": "(http://[^"]+)"', script.output), 20)
        url = found[1]
        with SocketIoClient(url) as page:
            page.ok("join", room="board")
            assert requests.get(url + "/", timeout=30).text == "<h1>Board</h1>"
            assert requests.post(url + "/notes", json={"text": "hi"}, timeout=30).json() == {"offset": 1}
            assert page.sees("note", {"text": "hi"})["from"] == {"kind": "service", "id": "board"}
        theirs = requests.get(url + "/nowhere", timeout=30)
        assert theirs.status_code == 404 and "html" in theirs.headers["Content-Type"]
        ours = requests.get(url + "/api/v1/rooms/nowhere", timeout=30)
        assert ours.status_code == 404 and ours.json()["error"]["code"] == "not_found"
        assert requests.get(url + "/openapi.json", timeout=30).json()["openapi"] == "3.1.0"
        script.process.terminate()
        assert script.process.wait(timeout=30) == 0, script.output


def test_who_forgets_to_patch_is_told(tmp_path: Path) -> None:
    with embedded(tmp_path, "import rt_service\nrt_service.create_service()") as script:
        assert script.process.wait(timeout=30) == 1
        assert "RuntimeError: call rt_service.patch() first" in script.output

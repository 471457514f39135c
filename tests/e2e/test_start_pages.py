"""docs/start: the commands of each page do what it says they do, but for addresses and how long they run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_examples import example, javascript, local
from tests.support.script import Script
from tests.support.service import ROOT, Service
from tests.support.socketio_client import SocketIoClient
from tests.support.token_mode import TOKEN_MODE
from tests.support.tools import need
from tests.support.waiting import eventually

DEVICE, OPERATOR = "docs/start/device.md", "docs/start/operator.md"
START = ROOT / "docs" / "start"


def run(command: str, *more: str) -> subprocess.CompletedProcess[str]:
    """A command of a page, with more arguments."""
    program, *arguments = command.split()
    assert program == "python"
    return subprocess.run([sys.executable, *arguments, *more], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_web_pages_client_sees_who_is_there_and_is_answered(tmp_path: Path) -> None:
    with Service("--simulate", "3") as service:
        with SocketIoClient(service.http, "/iot") as page:
            page.ok("join", room="device:pump-1")
            page.sees("telemetry")
        with javascript(example("docs/start/web.md", "js", "presence"), service, tmp_path) as script:
            eventually(lambda: "{ ok: true, data: { pong: 5 } }" in script.output)
            eventually(lambda: re.search(r"pump-1 \{ c: [\d.]+, humidity: [\d.]+, light: false \}", script.output))
            assert "'pump-1'" in script.output and "'alice'" in script.output


def test_the_device_pages_python_answers_follows_its_twin_and_measures(service: Service, tmp_path: Path) -> None:
    source = example(DEVICE, "python", "RtError").replace("mqtt://127.0.0.1:1883", service.mqtt)
    with SocketIoClient(service.http, "/iot") as page:
        page.ok("join", room="device:pi-1")
        page.ok("twin.update", device="pi-1", desired={"c": 19})
        with Script([sys.executable, "-c", source], tmp_path) as script:
            page.sees("telemetry", {"c": 21.5})
            page.sees("door", {"open": True})
            eventually(lambda: page.ok("twin", device="pi-1")["reported"] == {"c": 19})
            assert page.ok("call", to="device:pi-1", method="set", data={"c": 24})["data"] == {"c": 24}
            error = page.ask("call", {"to": "device:pi-1", "method": "set", "data": None})["error"]
            assert error == {**error, "code": "bad_request"} and "set takes c, in degrees" in error["message"]
            assert script.process.stdin is not None
            script.process.stdin.write(b"\n")
            script.process.stdin.flush()
            assert script.process.wait(timeout=30) == 0
            assert "Traceback" not in script.output
        eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online", "offline"])


def test_the_device_pages_mosquitto_commands_print_what_it_says(service: Service, tmp_path: Path) -> None:
    need("mosquitto_pub")
    where = f"-p {service.mqtt_port} "
    listen = example(DEVICE, "sh", "mosquitto_sub").replace("mosquitto_sub ", "exec mosquitto_sub " + where)
    speak = example(DEVICE, "sh", "mosquitto_pub").replace("mosquitto_pub ", "mosquitto_pub " + where)
    says = re.search(r"^(rt/out/iot/device:esp-1/.*),…$", (ROOT / DEVICE).read_text(), re.MULTILINE)
    assert says is not None

    with Script(["sh", "-c", listen], tmp_path) as script:

        def seen() -> bool:
            subprocess.run(["sh", "-c", speak], check=True, timeout=30)
            return says[1] in script.output

        eventually(seen)


@pytest.mark.parametrize(("page", "command"), [(DEVICE, "--scenario"), (OPERATOR, "simulate --devices")])
def test_simulating_prints_what_the_pages_say(page: str, command: str, service: Service) -> None:
    line = example(page, "sh", command)
    done = run(re.sub(r"--seconds \d+", "--seconds 2", line), "--url", service.mqtt)
    assert done.returncode == 0, done.stderr
    devices = re.search(r"(\d+) devices, \d+ readings in \d+ s, 0 dropped", (ROOT / page).read_text())
    assert devices and re.fullmatch(rf"{devices[1]} devices, \d+ readings in \d+ s, 0 dropped\n", done.stdout)


def test_a_device_gets_its_secret_and_a_person_a_token_as_the_pages_say(tmp_path: Path) -> None:
    with Service(*TOKEN_MODE, "--set", "accounts.enabled=true") as service:
        added = run(example(DEVICE, "sh", "device add"), "--data-dir", str(service.data))
        assert re.fullmatch(r"\S{20,}", added.stdout.strip()), added.stderr
        for command in example(OPERATOR, "sh", "token --sub").splitlines():
            done = run(command, "--data-dir", str(service.data))
            assert re.fullmatch(r"\S{20,}", done.stdout.strip()), done.stderr
        source = example(DEVICE, "python", "RtError").replace("mqtt://127.0.0.1:1883", service.mqtt)
        wrong = source.replace(f'connect("{service.mqtt}"', f'connect("{service.mqtt}", secret="wrong"')
        with Script([sys.executable, "-c", wrong], tmp_path) as script:
            assert script.process.wait(timeout=30) == 1
        says = re.search(r"^ConnectionRefusedError: .*$", (ROOT / DEVICE).read_text(), re.MULTILINE)
        assert says and says[0] in script.output


def test_an_operator_sees_settings_and_health_and_dead_letters() -> None:
    assert "[server]" in run(example(OPERATOR, "sh", "check-config")).stdout
    with Service("--set", "auth.mode=token", "--set", "accounts.enabled=true") as service:
        asked = local(example(OPERATOR, "sh", "readyz"), service)
        shown = re.search(r'^\{"ok".*$', (ROOT / OPERATOR).read_text(), re.MULTILINE)
        assert shown is not None

        def ready() -> bool:  # unless it stood still for a second just now
            done = subprocess.run(["sh", "-c", asked], capture_output=True, timeout=30)
            return bool(json.loads(done.stdout) == json.loads(shown[0]))

        eventually(ready)
        admin = example(OPERATOR, "sh", "token --sub").splitlines()[-1]
        token = run(admin, "--data-dir", str(service.data)).stdout.strip()
        letters = example(OPERATOR, "sh", "dead-letters").replace("TOKEN", token)
        assert run(letters, "--url", service.http).stdout == "there are no dead letters\n"


def test_every_page_is_in_the_readme_and_links_to_what_is_there() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in START.glob("*.md"):
        assert f"(docs/start/{page.name})" in readme
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert (START / link).exists(), link

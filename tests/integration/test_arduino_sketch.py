"""clients/device/arduino: the sketch compiles, and means what the service understands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rt_service import settings
from rt_service.mqtt import routes
from tests.support import tokens
from tests.support.arduino import Board, compile_sketch
from tests.support.service import ROOT, Service
from tests.support.socketio_client import SocketIoClient
from tests.support.token_mode import TOKEN_MODE, ws
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def sketch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_sketch(tmp_path_factory.mktemp("sketch"))


def reported(page: SocketIoClient) -> Any:
    return page.ok("twin", device="esp-1")["reported"]


def test_the_sketch_is_online_measures_answers_and_follows_its_twin(sketch: Path) -> None:
    with Service() as service, SocketIoClient(service.http, "/iot") as page:
        page.ok("join", room="device:esp-1")
        page.ok("twin.update", device="esp-1", desired={"c": 22.5})
        with Board(sketch, service.mqtt) as board:
            eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online"])
            page.sees("started", {})
            assert 18 < page.sees("telemetry")["data"]["c"] < 25
            eventually(lambda: reported(page) == {"c": 22.5})
            assert page.ok("call", to="device:esp-1", method="set", data={"c": 24})["data"] == {"c": 24}
            eventually(lambda: reported(page) == {"c": 24})
            assert page.ok("call", to="device:esp-1", method="ping", data={"n": [1]})["data"] == {"n": [1]}
            for data in (None, {"c": None}, {"d": 1}):
                error = page.ask("call", {"to": "device:esp-1", "method": "set", "data": data})["error"]
                assert error["code"] == "bad_request" and "set takes c" in error["message"]
            assert page.refused("call", to="device:esp-1", method="fly") == "not_found"
            board.lose_power()
            eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online", "offline"])
        known = routes.load(settings.config_dir() / "routes.toml")
        for topic, payload, _ in board.published:
            incoming = known.incoming(topic)
            assert incoming is not None and incoming.route.does != "refuse", topic
            if topic != "devices/esp-1/status":
                json.loads(payload)


def test_the_sketch_comes_back_when_the_service_does(sketch: Path) -> None:
    with Service() as service, Board(sketch, service.mqtt) as board:
        eventually(lambda: board.printed == ["connected"])
        service.stop()
        service.restart()
        eventually(lambda: board.printed[-1:] == ["connected"] and len(board.printed) > 1, 30)
        with SocketIoClient(service.http, "/iot") as page:
            assert page.ok("call", to="device:esp-1", method="ping", data=1)["data"] == 1


def test_the_sketch_logs_in_with_its_secret_and_says_when_that_is_wrong(sketch: Path, tmp_path: Path) -> None:
    with Service(*TOKEN_MODE, "--set", "accounts.enabled=true") as service:
        command = [sys.executable, "run.py", "device", "add", "esp-1", "--data-dir", str(service.data)]
        secret = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout.strip()
        with Board(sketch, service.mqtt) as board:
            eventually(lambda: any("the secret is wrong" in line for line in board.printed))
            assert set(board.refusals) <= {4, 5} and board.published == []
        with (
            ws(service, tokens.make("viewer", kind="service"), namespace="/iot") as page,
            Board(compile_sketch(tmp_path, SECRET=secret), service.mqtt),
        ):
            page.ok("join", room="device:esp-1")
            eventually(lambda: any(p["event"] == "telemetry" for p in page.publications))

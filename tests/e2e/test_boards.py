"""clients/device/arduino and clients/device/micropython: both run, and mean what the service understands."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rt_service import settings
from rt_service.mqtt import routes
from tests.support import tokens
from tests.support.board import Board, micropython_program, sketch_program
from tests.support.service import ROOT, Service
from tests.support.socketio_client import SocketIoClient
from tests.support.token_mode import TOKEN_MODE, ws
from tests.support.waiting import eventually


class Example(NamedTuple):
    id: str
    command: list[str]
    with_secret: Callable[[Path, str], list[str]]


@pytest.fixture(scope="module", params=["Arduino", "MicroPython"])
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Example:
    folder = tmp_path_factory.mktemp("board")
    if request.param == "Arduino":
        return Example("esp-1", sketch_program(folder), lambda folder, secret: sketch_program(folder, SECRET=secret))
    return Example("esp-2", micropython_program(folder), micropython_program)


def test_the_example_is_online_measures_answers_and_follows_its_twin(example: Example) -> None:
    with Service() as service, SocketIoClient(service.http, "/iot") as page:
        device = f"device:{example.id}"

        def reported() -> Any:
            return page.ok("twin", device=example.id)["reported"]

        page.ok("join", room=device)
        page.ok("twin.update", device=example.id, desired={"c": 22.5})
        with Board(example.command, service.mqtt) as board:
            eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online"])
            page.sees("started", {})
            assert 18 < page.sees("telemetry")["data"]["c"] < 25
            eventually(lambda: reported() == {"c": 22.5})
            assert page.ok("call", to=device, method="set", data={"c": 24})["data"] == {"c": 24}
            eventually(lambda: reported() == {"c": 24})
            assert page.ok("call", to=device, method="ping", data={"n": [1]})["data"] == {"n": [1]}
            assert page.ok("call", to=device, method="ping", data="grün")["data"] == "grün"
            for data in (None, {"c": None}, {"d": 1}, {"c": 1e39}, {"c": -51}, {"unit": "c", "to": 5}):
                error = page.ask("call", {"to": device, "method": "set", "data": data})["error"]
                assert error["code"] == "bad_request" and "set takes c" in error["message"]
            assert page.ok("call", to=device, method="set", data={"unit": "c", "c": 25})["data"] == {"c": 25}
            page.ok("twin.update", device=example.id, desired={"c": 1e39})
            assert page.refused("call", to=device, method="fly") == "not_found"
            eventually(lambda: reported() == {"c": 25})
            board.lose_power()
            eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["online", "offline"])
        known = routes.load(settings.config_dir() / "routes.toml")
        for topic, payload, _ in board.published:
            incoming = known.incoming(topic)
            assert incoming is not None and incoming.route.does != "refuse", topic
            if not topic.endswith("/status"):
                json.loads(payload)


def test_the_example_comes_back_when_the_service_does(example: Example) -> None:
    with Service() as service, Board(example.command, service.mqtt) as board:
        eventually(lambda: board.printed == ["connected"])
        service.stop()
        service.restart()
        eventually(lambda: board.printed[-1:] == ["connected"] and len(board.printed) > 1, 30)
        assert "a socket is left open" not in board.printed
        with SocketIoClient(service.http, "/iot") as page:
            call = {"to": f"device:{example.id}", "method": "ping", "data": 1}
            eventually(lambda: page.ask("call", call).get("data") == 1)  # it subscribes after it has said so


def test_the_example_logs_in_with_its_secret_and_says_when_that_is_wrong(example: Example, tmp_path: Path) -> None:
    with Service(*TOKEN_MODE, "--set", "accounts.enabled=true") as service:
        command = [sys.executable, "run.py", "device", "add", example.id, "--data-dir", str(service.data)]
        secret = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout.strip()
        with Board(example.command, service.mqtt) as board:
            eventually(lambda: any("the secret is wrong" in line for line in board.printed))
            assert set(board.refusals) <= {4, 5} and board.published == []
        with (
            ws(service, tokens.make("viewer", kind="service"), namespace="/iot") as page,
            Board(example.with_secret(tmp_path, secret), service.mqtt),
        ):
            page.ok("join", room=f"device:{example.id}")
            eventually(lambda: any(p["event"] == "telemetry" for p in page.publications))


def test_the_example_tries_again_where_it_is_not_even_answered(example: Example) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        with Board(example.command, f"mqtt://127.0.0.1:{listener.getsockname()[1]}"):
            for _ in range(3):
                listener.accept()[0].close()


def test_two_boards_with_one_id_take_turns_more_and_more_slowly(example: Example) -> None:
    with Service() as service:
        began = time.monotonic()
        with Board(example.command, service.mqtt) as one, Board(example.command, service.mqtt) as two:
            eventually(lambda: min(board.printed.count("connected") for board in (one, two)) >= 5, 60)
            assert time.monotonic() - began > 3.5  # at the least 0.25 + 0.5 + 1 + 2 seconds


def test_a_sketch_goes_on_however_long_it_was_connected(tmp_path: Path) -> None:
    with Service() as service, Board(sketch_program(tmp_path), service.mqtt) as board:
        for days in (25, 10, 20):  # 24.9 is half of what its clock counts, 49.7 all of it
            eventually(lambda: board.printed[-1:] == ["connected"])
            board.later(days)
            said = len(board.published)
            eventually(lambda said=said: len([p for p in board.published[said:] if "telemetry" in p[0]]) > 1)
            board.printed.clear()
            service.stop()
            service.restart()
        eventually(lambda: board.printed[-1:] == ["connected"])


def test_a_micropython_board_says_more_than_two_bytes_can_count(tmp_path: Path) -> None:
    command = micropython_program(tmp_path)
    program = tmp_path / "main.py"
    source = program.read_text().replace("READING_EVERY_MS = 2000", "READING_EVERY_MS = 10")
    program.write_text(source.replace('    print("connected")', '    print("connected")\n    mqtt.pid = 65530'))
    with Service() as service, Board(command, service.mqtt) as board:
        eventually(lambda: len([p for p in board.published if "telemetry" in p[0]]) > 20)
        assert board.printed == ["connected"]

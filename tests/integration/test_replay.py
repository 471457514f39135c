"""A room's history to a file and back into a room."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import ROOT, Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service("--set", "limits.publishes_per_s=100000", "--set", "limits.publish_burst=10000") as running:
        yield running


def command(service: Service, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "run.py", *arguments, "--url", service.http]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
    return done


def test_a_room_is_exported_and_replayed_into_another(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "room.jsonl"
    with SocketIoClient(service.http, "/iot") as client:
        client.ok("join", room="old")
        for n in range(1200):  # more than one page
            client.client.emit("publish", {"room": "old", "event": f"e{n % 3}", "data": n}, namespace="/iot")
            if n % 300 == 299:
                eventually(lambda n=n: len(client.publications) == n + 1, deadline_s=20)
        kept = client.ok("history", room="old", limit=1)["offset"] - 999
    done = command(service, "export", "/iot", "old", "--out", str(file))
    assert "1000 publications of old in /iot" in done.stderr
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["offset"] for line in lines] == list(range(kept, kept + 1000)) and lines[0]["epoch"]
    file.write_text("\n".join(file.read_text().splitlines()[:50]))
    with SocketIoClient(service.http, "/game") as watcher:
        watcher.ok("join", room="copy")
        command(service, "replay", str(file), "--into", "/game/copy", "--speed", "max")
        eventually(lambda: len(watcher.publications) == 50)
        assert [(p["event"], p["data"]) for p in watcher.publications] == [(e["event"], e["data"]) for e in lines[:50]]
        assert watcher.publications[0]["from"] == {"kind": "service", "id": "replay"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["replay", "{missing}", "--into", "/game/copy"], "cannot be read"),
        (["replay", "{wrong}", "--into", "/game/copy"], "line 1: is no publication"),
        (["replay", "{empty}", "--into", "/game/copy", "--speed", "fast"], "write 1x, 4x"),
        (["replay", "{empty}", "--into", "copy"], "--into copy: write namespace and room"),
        (["export", "iot", "room"], "did you mean /iot"),
        (["export", "/iot", "a b"], "invalid_room"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(service: Service, tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "wrong").write_text("hello\n")
    (tmp_path / "empty").touch()
    files = {name: str(tmp_path / name) for name in ("missing", "wrong", "empty")}
    done = command(service, *(argument.format(**files) for argument in arguments), code=1)
    assert says in done.stderr and "\n" not in done.stderr.strip()

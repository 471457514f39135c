"""The servers that are compared: how each is built, started on one core, and stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results"
SERVER_CORE, LOAD_CORE = 0, 1
READY_S = 30.0


class Missing(Exception):
    """What a server needs is not on this machine."""


class Running(NamedTuple):
    port: int
    pid: int


class Peer(NamedTuple):
    """`most`: connections it can hold as it comes."""

    name: str
    title: str
    colour: str
    most: int = 60_000


OURS = Peer("ours", "rt-service", "#0b6e4f")
PEERS = [
    OURS,
    Peer("node", "Node socket.io", "#e07a1f"),
    Peer("flask", "Flask-SocketIO on eventlet", "#3b6fd4", most=1000),  # its WSGI server answers nothing past 1,024
    Peer("c", "C, coalescing: the limit", "#888888"),
]


def build(name: str) -> Path:
    """A C program of this directory, compiled if it is older than its source. Raises Missing."""
    source = next(HERE.rglob(f"{name}.c"))
    program = RESULTS / name
    RESULTS.mkdir(exist_ok=True)
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    if shutil.which("cc") is None:
        raise Missing("no C compiler: install gcc or clang")
    subprocess.run(["cc", "-O2", "-o", str(program), str(source)], check=True)
    return program


def check_machine() -> None:
    """Raises Missing where servers and load cannot be kept apart."""
    if not hasattr(os, "sched_setaffinity"):
        raise Missing("the benchmarks pin processes to cores, which needs Linux")
    if len(os.sched_getaffinity(0)) < 2:
        raise Missing("the benchmarks need two cores: one for the server, one for the load")


UNLIMITED = (  # one address, and one identity, is everybody here
    "limits.publishes_per_s", "limits.publish_burst", "limits.joins_per_s", "limits.join_burst",
    "limits.new_rooms_per_s", "limits.new_room_burst", "limits.connections_per_address", "limits.connects_per_s",
    "limits.connect_burst", "mqtt.publishes_per_s", "mqtt.publish_burst",
)  # fmt: skip


def _command(peer: Peer, port_file: str, options: list[str]) -> list[str]:
    if peer.name == "ours":
        limits = [f"{name}=10000000" for name in UNLIMITED] + ["log.level=error"]
        limits += ["engine.url=memory"]  # what keeping on disk costs is measured by itself, in devices.py
        settings = [part for setting in [*limits, *options] for part in ("--set", setting)]
        return [sys.executable, "run.py", "--port", "0", "--mqtt-port", "0", "--ready-file", port_file, *settings]
    if peer.name == "node":
        if shutil.which("node") is None:
            raise Missing("no Node.js")
        if not (HERE / "peers/node/node_modules").exists():
            install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
            subprocess.run(install, cwd=HERE / "peers/node", check=True)
        return ["node", str(HERE / "peers/node/socketio.mjs"), port_file]
    if peer.name == "flask":
        return [sys.executable, str(HERE / "peers/flask_socketio_plain.py"), port_file]
    return [str(build("coalescing")), port_file]


@contextmanager
def running(peer: Peer, options: list[str]) -> Iterator[Running]:
    """A fresh server on a free port and on its core. Raises Missing."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        with (Path(folder) / "log").open("w+") as log:
            process = subprocess.Popen(_command(peer, str(port_file), options), cwd=ROOT, stdout=log, stderr=log)
            os.sched_setaffinity(process.pid, {SERVER_CORE})
            try:
                yield Running(port_of(process, port_file, Path(log.name)), process.pid)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=30)


def port_of(process: subprocess.Popen[bytes], port_file: Path, log: Path) -> int:
    until = time.monotonic() + READY_S
    while True:
        text = port_file.read_text() if port_file.exists() else ""
        if text.startswith("{"):
            return int(json.loads(text)["http"].rpartition(":")[2])
        if text:
            return int(text)
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the server did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.02)

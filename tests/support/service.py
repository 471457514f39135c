"""A real rt-service, as a process of its own on ports of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
READY_S = 60.0


class Service:
    """`with Service("--simulate", "1") as service: …`; leaving the block checks that it stopped cleanly."""

    def __init__(
        self,
        *arguments: str,
        port: int = 0,
        mqtt_port: int = 0,
        environment: dict[str, str] | None = None,
        program: str = "run.py",
    ) -> None:
        self._environment = environment or {}
        self.token = ""  # with which `get` asks
        self._program = program
        self._folder = tempfile.TemporaryDirectory()
        self._ready_file = Path(self._folder.name) / "ready.json"
        self.data = Path(self._folder.name) / "data"
        self._arguments = ["--port", str(port), "--mqtt-port", str(mqtt_port), "--data-dir", str(self.data), *arguments]
        self.log_file = Path(self._folder.name) / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.http = self.mqtt = self.grpc = ""
        self._kept: list[socket.socket] = []

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        code = self.stop()
        self._let_go()
        log = self.log
        self._folder.cleanup()
        if kind is None:
            assert code == 0, f"exit code {code}\n{log}"
            assert "Traceback" not in log, log

    def start(self) -> None:
        self._ready_file.unlink(missing_ok=True)
        command = [sys.executable, self._program, *self._arguments, "--ready-file", str(self._ready_file)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RT_")}
        environment |= self._environment
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
        until = time.monotonic() + READY_S
        while not self._ready_file.exists():
            assert self.process.poll() is None, f"it ended with {self.process.returncode}\n{self.log}"
            assert time.monotonic() < until, f"not ready within {READY_S} s\n{self.log}"
            time.sleep(0.01)
        ready = json.loads(self._ready_file.read_text())
        self.http, self.mqtt = ready["http"], ready["mqtt"]
        self.grpc = ready["grpc"] or ""
        self._let_go()
        assert ready["pid"] == self.process.pid and bool(self.grpc) == ("--grpc-port" in self._arguments)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=30)
        self._keep()
        return code

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=30)
        self._keep()

    def _keep(self) -> None:
        """Nobody else gets its ports while it is down. They are not listened at."""
        for url in (self.http, self.mqtt):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as it does itself when it comes back
            try:
                sock.bind(("127.0.0.1", int(url.rpartition(":")[2])))
            except (OSError, ValueError):  # it is somebody else's, or it has none
                sock.close()
            else:
                self._kept.append(sock)

    def _let_go(self) -> None:
        while self._kept:
            self._kept.pop().close()

    def restart(self) -> None:
        """Start again after `stop` or `kill`, on the same ports."""
        self._arguments[1], self._arguments[3] = str(self.port), str(self.mqtt_port)
        self.start()

    @property
    def port(self) -> int:
        return int(self.http.rpartition(":")[2])

    @property
    def mqtt_port(self) -> int:
        return int(self.mqtt.rpartition(":")[2])

    @property
    def children(self) -> list[int]:
        """Processes that it started."""
        assert self.process is not None
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log lines of one event."""
        whole = self.log.rpartition("\n")[0]  # it may be writing the next one
        lines = [json.loads(line) for line in whole.splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and body of a GET, JSON read where it is JSON."""
        if self.token:
            headers = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.http + path, headers=headers or {}), timeout=30
            ) as reply:
                return reply.status, _body(reply)
        except urllib.error.HTTPError as error:
            return error.code, _body(error)

    def metric(self, name: str, **labels: str) -> float:
        """One value of /metrics; 0 where it has not been counted yet."""
        wanted = name + ("{" + ",".join(f'{k}="{v}"' for k, v in labels.items()) + "}" if labels else "") + " "
        lines = self.get("/metrics")[1].splitlines()
        return next((float(line.removeprefix(wanted)) for line in lines if line.startswith(wanted)), 0.0)


def _body(reply: Any) -> Any:
    text = reply.read().decode()
    return json.loads(text) if reply.headers.get_content_type() == "application/json" else text

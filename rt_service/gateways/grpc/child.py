"""The gRPC process as the service sees it: started, watched, started again when it ends, ended with the service."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from rt_service import log, runtime
from rt_service.gateways.certificates import files_of
from rt_service.metrics import Metrics
from rt_service.settings import Settings, SettingsError

READY_S = 20.0
AGAIN_S = (0.5, 30.0)  # the first and the longest pause before it is started again
LINE_BYTES = 65_536
ROOT = Path(__file__).resolve().parent.parent.parent.parent


class GrpcChild:
    """`address` is where its clients connect."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.address = ""
        self._settings = settings
        self._metrics = metrics
        self._log = log.get("grpc")
        self._url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._wrong: str | None = "it has not started"
        self._stopping = False

    def start(self, url: str) -> None:
        """Start it for the service at `url`, and wait until it accepts. Raises SettingsError."""
        self._url = url
        leash = self._launch(self._settings.grpc.port)
        try:
            with runtime.deadline(READY_S):
                said = leash.readline(LINE_BYTES)
        except TimeoutError:
            said = b""
        if not said:
            self.stop(0)
            raise SettingsError("grpc: its process did not start; what it said stands above")
        self.address = str(json.loads(said)["grpc"])
        self._wrong = None
        runtime.spawn(self._watch, leash)

    @property
    def shown(self) -> str:
        """The address, for people."""
        return f"{self.address} with TLS" if files_of(self._settings, "grpc") else self.address

    def healthy(self) -> str | None:
        """None, or what is wrong."""
        return self._wrong

    def stop(self, seconds: float) -> None:
        """Let it tell its clients and end, within `seconds`."""
        self._stopping = True
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # -- the process

    def _launch(self, port: int) -> Any:
        """Start the process; a file with what it says."""
        ours, theirs = socket.socketpair()
        with theirs:
            paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rt_service", "grpc", "--child", "--url", self._url, *self._options(port)],
                stdin=theirs.fileno(),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)},
            )
        return ours.makefile("rb")

    def _options(self, port: int) -> list[str]:
        own = {"host": self._settings.host("grpc"), "port": port}
        values = {**self._settings.grpc.model_dump(mode="json"), **own}
        chosen = {f"grpc.{key}": value for key, value in values.items()}
        chosen |= {f"log.{key}": value for key, value in self._settings.log.model_dump(mode="json").items()}
        limits, auth = self._settings.limits, self._settings.auth
        chosen |= {"auth.mode": auth.mode, "auth.open_to_all": auth.open_to_all}
        chosen |= {f"server.{name}": getattr(self._settings.server, name) for name in ("cert_file", "key_file")}
        shared = ("wire_bytes", "call_timeout_max_s", "connects_per_s", "connect_burst")
        chosen |= {f"limits.{name}": getattr(limits, name) for name in shared}
        return [part for name, value in chosen.items() for part in ("--set", f"{name}={value}")]

    def _watch(self, leash: Any) -> None:
        """Take what it says until it ends; then start it again, until it is to stop."""
        pause_s = AGAIN_S[0]
        while True:
            if self._take(leash):
                pause_s = AGAIN_S[0]
            leash.close()
            code = self._exit_code()
            if self._stopping:
                return
            self._wrong = f"its process ended with {code}; it is started again"
            self._metrics.grpc_streams.set(0)
            self._log.error("grpc_ended", exit_code=code, again_in_s=pause_s)
            runtime.sleep(pause_s)
            pause_s = min(2 * pause_s, AGAIN_S[1])
            if self._stopping:
                return
            leash = self._launch(int(self.address.rpartition(":")[2]))

    def _exit_code(self) -> int:
        """Of a process that has let go of its leash."""
        assert self._process is not None
        try:
            return self._process.wait(timeout=READY_S)  # with a timeout it leaves the loop to others
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _take(self, leash: Any) -> bool:
        """Whether it came so far as to accept."""
        ready = self._wrong is None
        try:
            while line := leash.readline(LINE_BYTES):
                said = json.loads(line)
                if "grpc" in said:
                    ready, self._wrong = True, None
                    self._log.info("grpc_started_again")
                else:
                    self._count(said)
        except (OSError, ValueError) as error:
            self._log.error("grpc_unheard", error=str(error))
        return ready

    def _count(self, said: dict[str, Any]) -> None:
        self._metrics.grpc_streams.set(said["streams"])
        for outcome, count in said["requests"].items():
            self._metrics.grpc_requests.labels(outcome).inc(count)
        for outcome, count in said["ended"].items():
            self._metrics.grpc_streams_ended.labels(outcome).inc(count)

"""The worker processes as the parent sees them."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from types import TracebackType
from typing import Any

from tests.support.service import ROOT

REPORT_S = 30.0


class Worker:
    """A process of tests.chaos.<module>; `counts` is the last that it told."""

    def __init__(self, module: str, **settings: Any) -> None:
        self.module = module
        self.counts: dict[str, int] = {}
        self._reports: queue.Queue[dict[str, Any]] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.chaos.{module}", json.dumps(settings)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait(timeout=10)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            self.counts = told.get("counts", self.counts)
            if "report" in told:
                self._reports.put(told["report"])

    def count(self, name: str) -> int:
        assert self._process.poll() is None, f"{self.module} ended with {self._process.returncode}"
        return self.counts.get(name, 0)

    def stop(self) -> None:
        self._order(do="stop")

    def report(self, **about: Any) -> dict[str, Any]:
        self._order(do="report", **about)
        return self._reports.get(timeout=REPORT_S)

    def _order(self, **order: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

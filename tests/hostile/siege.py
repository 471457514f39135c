"""A service under attack: beside it a witness (`witness.py`), and what has to hold during an attack and after it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.hostile.witness import DEVICE, USER, About
from tests.support import tokens
from tests.support.service import ROOT, Service
from tests.support.waiting import eventually

MIB = 1 << 20
# 100 ms is what we want; a loaded machine is allowed more. Time for which the service was ready to run and had no
# processor is not counted, see `witness.Stopwatch`.
STALL_S = 0.5
MEMORY_SHARE, MEMORY_BYTES = 0.10, 32 * MIB  # by which more may be in use than before
FILES = 10  # by which more may be open
LOG_BYTES = 64 * 1024  # that one attack may make the service write
SETTLE_S = 20.0
SECRET_SETTINGS = {"RT_AUTH__KEYS": f'{{ one = {{ algorithm = "HS256", secret = "{tokens.SECRET}" }} }}'}
MANY = ("limits.connections_per_address=20000", "limits.connects_per_s=20000", "limits.connect_burst=20000")
LOOK = [{"rooms": ["/chat:*"], "verbs": ["look"]}]


class Line(NamedTuple):
    """What an attack did to /livez and to the honest user, in seconds, and to memory, in bytes."""

    theme: str
    name: str
    livez: list[float]
    talk: list[float]
    grown: int


LINES: list[Line] = []  # of this run, for the summary


class Siege:
    """`with Siege("section.key=value", …) as siege:`; `tokens=True`: the service wants tokens."""

    def __init__(self, *settings: str, with_tokens: bool = False, arguments: tuple[str, ...] = (), **more: Any) -> None:
        self.with_tokens = with_tokens
        if with_tokens:
            settings = ("auth.mode=token", *settings)
            more["environment"] = SECRET_SETTINGS
        # The honest ones come from the same address as who attacks.
        options = [part for setting in (*MANY, *settings) for part in ("--set", setting)]
        self.service = Service(*options, *arguments, **more)
        if with_tokens:
            self.service.token = tokens.make("prometheus", kind="service", grants=LOOK)
        self._witness: subprocess.Popen[str] | None = None

    def __enter__(self) -> Siege:
        self.service.__enter__()
        assert self.service.process is not None
        about = About(self.service.process.pid, self.service.http, self.service.mqtt)
        if self.with_tokens:
            about = about._replace(user_token=tokens.make(USER), device_token=tokens.make(DEVICE, kind="device"))
        command = [sys.executable, "-m", "tests.hostile.witness", json.dumps(about)]
        pipe = subprocess.PIPE
        self._witness = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        self._heard()
        return self

    def __exit__(self, *exc: Any) -> None:
        assert self._witness is not None
        self._witness.kill()
        self._witness.wait(10)
        self.service.__exit__(*exc)

    @contextmanager
    def attack(self, *counted: str) -> Iterator[Service]:
        """What is done inside is an attack: nobody else may suffer, and nothing may stay of it.

        `counted` are the metrics, such as `rt_refused_total{code="too_large"}`, in which it has to show.
        """
        metrics, memory, files, log = self.metrics(), self.memory(), self.files(), len(self.service.log)
        self._seen()
        yield self.service
        for name in counted:
            self._comes(f"{name} counts it", lambda name=name: self.metrics().get(name, 0) > metrics.get(name, 0))
        self._comes(f"files are {files} again", lambda: self.files() <= files + FILES)
        most = memory + memory * MEMORY_SHARE + MEMORY_BYTES
        self._comes(f"memory is {memory} again, or {most:.0f}", lambda: self.memory() <= most)
        self._check(self._heard(), self.memory() - memory)
        written = self.service.log[log:]
        assert "Traceback" not in written, written
        assert len(written) <= LOG_BYTES, f"{len(written)} bytes of log, which begin with\n{written[:2000]}"

    def _comes(self, what: str, condition: Callable[[], bool]) -> None:
        try:
            eventually(condition, SETTLE_S)
        except AssertionError:
            raise AssertionError(
                f"not within {SETTLE_S} s: {what}; {self.memory()} bytes, {self.files()} files"
            ) from None

    def _check(self, times: dict[str, list[float]], grown: int) -> None:
        theme, _, name = os.environ["PYTEST_CURRENT_TEST"].removesuffix(" (call)").partition("::")
        LINES.append(Line(Path(theme).stem, name, times["livez"], times["user"], grown))
        assert max(times["livez"]) < STALL_S, f"/livez took {max(times['livez']):.3f} s"

    def _heard(self) -> dict[str, list[float]]:
        """What the witness saw, once each of the honest ones got through again."""
        times: dict[str, list[float]] = {"livez": [], "user": [], "device": []}

        def all_heard() -> bool:
            seen = self._seen()
            assert not seen["errors"], seen["errors"]
            for who, seconds in seen["times"].items():
                times[who] += seconds
            return all(times.values())

        eventually(all_heard)
        return times

    def _seen(self) -> dict[str, Any]:
        assert self._witness is not None and self._witness.stdin is not None and self._witness.stdout is not None
        self._witness.stdin.write("\n")
        self._witness.stdin.flush()
        return dict(json.loads(self._witness.stdout.readline()))

    # -- what the service uses

    def metrics(self) -> dict[str, float]:
        """Every value of /metrics by its name and label."""
        lines = self.service.get("/metrics")[1].splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def memory(self) -> int:
        """Bytes, of the service and its child."""
        return sum(_resident(pid) for pid in self._processes())

    def files(self) -> int:
        """How many are open, sockets too."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self._processes())

    def _processes(self) -> list[int]:
        assert self.service.process is not None
        return [self.service.process.pid, *self.service.children]


def _resident(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024

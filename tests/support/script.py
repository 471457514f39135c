"""A program that runs beside a test."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Script:
    """A script that runs beside the test; what it prints is read as it comes."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
        self._output = folder / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait(timeout=30)

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import ROOT
from tests.support.waiting import eventually


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where tests/conformance/protocol_app.py serves."""
    folder = tmp_path_factory.mktemp("app")
    ready, log = folder / "ready", folder / "log"
    command = [sys.executable, "-W", "ignore", "-m", "tests.conformance.protocol_app", str(ready)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        eventually(lambda: process.poll() is not None or (ready.exists() and ready.read_text()))
        assert process.poll() is None, log.read_text()
        yield ready.read_text()
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert "Traceback" not in Path(log).read_text(), log.read_text()

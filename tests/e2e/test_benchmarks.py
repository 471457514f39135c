"""The load generator of the benchmarks on our own server: what it counts as lost, repeated or out of order is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.service import ROOT
from tests.support.tools import need


@pytest.mark.parametrize("load", ["fanout-1000-32", "echo-100", "steady-200"])
def test_under_load_nothing_is_lost_repeated_or_out_of_order(load: str, tmp_path: Path) -> None:
    need("cc")
    need("taskset")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("the load generator wants a core of its own")
    command = [sys.executable, "-m", "benchmarks", "--only", load, "--servers", "ours,c", "--out", str(tmp_path)]
    command += ["--rounds", "1", "--seconds", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "results.json").read_text())[load]
    for [result] in results.values():
        assert result["ops"] > 100
        wrong = ("lost", "undelivered", "dup", "reordered", "proto_err", "closed")
        assert {name: result[name] for name in wrong} == dict.fromkeys(wrong, 0)

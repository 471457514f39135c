"""Tests that are written for Node: files *.test.mjs of tests/e2e."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.support.tools import E2E, need_node_packages

FILES = sorted(path.name for path in E2E.glob("*.test.mjs"))


def passes(file: str, **environment: str) -> None:
    """Run one; fails with what it printed."""
    node = need_node_packages()
    command = [node, "--test", "--test-reporter=spec", file]
    given = {**os.environ, "RT_TEST_PYTHON": sys.executable, **environment}
    done = subprocess.run(command, cwd=E2E, env=given, capture_output=True, text=True, timeout=600)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert int(re.findall(r"pass (\d+)", done.stdout)[-1]) > 0

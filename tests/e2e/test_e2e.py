"""Runs the tests of this folder that are written for Node: the real socket.io-client, mqtt.js, the page in Chromium."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.support.tools import E2E, need, need_node_packages, need_web_packages

FILES = sorted(path.name for path in E2E.glob("*.test.mjs"))


@pytest.mark.parametrize("file", FILES)
def test_node(file: str) -> None:
    node = need_node_packages()
    environment = {**os.environ, "RT_TEST_PYTHON": sys.executable}
    if file.startswith("page"):
        environment["RT_TEST_CHROMIUM"] = need("chromium")
    if file.startswith("client"):
        need_web_packages()
    command = [node, "--test", "--test-reporter=spec", file]
    done = subprocess.run(command, cwd=E2E, env=environment, capture_output=True, text=True, timeout=180)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert int(re.findall(r"pass (\d+)", done.stdout)[-1]) > 0

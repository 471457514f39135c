"""The tests of this folder that are written for Node: the real socket.io-client, rt-client, mqtt.js."""

from __future__ import annotations

import pytest

from tests.support import node
from tests.support.tools import need_web_packages


@pytest.mark.parametrize("file", [file for file in node.FILES if not file.startswith("page")])
def test_node(file: str) -> None:
    if file.startswith("client"):
        need_web_packages()
    node.passes(file)

"""The pages in Chromium: the tests of this folder that are written for playwright-core."""

from __future__ import annotations

import pytest

from tests.support import node
from tests.support.tools import need


@pytest.mark.parametrize("file", [file for file in node.FILES if file.startswith("page")])
def test_page(file: str) -> None:
    node.passes(file, RT_TEST_CHROMIUM=need("chromium"))

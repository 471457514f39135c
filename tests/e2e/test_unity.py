"""The Unity package, compiled against a stub of UnityEngine and run against the service. Each C# test is one here."""

from __future__ import annotations

import pytest

from tests.support import unity
from tests.support.service import Service


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> unity.Build:
    return unity.Build(tmp_path_factory.mktemp("unity"))


@pytest.mark.parametrize("name", unity.names())
def test_csharp(build: unity.Build, service: Service, name: str) -> None:
    build.run(name, service)

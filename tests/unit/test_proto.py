"""The generated code of gRPC is what `make proto` makes of realtime.proto."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tools import need_module

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path("rt_service/gateways/grpc")


@pytest.mark.parametrize("name", ["realtime_pb2.py", "realtime_pb2.pyi", "realtime_pb2_grpc.py"])
def test_the_generated_code_is_current(tmp_path: Path, name: str) -> None:
    need_module("grpc_tools", "pip install -r requirements-dev.txt")
    (recipe,) = re.findall(r"-m (grpc_tools\.protoc .*)", (ROOT / "Makefile").read_text())
    arguments = recipe.replace("_out=.", f"_out={tmp_path}").split()
    subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=True)
    assert (ROOT / FOLDER / name).read_text() == (tmp_path / FOLDER / name).read_text()

"""Programs that some tests need. Where CI runs a missing one is a failure; elsewhere the test says what to install."""

from __future__ import annotations

import glob
import importlib.util
import os
import shutil
from pathlib import Path

import pytest

E2E = Path(__file__).resolve().parent.parent / "e2e"
ELSEWHERE = os.pathsep.join(["/usr/sbin", "/usr/local/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])
HELP = {
    "mosquitto": "apt install mosquitto",
    "mosquitto_pub": "apt install mosquitto-clients",
    "postgres": "apt install postgresql",
    "initdb": "apt install postgresql",
    "node": "install Node 20 or later",
    "chromium": "apt install chromium",
    "mcs": "apt install mono-mcs mono-devel",
    "mono": "apt install mono-devel",
    "g++": "apt install g++",
}


def need(program: str) -> str:
    """Where `program` is, or the test ends here."""
    found = shutil.which(program) or shutil.which(program, path=ELSEWHERE)
    if found is None:
        _missing(f"{program} is not installed: {HELP.get(program, '')}")
    return str(found)


def need_package(name: str) -> None:
    """Go on if the Python package is there, one of requirements-dev.txt; else the test ends here."""
    if importlib.util.find_spec(name) is None:
        _missing(f"{name} is not installed: pip install -r requirements-dev.txt")


def find(pattern: str, package: str) -> Path:
    """The file that a system package brings, or the test ends here."""
    found = sorted(glob.glob(pattern))
    if not found:
        _missing(f"there is no {pattern}: apt install {package}")
    return Path(found[-1])


def need_node_packages() -> str:
    """Where Node is, with the packages of tests/e2e beside it."""
    node = need("node")
    if not (E2E / "node_modules").is_dir():
        _missing("the packages of tests/e2e are not installed: npm --prefix tests/e2e ci --ignore-scripts")
    return node


def need_web_packages() -> None:
    """Go on if what builds the pages and checks their types is there; else the test ends here."""
    if not (E2E.parent.parent / "clients" / "web" / "node_modules" / "typescript").is_dir():
        _missing("the packages of clients/web are not installed: npm --prefix clients/web ci --ignore-scripts")


def need_module(name: str, install: str) -> None:
    if importlib.util.find_spec(name) is None:
        _missing(f"{name} is not installed: {install}")


def _missing(message: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)

"""The documents say what the code does: every verb, error, setting, metric, command and topic."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rt_service import cli, settings
from rt_service.core.errors import ERRORS
from rt_service.core.names import RESERVED_EVENTS
from rt_service.metrics import Metrics
from rt_service.mqtt import routes
from tests.support.core import Core

ROOT = Path(__file__).resolve().parent.parent.parent
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
CODE = "".join(path.read_text() for path in sorted((ROOT / "rt_service").rglob("*.py")))


def modules(*folders: str) -> list[str]:
    """Modules and folders of modules in these folders of the service."""
    found = [path for folder in folders for path in sorted((ROOT / "rt_service" / folder).iterdir())]
    python = [path for path in found if path.suffix == ".py" or (path / "__init__.py").is_file()]
    return [path.stem for path in python if not path.stem.startswith("__")]


@pytest.mark.parametrize("verb", Core().api._verbs)
def test_every_verb_is_documented_with_what_it_takes(verb: str) -> None:
    (row,) = [line for line in PROTOCOL.splitlines() if line.startswith(f"| `{verb}` |")]
    kind, _ = Core().api._verbs[verb]
    for field in kind.__struct_encode_fields__:
        assert re.search(rf"`{field}\??`", row), field


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_code_is_documented(code: str) -> None:
    assert any(f"`{code}`" in line for line in PROTOCOL.splitlines() if line.startswith("| `"))


@pytest.mark.parametrize("event", sorted(RESERVED_EVENTS))
def test_every_reserved_event_is_documented(event: str) -> None:
    assert f"`{event}`" in PROTOCOL


@pytest.mark.parametrize(("section", "key", "info"), list(settings.names()))
def test_every_setting_is_documented_with_its_default(section: str, key: str, info: object) -> None:
    value = settings.effective(settings.Settings())[section][key]
    default = cli._toml("" if (section, key) == ("bridge", "password") else value)
    assert f"| `{section}.{key}` | `{default}` | {info.description} |" in SETTINGS  # type: ignore[attr-defined]


def test_no_setting_is_documented_that_does_not_exist() -> None:
    known = {f"{section}.{key}" for section, key, _ in settings.names()}
    assert set(re.findall(r"^\| `(\w+\.\w+)`", SETTINGS, re.MULTILINE)) == known
    sections = "|".join(settings.Settings.model_fields)
    for text in (PROTOCOL.replace("`auth.", "`"), OPERATIONS):  # there `auth` is what a client says when it connects
        assert set(re.findall(rf"`((?:{sections})\.[a-z_]+)`", text)) <= known


@pytest.mark.parametrize("family", list(Metrics().registry.collect()), ids=lambda family: family.name)
def test_every_metric_is_documented(family: object) -> None:
    assert f"`{family.name}" in OPERATIONS  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", [c.name or c.callback.__name__ for c in cli.app.registered_commands if c.callback])
def test_every_command_is_documented(command: str) -> None:
    assert command in OPERATIONS or command in (ROOT / "README.md").read_text()


def test_every_default_route_is_documented() -> None:
    found = routes.load(settings.config_dir() / "routes.toml")
    topics = [route.topic for _, route in found._in if route.does != "refuse"] + [r.topic for r, _ in found.out_routes]
    for topic in topics:
        assert re.sub(r"\{(\w+)\}", r"<\1>", topic) in PROTOCOL.replace("…/error", "devices/<id>/replies/<call>/error")


@pytest.mark.parametrize("module", modules("", "core", "gateways", "gateways/engineio"))
def test_every_module_has_its_place_in_the_architecture(module: str) -> None:
    assert re.search(rf"\b{module}\b", ARCHITECTURE)


DROPPED = sorted(set(re.findall(r'\bdropped(?:\.labels)?\("(\w+)"', CODE)))
CLOSED = sorted(set(re.findall(r'(?:\bclosed\.labels|\.close)\("(\w+)"', CODE)))


@pytest.mark.parametrize("reason", DROPPED)
def test_every_reason_for_not_delivering_is_documented(reason: str) -> None:
    assert f"`{reason}`" in OPERATIONS


@pytest.mark.parametrize("reason", CLOSED)
def test_every_reason_for_closing_a_session_is_documented(reason: str) -> None:
    assert f"`{reason}`" in OPERATIONS.partition("## What is bounded")[2]


def test_what_the_documents_name_is_there() -> None:
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / link).exists(), f"{document}: {link}"
        for path in re.findall(r"`((?:tests|docs|clients|rt_service|config)/[\w./-]+)`", document.read_text()):
            assert (ROOT / path).exists(), f"{document}: {path}"

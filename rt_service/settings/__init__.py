"""Every setting there is, and how their values come together.

`sections` and `access` are their tables: type, default and help. Values come, each overruling the ones before, from
these defaults, a TOML file, the environment (`RT_SECTION__KEY`) and the command line. A name that is not in a table is
an error that says which one was probably meant.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin

from pydantic import ValidationError

from rt_service.settings.access import Accounts, Auth, Store
from rt_service.settings.kinds import Section
from rt_service.settings.sections import (
    Bridge,
    EngineSection,
    Grpc,
    History,
    Limits,
    Log,
    Mqtt,
    Routes,
    Server,
    Simulate,
    SocketIo,
)

ENV_PREFIX = "RT_"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class SettingsError(Exception):
    """A setting that cannot be used; the message is one line for whoever starts the service."""


class Settings(Section):
    server: Server = Server()
    auth: Auth = Auth()
    socketio: SocketIo = SocketIo()
    engine: EngineSection = EngineSection()
    history: History = History()
    limits: Limits = Limits()
    mqtt: Mqtt = Mqtt()
    grpc: Grpc = Grpc()
    bridge: Bridge = Bridge()
    store: Store = Store()
    accounts: Accounts = Accounts()
    routes: Routes = Routes()
    log: Log = Log()
    simulate: Simulate = Simulate()

    def host(self, section: str) -> str:
        """The address that `server`, `mqtt` or `grpc` listens on."""
        return str(getattr(self, section).host) or self.server.host


def names() -> Iterator[tuple[str, str, Any]]:
    """Every setting: (section, key, pydantic's FieldInfo)."""
    for section, field in Settings.model_fields.items():
        for key, info in field.annotation.model_fields.items():  # type: ignore[union-attr]
            yield section, key, info


def check_loopback(settings: Settings, section: str) -> None:
    """Raises SettingsError for an address that others can reach, where no tokens are needed and nobody wants that."""
    host = settings.host(section)
    if host not in LOOPBACK and settings.auth.mode == "open" and not settings.auth.open_to_all:
        raise SettingsError(
            f"{section}.host: {host} can be reached by others, and without tokens everybody may everything; "
            f"use one of {', '.join(LOOPBACK)}, or tokens (auth.mode=token); --open-to-all opens it anyway"
        )


def config_dir() -> Path:
    """The folder with default.toml and routes.toml: in a checkout beside the package, else inside it."""
    package = Path(__file__).resolve().parent.parent
    return next((d for d in (package.parent / "config", package / "config") if d.is_dir()), package / "config")


def load(
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """The effective settings.

    Args:
        file: a TOML file; without one config/default.toml is read if it is there.
        environ: where `RT_SECTION__KEY` is looked for; the process's environment if not given.
        overrides: `{"section.key": value}`, the strongest.

    Raises:
        SettingsError: a name or a value cannot be used; says which, where it stands and what was probably meant.
    """
    values: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}

    def put(name: str, value: Any, origin: str) -> None:
        section, _, key = name.partition(".")
        _check_known(section, key, origin)
        values.setdefault(section, {})[key] = _parsed(section, key, value)
        origins[f"{section}.{key}"] = origin

    for name, value in _from_file(file):
        put(name, value, str(file or "config/default.toml"))
    for variable, text in (os.environ if environ is None else environ).items():
        if variable.startswith(ENV_PREFIX):
            put(variable.removeprefix(ENV_PREFIX).lower().replace("__", "."), text, variable)
    for name, value in (overrides or {}).items():
        put(name, value, "command line")
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_explained(error, origins)) from None


def _explained(error: ValidationError, origins: Mapping[str, str]) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][:2])
    shown = "" if name == "bridge.password" else f", not {first['input']!r}"
    why = first["msg"].removeprefix("Value error, ")
    return f"{origins.get(name, 'settings')}: {name}: {why[0].lower()}{why[1:]}{shown}"


def _from_file(file: Path | None) -> Iterator[tuple[str, Any]]:
    path = file or config_dir() / "default.toml"
    if file is None and not path.is_file():
        return
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from None
    for section, table in document.items():
        keys = table if isinstance(table, dict) else {}
        for key, value in keys.items():
            yield f"{section}.{key}", value
        if (not keys and section not in Settings.model_fields) or not isinstance(table, dict):
            _check_known(section, "", str(path))


def _check_known(section: str, key: str, origin: str) -> None:
    known = [f"{s}.{k}" for s, k, _ in names()]
    name = f"{section}.{key}" if key else section
    if name in known:
        return
    near = [one for one in known if one.partition(".")[2] == name] or difflib.get_close_matches(name, known, 1, 0.55)
    shown = [_variable(one) if origin.startswith(ENV_PREFIX) else one for one in near]
    hint = f"; did you mean {' or '.join(shown)}?" if near else f"; sections are {', '.join(Settings.model_fields)}"
    raise SettingsError(f"{origin}: there is no setting {name}{hint}")


def _variable(name: str) -> str:
    return ENV_PREFIX + name.upper().replace(".", "__")


def _parsed(section: str, key: str, value: Any) -> Any:
    """Text from the environment or the command line, for a table or a list: TOML, or items with commas between them."""
    field = Settings.model_fields[section].annotation.model_fields[key]  # type: ignore[union-attr]
    kind = get_origin(field.annotation)
    if not isinstance(value, str) or kind not in (list, dict):
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value if kind is dict else [item.strip() for item in value.split(",") if item.strip()]


def effective(settings: Settings) -> dict[str, dict[str, Any]]:
    """Every value as it is, secrets masked."""
    values = settings.model_dump(mode="json")
    values["bridge"]["url"] = without_secret(settings.bridge.url)
    values["store"]["url"] = without_secret(settings.store.url)
    return values


def without_secret(url: str) -> str:
    """`url` with its passwords masked, also one with characters that it should have written as %40."""
    masked = re.sub(r"(//[^/@:]*):.*@", r"\1:**********@", url)
    return re.sub(r"(password=)[^&]*", r"\1**********", masked)

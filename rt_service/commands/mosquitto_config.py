"""The command `mosquitto-config`: an outside Mosquitto lets in the devices that have a secret, to what is theirs."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rt_service.auth.tokens import read_grants
from rt_service.commands.accounts import credentials_of
from rt_service.commands.options import ConfigFile, DataDir, Set, chosen
from rt_service.mqtt.acl import acl
from rt_service.mqtt.routes import load
from rt_service.settings import Settings, SettingsError, config_dir

ITERATIONS = 20_000
INCLUDE = """allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl
"""
# Of each listener: in an included file it would be about port 1883, which Mosquitto would open for it.
LISTENER = "use_username_as_clientid true"


def mosquitto_config(
    folder: Annotated[Path, typer.Argument(help="where the files are written", metavar="FOLDER")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    set: Set = None,
) -> None:
    """Write what Mosquitto needs to let in our devices and us: passwords, acl, and lines to include."""
    effective = chosen(config, set, data_dir)
    name, password = _ours(effective)
    with credentials_of(config, set, data_dir) as credentials:
        devices = [one for one in credentials.all() if not one.disabled]
    if any(one.id == name for one in devices):
        raise SettingsError(f"bridge.username: there is a device called {name} too; give the service another name")
    routes = load(config_dir() / effective.routes.file)
    granted = {one.id: read_grants(one.grants) or () for one in devices}
    allowed = acl(routes, name, granted)
    passwords = [f"{name}:{_hashed(password)}", *(f"{one.id}:{one.secret_hash}" for one in devices)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "passwords", "\n".join(passwords) + "\n")
        _write(folder / "acl", allowed.text)
        _write(folder / "include.conf", INCLUDE.format(folder=folder.resolve()))
    except OSError as error:
        raise SettingsError(f"{folder}: cannot be written: {error.strerror}") from None
    _tell(folder, len(devices), allowed.unsaid)


def _ours(effective: Settings) -> tuple[str, str]:
    name, password = effective.bridge.username, effective.bridge.password.get_secret_value()
    if not name or not password:
        raise SettingsError("bridge.username and bridge.password: set both, they are how the service itself comes in")
    return name, password


def _hashed(password: str) -> str:
    """PBKDF2 with SHA-512, as Mosquitto 2 writes it: of a password that somebody chose."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _write(path: Path, text: str) -> None:
    """The file appears whole, readable for its owner and group, which is Mosquitto's where that may be said."""
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w") as file:
        file.write(text)
    with contextlib.suppress(LookupError, PermissionError):
        shutil.chown(part, group="mosquitto")  # started by root it reads them as its own user
    part.replace(path)


def _tell(folder: Path, devices: int, unsaid: list[str]) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"{folder}: passwords and acl for the service and {devices} devices")
    console.print(f"add to mosquitto.conf: include_dir {folder.resolve()}, or the lines of include.conf;")
    console.print(f"and below its `listener`, below each where there are several: {LISTENER}")
    console.print(
        "after another `mosquitto-config`: send Mosquitto a SIGHUP; set bridge.trusted once it runs with them"
    )
    for one in unsaid:
        console.print(f"not written, since a filter of MQTT cannot say it: {one}; name its rooms one by one")

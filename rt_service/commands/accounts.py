"""`account` and `device`: who may come in. They work on the same database as a service, whether one runs or not."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from rt_service import log, runtime
from rt_service.commands.options import ConfigFile, DataDir, Set, chosen
from rt_service.core.errors import Unavailable
from rt_service.settings import SettingsError

if TYPE_CHECKING:
    from rt_service.auth.accounts import Accounts
    from rt_service.auth.credentials import Credentials
    from rt_service.store import Store

account_app = typer.Typer(help="Accounts: a name, a password, a role.", no_args_is_help=True)
device_app = typer.Typer(help="Devices: an id, a secret, grants.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="name of the account")]
Id = Annotated[str, typer.Argument(help="id of the device")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="read the password from standard input")]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line")]


# -- accounts


@account_app.command("add")
def add_account(
    name: Name,
    role: Annotated[str, typer.Option(help="admin, user or service")] = "user",
    password_stdin: PasswordStdin = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    set: Set = None,
) -> None:
    """Add an account; asks for its password."""
    with _accounts(config, set, data_dir) as accounts:
        accounts.register(name, _password(password_stdin), role)
    print(f"account {name} was added, with role {role}")


@account_app.command("list")
def list_accounts(
    as_json: AsJson = False, data_dir: DataDir = None, config: ConfigFile = None, set: Set = None
) -> None:
    """List the accounts."""
    with _accounts(config, set, data_dir) as accounts:
        found = [
            {"name": one.name, "role": one.role, "created_at": one.created_at, "disabled": one.disabled}
            for one in accounts.all()
        ]
    _print(found, as_json, "there are no accounts")


@account_app.command("disable")
def disable_account(name: Name, data_dir: DataDir = None, config: ConfigFile = None, set: Set = None) -> None:
    """Let nobody in with an account any more, and end what is open with it."""
    with _accounts(config, set, data_dir) as accounts:
        accounts.disable(name)
    print(f"account {name} is disabled")


@account_app.command("enable")
def enable_account(name: Name, data_dir: DataDir = None, config: ConfigFile = None, set: Set = None) -> None:
    """Let a disabled account in again."""
    with _accounts(config, set, data_dir) as accounts:
        accounts.enable(name)
    print(f"account {name} is enabled")


@account_app.command("role")
def change_role(
    name: Name,
    role: Annotated[str, typer.Argument(help="admin, user or service")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
    set: Set = None,
) -> None:
    """Give an account another role, and end what is open with the old one."""
    with _accounts(config, set, data_dir) as accounts:
        accounts.change_role(name, role)
    print(f"account {name} has role {role} now")


@account_app.command("password")
def set_password(
    name: Name,
    password_stdin: PasswordStdin = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    set: Set = None,
) -> None:
    """Give an account another password, and end what is open with the old one; asks for it."""
    with _accounts(config, set, data_dir) as accounts:
        accounts.get(name)
        accounts.set_password(name, _password(password_stdin))
    print(f"account {name} has another password")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise SettingsError("there is no terminal to ask for the password on; use --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


# -- devices


@device_app.command("add")
def add_device(
    id: Id,
    grants: Annotated[
        list[str] | None,
        typer.Option("--grant", metavar="'ROOMS VERBS'", help="such as '/iot:device:* join,publish'; repeatable"),
    ] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    set: Set = None,
) -> None:
    """Add a device and print its secret, once."""
    from rt_service.auth.credentials import grant

    granted = [grant(text) for text in grants or []]
    with credentials_of(config, set, data_dir) as credentials:
        _print_secret(credentials.add(id, granted))


@device_app.command("list")
def list_devices(as_json: AsJson = False, data_dir: DataDir = None, config: ConfigFile = None, set: Set = None) -> None:
    """List the devices that have a secret."""
    with credentials_of(config, set, data_dir) as credentials:
        found = [
            {"id": one.id, "grants": one.grants, "created_at": one.created_at, "disabled": one.disabled}
            for one in credentials.all()
        ]
    _print(found, as_json, "there are no devices with a secret")


@device_app.command("disable")
def disable_device(id: Id, data_dir: DataDir = None, config: ConfigFile = None, set: Set = None) -> None:
    """Let a device in no more, and end what it has open."""
    with credentials_of(config, set, data_dir) as credentials:
        credentials.disable(id)
    print(f"device {id} is disabled")


@device_app.command("enable")
def enable_device(id: Id, data_dir: DataDir = None, config: ConfigFile = None, set: Set = None) -> None:
    """Let a disabled device in again."""
    with credentials_of(config, set, data_dir) as credentials:
        credentials.enable(id)
    print(f"device {id} is enabled")


@device_app.command("rotate")
def rotate(id: Id, data_dir: DataDir = None, config: ConfigFile = None, set: Set = None) -> None:
    """Give a device another secret and print it, once; ends what is open with the old one."""
    with credentials_of(config, set, data_dir) as credentials:
        _print_secret(credentials.rotate(id))


def _print_secret(secret: str) -> None:
    """Alone on standard output, so that a script can keep it."""
    print(secret)
    print("this is its secret; it is not shown again", file=sys.stderr)


# -- the database


@contextmanager
def _accounts(config: Path | None, set: list[str] | None, data_dir: str | None) -> Iterator[Accounts]:
    from rt_service.auth import passwords
    from rt_service.auth.accounts import Accounts
    from rt_service.core.turns import Turns

    turns = Turns(runtime.Waiter, 1, 0, 0, "passwords")
    with _store(config, set, data_dir) as store:
        yield Accounts(store, passwords.Passwords(runtime.offload, turns), runtime.SystemClock())


@contextmanager
def credentials_of(config: Path | None, set: list[str] | None, data_dir: str | None) -> Iterator[Credentials]:
    """Raises SettingsError or RtError when the database cannot be used."""
    from rt_service.auth.credentials import Credentials

    with _store(config, set, data_dir) as store:
        yield Credentials(store, runtime.SystemClock(), runtime.spawn, runtime.Waiter)


@contextmanager
def _store(config: Path | None, set: list[str] | None, data_dir: str | None) -> Iterator[Store]:
    """Raises SettingsError or RtError when it cannot be used."""
    from rt_service.store import CannotOpen, Database, Store  # slow to import

    effective = chosen(config, set, data_dir)
    log.configure("error", "auto")
    try:
        database = Database(effective.store.url, effective.server.data_dir)
    except CannotOpen as error:
        raise SettingsError(str(error)) from None
    try:
        database.open()
        yield Store(database, runtime.SystemClock())
    except CannotOpen as error:
        raise SettingsError(str(error)) from None
    except Unavailable:
        raise Unavailable(f"{database.name}: {database.trouble}") from None
    finally:
        database.close()


def _print(found: list[dict[str, Any]], as_json: bool, nothing: str) -> None:
    if as_json:
        for one in found:
            print(json.dumps(one))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in found[0] if found else ():
        table.add_column(name.replace("created_at", "since").replace("disabled", ""), overflow="fold")
    for one in found:
        table.add_row(*(_shown(name, value) for name, value in one.items()))
    console = Console(highlight=False, markup=False)
    console.print(table if found else nothing)


def _shown(name: str, value: Any) -> str:
    if name == "created_at":
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(value / 1000))
    if name == "disabled":
        return "disabled" if value else ""
    if name == "grants":
        return "; ".join(f"{','.join(one['rooms'])} {','.join(one['verbs'])}" for one in value)
    return str(value)

"""The command `token`: one that this service lets in."""

from __future__ import annotations

import json
import re
import time
from typing import Annotated, Any

import typer

from rt_service import runtime
from rt_service.auth import credentials
from rt_service.auth.policy import ROLES
from rt_service.auth.tokens import issue, read_grants
from rt_service.commands.options import ConfigFile, chosen
from rt_service.core import names
from rt_service.core.errors import BadRequest
from rt_service.core.model import KINDS, Grant, Identity, Who
from rt_service.settings import SettingsError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def token(
    sub: Annotated[str, typer.Option(help="who it is for: the id of a user, a device or a service")],
    kind: Annotated[str, typer.Option(help="user, device or service")] = "user",
    role: Annotated[str | None, typer.Option(help="admin, user, device or service; as `kind` if not given")] = None,
    grant: Annotated[
        list[str] | None, typer.Option(help="'/chat:lobby join,publish': a room and verbs; repeatable. None: the rules")
    ] = None,
    ttl: Annotated[str, typer.Option(help="how long it is good for: 90s, 30m, 1h, 7d")] = "1h",
    info: Annotated[str | None, typer.Option(help="JSON that is shown in presence")] = None,
    data_dir: Annotated[str | None, typer.Option(help="folder of the service's own key (var)")] = None,
    config: ConfigFile = None,
) -> None:
    """Make a token, signed with an HS256 key of the settings or the service's own."""
    from rt_service.choices import token_keys

    effective = chosen(config, None, data_dir)
    now = time.time()
    who = Who(_identity(kind, sub), _json(info), _role(role or kind), _grants(grant), now + seconds(ttl))
    signing = [key for key in token_keys(effective, runtime.SystemClock())() if key.algorithm == "HS256"]
    if not signing:
        raise SettingsError("there is no HS256 key to sign with: tokens come from whoever has the private keys")
    claims = {"aud": effective.auth.audience, "iss": effective.auth.issuer}
    print(issue(signing[0], who, now, {name: value for name, value in claims.items() if value}))


def seconds(text: str) -> float:
    """What `90s`, `30m`, `1h` or `7d` is in seconds. Raises SettingsError."""
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if not found or not int(found[1]):
        raise SettingsError(f"--ttl {text}: write 90s, 30m, 1h or 7d")
    return int(found[1]) * UNITS[found[2]]


def _identity(kind: str, sub: str) -> Identity:
    if kind not in KINDS:
        raise SettingsError(f"--kind {kind}: it is one of {', '.join(KINDS)}")
    if not names.is_name(sub):
        raise SettingsError(f"--sub {sub!r}: it is 1-128 of A-Za-z0-9_.:@-")
    return Identity(kind, sub)


def _role(role: str) -> str:
    if role not in ROLES:
        raise SettingsError(f"--role {role}: it is one of {', '.join(ROLES)}")
    return role


def _grants(texts: list[str] | None) -> tuple[Grant, ...] | None:
    try:
        return read_grants([credentials.grant(text) for text in texts]) if texts else None
    except BadRequest as error:
        raise SettingsError(f"--grant: {error.message}") from None


def _json(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise SettingsError(f"--info: not JSON: {error}") from None

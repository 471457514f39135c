"""The seam between the verbs and who may use them. In open mode, the only one so far, everybody may everything."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from rt_service.core import encoding, names
from rt_service.core.errors import BadRequest
from rt_service.core.model import Identity

INFO_BYTES = 1024


class Who(NamedTuple):
    """Somebody who was let in; `info` is shown in presence."""

    identity: Identity
    info: Any = None


class Policy(Protocol):
    def identify(self, credentials: Mapping[str, Any]) -> Who:
        """Who a client is that connects with `credentials`. Raises Unauthorized or BadRequest."""

    def allow(self, identity: Identity, verb: str, namespace: str, room: str | None, event: str | None) -> None:
        """Raises Forbidden unless `identity` may."""


class OpenPolicy:
    """For development, on loopback only: whoever connects may say who they are, or is somebody anonymous."""

    def identify(self, credentials: Mapping[str, Any]) -> Who:
        """`credentials` may have `user` (an id), `kind` (user or service) and `info` (any JSON up to 1 KiB)."""
        info = credentials.get("info")
        if len(encoding.dumps(info)) > INFO_BYTES:
            raise BadRequest(f"auth.info is larger than {INFO_BYTES} bytes")
        user = credentials.get("user")
        if user is None:
            return Who(Identity("user", f"anon-{secrets.token_hex(6)}"), info)
        if not names.is_name(user):
            raise BadRequest("auth.user is 1-128 of A-Za-z0-9_.:@-")
        kind = credentials.get("kind", "user")
        if kind not in ("user", "service"):
            raise BadRequest("auth.kind is user or service")
        return Who(Identity(kind, user), info)

    def allow(self, identity: Identity, verb: str, namespace: str, room: str | None, event: str | None) -> None:
        return None

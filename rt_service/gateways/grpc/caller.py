"""Who calls: what the metadata of an RPC says, handed on to the service, which decides what it is worth."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, NamedTuple
from urllib.parse import urlencode

from grpc.aio import ServicerContext

_SALT = secrets.token_bytes(16)


class Caller(NamedTuple):
    """`authorization` is the header of that name, "Bearer <token>"."""

    user: str | None
    authorization: str | None

    @property
    def query(self) -> str:
        return urlencode({"user": self.user}) if self.user is not None else ""

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [("Authorization", self.authorization)] if self.authorization is not None else []


def caller(context: ServicerContext[Any, Any]) -> Caller:
    """Who says nothing is somebody anonymous, the same one for as long as the channel lives."""
    said = {str(key): value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    user, authorization = said.get("user"), said.get("authorization", "").strip() or None
    if user is None and authorization is None:
        user = f"anon-{hashlib.blake2b(context.peer().encode(), key=_SALT, digest_size=6).hexdigest()}"
    return Caller(user, authorization)

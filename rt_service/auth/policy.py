"""Who somebody is and what they may: the seam between the verbs and the two modes, open and token."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from rt_service.core import encoding, names
from rt_service.core.errors import BadRequest, Forbidden
from rt_service.core.model import Grant, Identity, Who

INFO_BYTES = 1024
ROLES = ("admin", "user", "device", "service")
OWNED = ("user:", "device:")  # rooms that belong to the identity of that name

VERBS = ("join", "leave", "publish", "send", "call", "history", "presence", "rooms", "twin", "twin.update")
TO_SOMEBODY = ("send", "call")  # verbs about an identity, not a room
OPERATING = ("sessions", "kick", "revoke", "look", "settings")  # of who runs the service; `*` does not stand for them


class Rule(NamedTuple):
    """A line of the policy's table: what those of a role may in the rooms of a namespace without a grant."""

    namespaces: tuple[str, ...]
    roles: tuple[str, ...]
    rooms: tuple[str, ...]
    verbs: tuple[str, ...]


class Policy(Protocol):
    def identify(self, credentials: Mapping[str, Any]) -> Who:
        """Who a client is that comes with `credentials`. Raises Unauthorized, TokenExpired or BadRequest."""

    def may(self, who: Who, verb: str, namespace: str, room: str | None, event: str | None) -> bool:
        """Whether somebody may. `room` is the one to whom, for `send` and `call`."""


def allow(policy: Policy, who: Who, verb: str, namespace: str, room: str | None, event: str | None) -> None:
    """Raises Forbidden unless somebody may."""
    if not policy.may(who, verb, namespace, room, event):
        what = f"{verb} {event}" if event else verb
        where = f"{namespace}:{room}" if room else namespace
        raise Forbidden(f"{who.identity} may not {what}" + (f" in {where}" if where else ""))


class OpenPolicy:
    """For development, on loopback only: whoever connects may say who they are, or is somebody anonymous."""

    def identify(self, credentials: Mapping[str, Any]) -> Who:
        """`credentials` may have `user` (an id), `kind` (user or service) and `info` (any JSON up to 1 KiB)."""
        info = checked_info(credentials.get("info"))
        user = credentials.get("user")
        if user is None:
            return Who(Identity("user", f"anon-{secrets.token_hex(6)}"), info)
        if not names.is_name(user):
            raise BadRequest("auth.user is 1-128 of A-Za-z0-9_.:@-")
        kind = credentials.get("kind", "user")
        if kind not in ("user", "service"):
            raise BadRequest("auth.kind is user or service")
        return Who(Identity(kind, user), info, role=kind)

    def may(self, who: Who, verb: str, namespace: str, room: str | None, event: str | None) -> bool:
        return True


class Table:
    """What is allowed where tokens are needed: grants where a token has them, else the rules. All else is forbidden.

    Rooms `user:<id>` and `device:<id>` belong to who is called so.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules

    def may(self, who: Who, verb: str, namespace: str, room: str | None, event: str | None) -> bool:
        if who.role == "admin" or verb == "ping":
            return True
        if verb in OPERATING:
            return self._may_operate(who, verb)
        if verb == "connect":
            return self._may_connect(who, namespace)
        if room == str(who.identity) and verb not in TO_SOMEBODY:
            return True
        if who.grants is not None:
            return any(_does(one.verbs, verb, event) and _covers(one, namespace, room, verb) for one in who.grants)
        return any(
            _does(rule.verbs, verb, event) and any(matches(pattern, room, verb) for pattern in rule.rooms)
            for rule in self._rules
            if namespace in rule.namespaces and who.role in rule.roles
        )

    def _may_operate(self, who: Who, verb: str) -> bool:
        """Only what is named, wherever: `*` does not mean it."""
        if who.grants is not None:
            return any(verb in grant.verbs for grant in who.grants)
        return any(verb in rule.verbs for rule in self._rules if who.role in rule.roles)

    def _may_connect(self, who: Who, namespace: str) -> bool:
        if who.grants is not None:
            return any(pattern.startswith(f"{namespace}:") for grant in who.grants for pattern in grant.rooms)
        return any(namespace in rule.namespaces and who.role in rule.roles for rule in self._rules)


def check_verbs(verbs: Sequence[str]) -> None:
    """Raises BadRequest when one is none that could be granted.

    For what is written by hand; tokens that others made may name verbs of a later version.
    """
    for one in verbs:
        if one != "*" and one.partition(":")[0] not in (*VERBS, *OPERATING):
            raise BadRequest(f"there is no verb {one[:40]!r}; there are {', '.join((*VERBS, *OPERATING))} and *")


def _does(verbs: tuple[str, ...], verb: str, event: str | None) -> bool:
    return verb in verbs or "*" in verbs or (event is not None and f"{verb}:{event}" in verbs)


def _covers(grant: Grant, namespace: str, room: str | None, verb: str) -> bool:
    start = f"{namespace}:"
    return any(p.startswith(start) and matches(p.removeprefix(start), room, verb) for p in grant.rooms)


def matches(pattern: str, room: str | None, verb: str) -> bool:
    """Whether a room is one of those that `pattern` stands for: `*` is anything.

    Rooms that belong to somebody are meant only by a pattern that begins as they do: `device:*`.
    """
    if room is None:
        return True
    if verb not in TO_SOMEBODY and any(room.startswith(p) and not pattern.startswith(p) for p in OWNED):
        return False
    head, star, tail = pattern.partition("*")
    if not star:
        return room == pattern
    return len(room) >= len(head) + len(tail) and room.startswith(head) and room.endswith(tail)


def checked_info(info: Any) -> Any:
    """`info` if it may be shown in presence. Raises BadRequest."""
    if len(encoding.dumps(info)) > INFO_BYTES:
        raise BadRequest(f"auth.info is larger than {INFO_BYTES} bytes")
    return info

"""Who is in a room, by identity: a person with two tabs is one member with two sessions."""

from __future__ import annotations

from itertools import islice
from typing import Any

from rt_service.core.model import Identity
from rt_service.core.ports import Member


class Presence:
    def __init__(self) -> None:
        self._rooms: dict[tuple[str, str], dict[Identity, Member]] = {}

    def enter(self, namespace: str, room: str, identity: Identity, info: Any) -> Member | None:
        """Count one more session in; the member if it was not there before."""
        members = self._rooms.setdefault((namespace, room), {})
        was = members.get(identity)
        members[identity] = Member(identity, info, was.sessions + 1 if was else 1)
        return None if was else members[identity]

    def leave(self, namespace: str, room: str, identity: Identity) -> Member | None:
        """Count one session out; the member as it was (with no sessions) if that was its last one."""
        members = self._rooms.get((namespace, room), {})
        was = members.get(identity)
        if was is None:
            return None
        if was.sessions > 1:
            members[identity] = was._replace(sessions=was.sessions - 1)
            return None
        del members[identity]
        if not members:
            del self._rooms[namespace, room]
        return was._replace(sessions=0)

    def members(self, namespace: str, room: str, limit: int | None = None) -> list[Member]:
        return list(islice(self._rooms.get((namespace, room), {}).values(), limit))

    def count(self, namespace: str, room: str) -> int:
        return len(self._rooms.get((namespace, room), ()))

    def names(self, namespace: str, prefix: str = "") -> list[str]:
        """Names of rooms with somebody in them."""
        return [name for ns, name in self._rooms if ns == namespace and name.startswith(prefix)]

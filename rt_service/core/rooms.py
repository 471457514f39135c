"""Which session is in which room, for every transport: the one membership table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rt_service.core.model import Publication
from rt_service.core.session import Session


class Membership:
    """One session in one room. While it holds, what is published waits in `held` until the session has caught up."""

    __slots__ = ("held", "held_bytes", "overflowed", "start")

    def __init__(self) -> None:
        self.held: list[Publication] | None = None
        self.held_bytes = 0
        self.overflowed = False
        self.start: int | None = None  # everything after this offset was pushed on this membership

    def hold(self) -> None:
        self.held, self.held_bytes, self.overflowed = [], 0, False

    def keep(self, publication: Publication, bound: int) -> None:
        """Hold one more, unless that makes more than `bound` bytes: then everything held is let go."""
        if self.held is None or self.overflowed:
            return
        self.held.append(publication)
        self.held_bytes += len(publication.json)
        if self.held_bytes > bound:
            self.held, self.overflowed = [], True

    def release(self) -> list[Publication]:
        held, self.held = self.held or [], None
        return held


_NOBODY: Mapping[Session, Membership] = MappingProxyType({})


class Rooms:
    def __init__(self) -> None:
        self._members: dict[tuple[str, str], dict[Session, Membership]] = {}

    def enter(self, session: Session, room: str) -> Membership:
        """The session's membership of a room of its namespace, new if it had none."""
        members = self._members.setdefault((session.namespace, room), {})
        session.rooms.add(room)
        return members.setdefault(session, Membership())

    def leave(self, session: Session, room: str) -> bool:
        """Whether the session was in it."""
        if room not in session.rooms:
            return False
        session.rooms.discard(room)
        members = self._members[session.namespace, room]
        del members[session]
        if not members:
            del self._members[session.namespace, room]
        return True

    def members(self, namespace: str, room: str) -> Mapping[Session, Membership]:
        return self._members.get((namespace, room), _NOBODY)

    def names(self, namespace: str, prefix: str = "") -> list[str]:
        """Names of rooms with members."""
        return [name for ns, name in self._members if ns == namespace and name.startswith(prefix)]

    def __len__(self) -> int:
        return len(self._members)

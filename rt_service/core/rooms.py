"""Which session is in which room, for every transport: the one membership table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rt_service.core.model import Publication
from rt_service.core.ports import Wire
from rt_service.core.session import Session


class Membership:
    """One session in one room. While it holds, what is published waits in `held` until the session has caught up."""

    __slots__ = ("held", "held_bytes", "overflowed", "start")

    def __init__(self) -> None:
        self.held: list[Publication] | None = None
        self.held_bytes = 0
        self.overflowed = False
        self.start: int | None = None  # everything after this offset was pushed on this membership

    def keep(self, publication: Publication, bound: int) -> None:
        """Hold one more, unless that makes more than `bound` bytes: then everything held is let go."""
        if self.held is None or self.overflowed:
            return
        self.held.append(publication)
        self.held_bytes += len(publication.json)
        if self.held_bytes > bound:
            self.held, self.overflowed = [], True


class Room:
    """`members` is everybody. `lanes` has the outboxes of those who hear at once, by wire format, so that a publication
    is encoded once for each and appended to each outbox; `holding` has the others."""

    __slots__ = ("holding", "lanes", "members")

    def __init__(self) -> None:
        self.members: dict[Session, Membership] = {}
        self.lanes: dict[Wire, dict[Session, Any]] = {}
        self.holding: dict[Session, Membership] = {}

    def go_live(self, session: Session) -> None:
        self.holding.pop(session, None)
        self.lanes.setdefault(session.transport.wire, {})[session] = session.transport.outbox

    def leave_lane(self, session: Session) -> None:
        lane = self.lanes.get(session.transport.wire, {})
        lane.pop(session, None)
        if not lane:
            self.lanes.pop(session.transport.wire, None)


_NOBODY: Mapping[Session, Membership] = MappingProxyType({})


class Rooms:
    def __init__(self) -> None:
        self._rooms: dict[tuple[str, str], Room] = {}

    def get(self, namespace: str, room: str) -> Room | None:
        return self._rooms.get((namespace, room))

    def enter(self, session: Session, room: str) -> Membership:
        """The session's membership of a room of its namespace, new if it had none."""
        found = self._rooms.get((session.namespace, room))
        if found is None:
            found = self._rooms[session.namespace, room] = Room()
        membership = found.members.get(session)
        if membership is None:
            membership = found.members[session] = Membership()
            session.rooms.add(room)
            found.go_live(session)
        return membership

    def hold(self, session: Session, room: str) -> None:
        """From now on the session hears nothing; its membership keeps what is published."""
        found = self._rooms[session.namespace, room]
        membership = found.members[session]
        membership.held, membership.held_bytes, membership.overflowed = [], 0, False
        found.leave_lane(session)
        found.holding[session] = membership

    def release(self, session: Session, room: str) -> list[Publication]:
        """The session hears again; what was kept for it meanwhile."""
        found = self._rooms.get((session.namespace, room))
        membership = found.members.get(session) if found else None
        if found is None or membership is None or membership.held is None:
            return []
        held, membership.held = membership.held, None
        found.go_live(session)
        return held

    def leave(self, session: Session, room: str) -> bool:
        """Whether the session was in it."""
        if room not in session.rooms:
            return False
        session.rooms.discard(room)
        found = self._rooms[session.namespace, room]
        del found.members[session]
        found.holding.pop(session, None)
        found.leave_lane(session)
        if not found.members:
            del self._rooms[session.namespace, room]
        return True

    def members(self, namespace: str, room: str) -> Mapping[Session, Membership]:
        found = self._rooms.get((namespace, room))
        return found.members if found else _NOBODY

    def __len__(self) -> int:
        return len(self._rooms)

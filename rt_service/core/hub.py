"""What happens: sessions enter rooms, publications get a position and reach every member, on every transport.

Greenlets switch only inside engine calls. So: change the tables completely, then call; after the call, look again.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rt_service.core.absence import Absences, Place
from rt_service.core.errors import NotOnline, RtError, TooManyRequests, Unavailable
from rt_service.core.model import Identity, Position, Publication, PublicationClass, Token
from rt_service.core.ports import Clock, Engine, Kept, Member, Page, Receipt, Tap, Wire
from rt_service.core.presence import Presence
from rt_service.core.recovery import Recovered, pushed_until, recover, remaining
from rt_service.core.rooms import Membership, Rooms
from rt_service.core.session import Session, Sessions
from rt_service.metrics import Metrics


@dataclass(frozen=True)
class HubBounds:
    rooms_per_session: int = 100
    sessions_per_identity: int = 50
    waiting_bytes: int = 1 << 20  # held for one session while it joins
    history: int = 1000  # the most a recovery reads
    recovery_bytes: int = 8 << 20  # of what one is told; who missed more is not recovered
    presence_members: int = 200  # in fuller rooms presence is asked for, not pushed
    presence_grace_s: float = 0.0  # for which a member whose connection broke counts as there


class Joined(NamedTuple):
    page: Page
    recovered: Recovered
    latest: Sequence[Publication]
    members: Sequence[Member]


class RoomState(NamedTuple):
    """`members` as in presence; `offset` is None where nobody is in it."""

    namespace: str
    room: str
    members: int
    offset: int | None


class Hub:
    def __init__(self, engine: Engine, clock: Clock, metrics: Metrics, bounds: HubBounds, node: str) -> None:
        self.sessions = Sessions(bounds.sessions_per_identity)
        self.rooms = Rooms()
        self.presence = Presence()
        self._absences = Absences(bounds.presence_grace_s)
        self.taps: list[Tap] = []
        self._engine = engine
        self._clock = clock
        self._metrics = metrics
        self._bounds = bounds
        self._ids = (f"{node}-{n:x}" for n in itertools.count(1))

    # -- sessions

    def open(self, session: Session) -> None:
        """Raises TooManyRequests when its identity has as many sessions as it may."""
        self.sessions.add(session)

    def close(self, session: Session) -> None:
        """Forget a session: it leaves its rooms, and their members are told, at once or when it does not return."""
        session.open = False
        if not self.sessions.remove(session):
            return
        for room in list(session.rooms):
            self._leave(session, room, session.may_return)

    def sweep(self) -> None:
        """Tell of members who did not return; called now and then."""
        for namespace, room, identity in self._absences.gone(self._clock.monotonic()):
            self.depart(namespace, room, identity, "leave")

    # -- membership

    def join(self, session: Session, room: str, since: Position | None = None) -> Joined:
        """Make `session` a member that lacks nothing after `since`.

        What is published meanwhile is held: the caller answers the client, then calls `release`.

        Raises:
            TooManyRequests: it is in as many rooms as it may be.
            Unavailable: the history cannot be read, or more was published meanwhile than may be held.
        """
        fresh = room not in session.rooms
        if fresh and len(session.rooms) >= self._bounds.rooms_per_session:
            raise TooManyRequests(f"this session is in {len(session.rooms)} rooms, the most it may be in")
        membership = self.enter(session, room)
        self._engine.open(session.namespace, room)
        self.rooms.hold(session, room)
        try:
            page = self._engine.read(session.namespace, room, since, self._bounds.history)
            latest = self._engine.latest(session.namespace, room)
        except Exception:
            self._undo(session, room, membership, fresh)
            raise
        current = self.rooms.members(session.namespace, room).get(session)
        if current is not membership or membership.overflowed:  # it left, closed or overflowed while we read
            self._undo(session, room, membership, fresh)
            raise Unavailable("more was published during the join than may wait; join again", retry_after_ms=100)
        recovered = recover(page, since, membership.start, self._bounds.recovery_bytes)
        held = membership.held or []
        if membership.start is None:
            membership.start = page.offset
        else:
            page = page._replace(offset=pushed_until(held, page))
        membership.held = remaining(held, page.offset, latest)
        members = self.presence.members(session.namespace, room, self._bounds.presence_members)
        return Joined(page, recovered, latest, members)

    def release(self, session: Session, room: str) -> None:
        """Send what was held since `join`; what is published from now on is sent at once."""
        for publication in self.rooms.release(session, room):
            _send(session, publication)

    def enter(self, session: Session, room: str) -> Membership:
        """Make `session` a member without a word of history, as an application's own `join_room` does."""
        fresh = room not in session.rooms
        membership = self.rooms.enter(session, room)
        if fresh and not self._absences.returned(Place(session.namespace, room, session.identity)):
            self.arrive(session.namespace, room, session.identity, session.who.info, "join")
        return membership

    def watch(self, session: Session, room: str) -> None:
        """`session` hears what is published, but is no member that others see; `unwatch` ends it."""
        self.rooms.enter(session, room)
        self._engine.open(session.namespace, room)

    def unwatch(self, session: Session, room: str) -> None:
        self.rooms.leave(session, room)

    def leave(self, session: Session, room: str) -> bool:
        """Whether it was a member."""
        return self._leave(session, room, may_return=False)

    def _leave(self, session: Session, room: str, may_return: bool) -> bool:
        if not self.rooms.leave(session, room):
            return False
        place = Place(session.namespace, room, session.identity)
        if not may_return or not self._absences.left(place, self._clock.monotonic()):
            self.depart(*place, "leave")
        return True

    def _undo(self, session: Session, room: str, membership: Membership, fresh: bool) -> None:
        if membership.overflowed:
            self._metrics.dropped.labels("join_overflow").inc()
        if self.rooms.members(session.namespace, room).get(session) is not membership:
            return
        if fresh or membership.overflowed:
            self.leave(session, room)
        else:
            self.release(session, room)

    # -- presence

    def arrive(self, namespace: str, room: str, identity: Identity, info: Any, action: str) -> None:
        """Count an identity into a room; if it is new there, the others are told (`action`: join or online)."""
        member = self.presence.enter(namespace, room, identity, info)
        if member is not None:
            self._push_presence(namespace, room, action, member)

    def depart(self, namespace: str, room: str, identity: Identity, action: str, info: Any = None) -> None:
        """Count an identity out of a room (`action`: leave or offline); `info` in place of what was shown of it."""
        member = self.presence.leave(namespace, room, identity)
        if member is not None:
            member = member if info is None else member._replace(info=info)
            self._push_presence(namespace, room, action, member)

    def _push_presence(self, namespace: str, room: str, action: str, member: Member) -> None:
        if self.presence.count(namespace, room) > self._bounds.presence_members:
            self._metrics.presence_not_pushed.inc()
            return
        body = {"room": room, "action": action, "member": member.as_dict()}
        outboxes: dict[Wire, list[Any]] = {}
        for session in self.rooms.members(namespace, room):
            if session.identity != member.identity:
                outboxes.setdefault(session.transport.wire, []).append(session.transport.outbox)
        for wire, those in outboxes.items():
            wire.broadcast(those, wire.push(namespace, "presence", body))

    # -- publications

    def publication(
        self,
        namespace: str,
        room: str | None,
        event: str,
        data: Any,
        sender: Identity,
        *,
        id: str | None = None,
        class_: PublicationClass = PublicationClass.KEPT,
        key: str | None = None,
        token: Token | None = None,
    ) -> Publication:
        """A publication made now; without an `id` it gets a unique one, with one it may come again."""
        if id is not None:
            token = Token(id)
        return Publication(
            namespace, room, event, data, sender, id or next(self._ids), self._clock.ms(), class_, key, token
        )

    def publish(self, publication: Publication, done: Kept) -> None:
        """Have the engine keep and announce it; see `Engine.publish`."""
        self._engine.publish(publication, done if publication.token is None else self._counting(publication, done))

    def _counting(self, publication: Publication, done: Kept) -> Kept:
        def counted(receipt: Receipt | RtError) -> None:
            if isinstance(receipt, Receipt) and receipt.repeated:
                self._metrics.repeated.labels(publication.namespace).inc()
            done(receipt)

        return counted

    def deliver(self, publication: Publication) -> None:
        """Send it to every member on this node; the engine calls this, in offset order. Nothing in here blocks."""
        assert publication.room is not None
        self._metrics.publications.labels(publication.namespace).inc()
        room = self.rooms.get(publication.namespace, publication.room)
        if room is not None:
            for wire, lane in room.lanes.items():
                wire.broadcast(lane.values(), wire.publication(publication), publication)
            for membership in room.holding.values():
                membership.keep(publication, self._bounds.waiting_bytes)
            self._metrics.deliveries.labels(publication.namespace).inc(len(room.members))
        for tap in self.taps:
            tap(publication)

    def send(self, to: Identity, publication: Publication) -> int:
        """Send to every session of one identity in the publication's namespace; how many there were.

        Raises:
            NotOnline: there is none.
        """
        sessions = self.sessions.of(to, publication.namespace)
        if not sessions:
            raise NotOnline(f"{to} is not online")
        for session in sessions:
            _send(session, publication)
        return len(sessions)

    # -- looking

    def exists(self, namespace: str, room: str) -> bool:
        """Whether somebody is in a room, or it has a history."""
        return self.rooms.get(namespace, room) is not None or self._engine.known(namespace, room)

    def read(self, namespace: str, room: str, since: Position | None, limit: int, reverse: bool = False) -> Page:
        return self._engine.read(namespace, room, since, limit, reverse)

    def latest(self, namespace: str, room: str) -> Sequence[Publication]:
        return self._engine.latest(namespace, room)

    def room_names(self, namespace: str, prefix: str) -> list[str]:
        """Names of the rooms that exist: those with members, and those with history."""
        present = self.presence.names(namespace, prefix)
        return sorted({*present, *self._engine.rooms(namespace, prefix)})

    def find_rooms(self, namespaces: Iterable[str], filter: str, limit: int) -> tuple[list[RoomState], int]:
        """Rooms with `filter` in `namespace:room`: at most `limit`, those with most members first; how many fit."""
        text = filter.lower()
        found = [
            (-self.presence.count(namespace, room), namespace, room)
            for namespace in namespaces
            for room in self.room_names(namespace, "")
            if text in f"{namespace}:{room}".lower()
        ]
        return [self._state_of(*one) for one in heapq.nsmallest(limit, found)], len(found)

    def _state_of(self, absent: int, namespace: str, room: str) -> RoomState:
        """A room that nobody is in is left alone: its history may have to be read from the disk."""
        offset = self.read(namespace, room, None, 0).offset if self.in_use(namespace, room) else None
        return RoomState(namespace, room, -absent, offset)

    def in_use(self, namespace: str, room: str) -> bool:
        """Whether somebody is in a room."""
        return bool(self.rooms.members(namespace, room)) or self.presence.count(namespace, room) > 0


def _send(session: Session, publication: Publication) -> None:
    wire = session.transport.wire
    wire.broadcast((session.transport.outbox,), wire.publication(publication), publication)

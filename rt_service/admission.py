"""Who is in: sessions are opened, refreshed, listed and ended here, and what was taken back ends what it opened."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from rt_service import log
from rt_service.auth.policy import Policy, allow
from rt_service.auth.revocations import Revocations
from rt_service.core.errors import BadRequest, Forbidden, NotFound
from rt_service.core.hub import Hub
from rt_service.core.limits import TokenBucket
from rt_service.core.model import Identity, Who
from rt_service.core.ports import Clock, Transport
from rt_service.core.session import Session

SLACK = 1000  # expiries that are remembered of sessions that are over, before they are looked through


class Talk(NamedTuple):
    """One conversation as who runs the service sees it; `namespace` is None and `rooms` is empty over MQTT."""

    sid: str
    who: Who
    transport: str
    waiting: int  # bytes
    since: int  # Unix ms
    namespace: str | None = None
    rooms: Collection[str] = ()

    def shown(self) -> dict[str, Any]:
        kind, id = self.who.identity
        said = self._asdict()
        del said["who"]
        return {**said, "kind": kind, "id": id, "role": self.who.role, "rooms": sorted(self.rooms)}

    def fits(self, text: str) -> bool:
        """Whether `text`, in small letters, stands in what is shown of it."""
        about = (self.sid, self.who.identity, self.who.role, self.transport, self.namespace or "", *self.rooms)
        return any(text in str(one).lower() for one in about)


class Line(Protocol):
    """A way in whose conversations are no sessions of the hub: MQTT."""

    def sessions(self) -> list[Talk]:
        """Everybody who is connected."""

    def end(self, sid: str, code: str) -> None:
        """End one, as `Transport.close` does."""


class Admission:
    def __init__(self, policy: Policy, hub: Hub, clock: Clock, revocations: Revocations) -> None:
        self.lines: list[Line] = []
        self._policy = policy
        self._hub = hub
        self._clock = clock
        self._revocations = revocations
        self._expiries: list[tuple[float, int, Session]] = []
        self._numbers = itertools.count()
        self._log = log.get("admission")

    def check(self, credentials: Mapping[str, Any]) -> None:
        """Raises Unauthorized, TokenExpired or BadRequest: nobody comes in with these."""
        self._policy.identify(credentials)

    def open(
        self, sid: str, namespace: str, credentials: Mapping[str, Any], transport: Transport, publishes: TokenBucket
    ) -> Session:
        """Let somebody in.

        Raises:
            Unauthorized, Forbidden, BadRequest: it may not.
            TooManyRequests: its identity has as many sessions as it may.
        """
        who = self._policy.identify(credentials)
        allow(self._policy, who, "connect", namespace, None, None)
        session = Session(sid, namespace, who, transport, publishes, self._clock.ms())
        self._hub.open(session)
        self._expect(session)
        return session

    def refresh(self, session: Session, token: Any) -> float | None:
        """Go on with a newer token of the same identity, and what that one allows; when it ends, in Unix seconds.

        Raises:
            Unauthorized, TokenExpired: it cannot be used.
            Forbidden: it is somebody else's.
            BadRequest: there are no tokens here.
        """
        if session.who.expires_at is None:
            raise BadRequest("there is nothing to refresh: this session has no token")
        who = self._policy.identify({"token": token})
        if who.identity != session.identity:
            raise Forbidden("this token is somebody else's")
        allow(self._policy, who, "connect", session.namespace, None, None)
        before, session.who = session.who, who
        self._leave_forbidden(session, before)
        self._expect(session)
        return who.expires_at

    def _leave_forbidden(self, session: Session, before: Who) -> None:
        """Leave the rooms that its token let it join and the newer one does not; others an application chose for it."""
        may, namespace = self._policy.may, session.namespace
        for room in list(session.rooms):
            if may(before, "join", namespace, room, None) and not may(session.who, "join", namespace, room, None):
                self._hub.leave(session, room)

    def _expect(self, session: Session) -> None:
        if session.who.expires_at is None:
            return
        if len(self._expiries) > 2 * len(self._hub.sessions) + SLACK:
            self._expiries = [one for one in self._expiries if _counts(one)]
            heapq.heapify(self._expiries)
        heapq.heappush(self._expiries, (session.who.expires_at, next(self._numbers), session))

    def sweep(self) -> None:
        """End whoever's token has expired; called now and then."""
        now = self._clock.ms() / 1000
        while self._expiries and self._expiries[0][0] <= now:
            due = heapq.heappop(self._expiries)
            if _counts(due):
                due[2].transport.close("token_expired", "the token has expired; come with a new one", reconnect=True)
        for line in self.lines:
            for talk in line.sessions():
                if talk.who.expires_at is not None and talk.who.expires_at <= now:
                    line.end(talk.sid, "token_expired")

    # -- for whoever operates the service

    def sessions(self, asker: Who, filter: str = "", limit: int = 1000) -> tuple[list[Talk], int]:
        """Who is in and fits `filter`: at most `limit`, for whom most waits first; how many fit. Raises Forbidden."""
        allow(self._policy, asker, "sessions", "", None, None)
        text = filter.lower()
        here = [talk for talk in self._talks() if not text or talk.fits(text)]
        return heapq.nlargest(limit, here, key=lambda talk: talk.waiting), len(here)

    def _talks(self) -> Iterator[Talk]:
        for s in self._hub.sessions:
            yield Talk(s.sid, s.who, s.transport.wire.name, s.transport.waiting, s.since, s.namespace, s.rooms)
        for line in self.lines:
            yield from line.sessions()

    def kick(self, asker: Who, sid: str) -> None:
        """End one session; it may come again. Raises Forbidden, or NotFound."""
        allow(self._policy, asker, "kick", "", None, None)
        if not self._end(lambda one, who: one == sid):
            raise NotFound("there is no such session")
        self._log.info("kicked", sid=sid, by=str(asker.identity))

    def revoke(self, asker: Who, identity: Identity | None = None, token_id: str = "") -> int:
        """Take back every token that an identity was given until now, or one token; how many sessions that ended.

        Raises:
            Forbidden: `asker` may not.
        """
        allow(self._policy, asker, "revoke", "", None, None)
        return self.take_back(identity, token_id, by=str(asker.identity))

    def take_back(self, identity: Identity | None, token_id: str = "", *, by: str) -> int:
        """What `revoke` does once that is allowed."""
        if identity is not None:
            self._revocations.revoke_identity(identity)
            ended = self._end(lambda sid, who: who.identity == identity)
        else:
            self._revocations.revoke_token(token_id)
            ended = self._end(lambda sid, who: who.token_id == token_id)
        self._log.info("revoked", identity=identity and str(identity), token_id=token_id or None, by=by, ended=ended)
        return ended

    def _end(self, which: Callable[[str, Who], bool]) -> int:
        ended = 0
        for session in self._hub.sessions:
            if which(session.sid, session.who):
                session.transport.close("kicked", "this session was ended by who runs the service", reconnect=False)
                ended += 1
        for line in self.lines:
            for talk in line.sessions():
                if which(talk.sid, talk.who):
                    line.end(talk.sid, "kicked")
                    ended += 1
        return ended


def _counts(expiry: tuple[float, int, Session]) -> bool:
    at, _, session = expiry
    return session.open and session.who.expires_at == at

"""One conversation on one transport, and the table of all that are open."""

from __future__ import annotations

from collections.abc import Iterator

from rt_service.core.errors import TooManyRequests
from rt_service.core.limits import TokenBucket
from rt_service.core.model import Identity, Who
from rt_service.core.ports import Transport


class Session:
    """`namespace` is the one it speaks in; `rooms` is written by `Rooms` alone; `since` is its begin in Unix ms."""

    __slots__ = (
        "identity", "may_return", "namespace", "open", "publishes", "rooms", "sid", "since", "transport", "who",
    )  # fmt: skip

    def __init__(
        self,
        sid: str,
        namespace: str,
        who: Who,
        transport: Transport,
        publishes: TokenBucket,
        since: int = 0,
    ) -> None:
        self.sid = sid
        self.namespace = namespace
        self.who = who
        self.identity = who.identity  # the same as long as it is open
        self.transport = transport
        self.publishes = publishes
        self.rooms: set[str] = set()
        self.since = since
        self.open = True
        self.may_return = False  # its connection broke: it may be back soon

    def __repr__(self) -> str:
        return f"<Session {self.sid} {self.identity} {self.namespace}>"


class Sessions:
    """Every open session, by sid and by identity."""

    def __init__(self, per_identity: int) -> None:
        self._per_identity = per_identity
        self._by_sid: dict[str, Session] = {}
        self._by_identity: dict[Identity, dict[Session, None]] = {}

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_sid.values()))

    def add(self, session: Session) -> None:
        """Raises TooManyRequests when the identity has as many sessions as it may."""
        mine = self._by_identity.setdefault(session.identity, {})
        if len(mine) >= self._per_identity:
            raise TooManyRequests(f"{session.identity} has {len(mine)} sessions, the most it may have")
        mine[session] = None
        self._by_sid[session.sid] = session

    def remove(self, session: Session) -> bool:
        """Whether it was there."""
        if self._by_sid.pop(session.sid, None) is None:
            return False
        mine = self._by_identity[session.identity]
        del mine[session]
        if not mine:
            del self._by_identity[session.identity]
        return True

    def get(self, sid: str) -> Session | None:
        return self._by_sid.get(sid)

    def of(self, identity: Identity, namespace: str) -> list[Session]:
        """The open sessions of an identity in a namespace, oldest first."""
        return [s for s in self._by_identity.get(identity, ()) if s.namespace == namespace]

"""Who loses what they have open, since a password was changed or an account disabled: told to this process at once, to
others that share the database within a moment, and to one that does not run as soon as it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from rt_service import log
from rt_service.core import ports

SHELF, KEY = "evictions", "seen"


class Eviction(NamedTuple):
    """`number` grows from one to the next; `at` is Unix time in ms."""

    number: int
    kind: str
    id: str
    at: int


class EvictionStore(Protocol):
    """Raises Unavailable when it is down."""

    def last_eviction(self) -> int:
        """The number of the newest; 0: there was none."""

    def evictions_since(self, number: int) -> Sequence[Eviction]: ...


class Evictions:
    def __init__(self, store: EvictionStore, kept: ports.Store, revoke_identity: Callable[[str, str], None]) -> None:
        """`kept` remembers how far this process has read; `revoke_identity(kind, id)` ends what is open here."""
        self._store = store
        self._kept = kept
        self._revoke = revoke_identity
        self._seen = next((int(value) for key, value in kept.load(SHELF) if key == KEY), -1)
        self._began = False
        self._told: set[int] = set()
        self._log = log.get("accounts")

    def tell(self, eviction: Eviction) -> None:
        """It was made here."""
        if self._began and eviction.number <= self._seen:
            return  # a look was faster
        self._told.add(eviction.number)
        self._end(eviction)

    def look(self) -> None:
        """Find those that were made elsewhere since the last look; called again and again. Raises Unavailable."""
        if not self._began:
            self._begin()
        for eviction in self._store.evictions_since(self._seen):
            if eviction.number not in self._told:
                self._end(eviction)
            self._told.discard(eviction.number)
            self._saw(eviction.number)

    def _begin(self) -> None:
        last = self._store.last_eviction()
        if not 0 <= self._seen <= last:  # the first start, or one with another database
            self._saw(last)
        self._began = True

    def _saw(self, number: int) -> None:
        self._seen = number
        self._kept.put(SHELF, KEY, b"%d" % number)

    def _end(self, eviction: Eviction) -> None:
        self._log.info("evicted", kind=eviction.kind, id=eviction.id)
        self._revoke(eviction.kind, eviction.id)

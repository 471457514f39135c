"""What was taken back before its time: single tokens, and everything that an identity was given until then."""

from __future__ import annotations

from rt_service.core import encoding
from rt_service.core.model import Identity
from rt_service.core.ports import Clock, Store

SHELF = "revoked"
KEPT_S = 90 * 86_400.0  # tokens that live longer than this are not revoked for good
MOST = 100_000


class Revocations:
    """Kept in the engine's store; the oldest leave past `MOST`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._since: dict[str, float] = {}

    def restore(self) -> None:
        """What an earlier process kept."""
        found = sorted((float(value), key) for key, value in self._store.load(SHELF))
        self._since = {key: since for since, key in found}

    def revoke_token(self, token_id: str) -> None:
        self._put(f"token:{token_id}")

    def revoke_identity(self, identity: Identity) -> None:
        """All tokens that it has been given so far."""
        self._put(str(identity))

    def revoked(self, identity: Identity, token_id: str, issued_at: float) -> bool:
        """Whether a token was taken back; `issued_at` in Unix seconds. Issued in the same second counts as before."""
        if not self._since:
            return False
        until = self._since.get(str(identity))
        return (until is not None and issued_at <= until) or f"token:{token_id}" in self._since

    def _put(self, key: str) -> None:
        now = self._clock.ms() / 1000
        self._since.pop(key, None)
        self._since[key] = now
        self._store.put(SHELF, key, encoding.dumps(now))
        while self._since:
            oldest, since = next(iter(self._since.items()))
            if len(self._since) <= MOST and since > now - KEPT_S:
                return
            del self._since[oldest]
            self._store.put(SHELF, oldest, None)

"""Accounts and devices' secrets in a SQLite database of a test's own, with hashing that costs next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from rt_service import runtime
from rt_service.auth.accounts import Accounts
from rt_service.auth.credentials import Credentials
from rt_service.auth.evictions import Evictions
from rt_service.auth.login import LogIn
from rt_service.auth.passwords import Passwords
from rt_service.core import ports
from rt_service.core.limits import Buckets
from rt_service.core.stream import StreamBounds
from rt_service.core.turns import Turns
from rt_service.engines.memory import MemoryEngine
from rt_service.metrics import Metrics
from rt_service.store import Database, Store
from tests.support.clock import ManualClock

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Office:
    """An issuer whose tokens say for whom they are, and which remembers whom it was told to end."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, str]] = []

    def issue(self, sub: str, kind: str, role: str, ttl_s: float | None = None) -> tuple[str, float]:
        return f"{kind}:{sub} as {role}", 1_000_000.0 + (ttl_s or 3600)

    def revoke_identity(self, kind: str, id: str) -> None:
        self.ended.append((kind, id))


class House:
    """Everything about accounts, over one folder; two of them share its database.

    `kept` is what a service remembers over a restart; without it, it begins anew.
    """

    def __init__(
        self, folder: Path, most: int = 100, hasher: PasswordHasher = CHEAP, kept: ports.Store | None = None
    ) -> None:
        self.clock = ManualClock()
        self.database = Database("sqlite", folder)
        self.database.open()
        self.store = Store(self.database, self.clock)
        self.metrics = Metrics()
        self.office = Office()
        self.offloaded: list[tuple[Any, ...]] = []
        self.meanwhile: Callable[[], object] | None = None  # what somebody else does while a password is hashed
        self.passwords = Passwords(self._offload, self.turns(), hasher)
        self.evictions = Evictions(
            self.store, kept or MemoryEngine(self.clock, StreamBounds()), self.office.revoke_identity
        )
        self.accounts = Accounts(self.store, self.passwords, self.clock, self.evictions.tell)
        self.login = LogIn(
            self.accounts, self.store, self.passwords, self.office, self.clock, self.metrics, Buckets(3 / 60, 3),
            Buckets(6 / 60, 6), most,
        )  # fmt: skip
        self.credentials = Credentials(self.store, self.clock, runtime.spawn, runtime.Waiter, self.evictions.tell)

    @staticmethod
    def turns() -> Turns:
        return Turns(runtime.Waiter, 2, 50, 10.0, "log-ins")

    def _offload(self, function: Any, *args: Any) -> Any:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        self.offloaded.append((function.__name__, *args))
        return function(*args)

"""Accounts and devices' secrets as the service has them: the database, and what is made of it."""

from __future__ import annotations

from rt_service import log, runtime
from rt_service.auth import passwords
from rt_service.auth.accounts import Accounts
from rt_service.auth.credentials import Credentials
from rt_service.auth.evictions import Evictions
from rt_service.auth.login import Issuer, LogIn
from rt_service.core import ports
from rt_service.core.errors import RtError, Unavailable
from rt_service.core.limits import Buckets
from rt_service.core.turns import Turns
from rt_service.metrics import Metrics
from rt_service.settings import Settings, SettingsError
from rt_service.store import CannotOpen, Database, Store

LOOK_S = 0.5  # what was changed elsewhere counts here within this time, and so does a database that is back


class Registrar:
    def __init__(
        self, settings: Settings, kept: ports.Store, clock: ports.Clock, metrics: Metrics, issuer: Issuer
    ) -> None:
        """`kept` survives a restart. Raises SettingsError."""
        try:
            self._database = Database(settings.store.url, settings.server.data_dir)
        except CannotOpen as error:
            raise SettingsError(str(error)) from None
        store = Store(self._database, clock)
        turns = Turns(runtime.Waiter, passwords.AT_ONCE, passwords.WAITING, passwords.WAIT_S, "passwords to check")
        hashes = passwords.Passwords(runtime.offload, turns)
        self._evictions = Evictions(store, kept, issuer.revoke_identity)
        self.accounts = Accounts(store, hashes, clock, self._evictions.tell)
        self.credentials = Credentials(store, clock, runtime.spawn, runtime.Waiter, self._evictions.tell)
        limits = settings.accounts
        by_name, by_address = _a_minute(limits.attempts_per_name), _a_minute(limits.attempts_per_address)
        self.login = LogIn(self.accounts, store, hashes, issuer, clock, metrics, by_name, by_address, limits.most)
        self._timer: runtime.Timer | None = None
        self._log = log.get("accounts")

    def start(self) -> None:
        """Open the database; one that does not answer may come later. Raises SettingsError."""
        try:
            self._database.open()
        except CannotOpen as error:
            raise SettingsError(str(error)) from None
        except Unavailable:
            pass  # the log says so, and /readyz
        self._timer = runtime.every(LOOK_S, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._database.close()

    def healthy(self) -> str | None:
        """None, or what /readyz says; the log says why."""
        return None if self._database.trouble is None else "the database of accounts cannot be used"

    def _look(self) -> None:
        try:
            self._database.check()
            self._evictions.look()
        except RtError:
            pass  # it is looked at again


def _a_minute(attempts: int) -> Buckets:
    return Buckets(attempts / 60, attempts)

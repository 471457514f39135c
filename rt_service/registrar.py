"""Accounts and devices' secrets as the service has them: the database, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rt_service import runtime
from rt_service.admission import Admission
from rt_service.auth import passwords, tokens
from rt_service.auth.accounts import Accounts
from rt_service.auth.credentials import Credentials
from rt_service.auth.evictions import Evictions
from rt_service.auth.login import LogIn
from rt_service.core import ports
from rt_service.core.errors import RtError, Unavailable
from rt_service.core.limits import Buckets
from rt_service.core.model import Identity, Who
from rt_service.core.turns import Turns
from rt_service.metrics import Metrics
from rt_service.settings import Settings, SettingsError
from rt_service.store import CannotOpen, Database, Store

LOOK_S = 0.5  # what was changed elsewhere counts here within this time, and so does a database that is back


class Issuer:
    """See `auth.login.Issuer`: tokens that this service lets in."""

    def __init__(
        self, settings: Settings, keys: Sequence[tokens.Key], clock: ports.Clock, admission: Admission
    ) -> None:
        """Raises SettingsError when there is no key to sign with."""
        signing = [key for key in keys if key.algorithm == "HS256"]
        if not signing:
            raise SettingsError("accounts.enabled: there is no HS256 key in auth.keys to sign tokens with")
        self._key = signing[0]
        self._ttl_s = settings.accounts.token_s
        self._claims = {"aud": settings.auth.audience, "iss": settings.auth.issuer}
        self._clock = clock
        self._admission = admission

    def issue(self, sub: str, kind: str, role: str, ttl_s: float | None = None) -> tuple[str, float]:
        now = self._clock.ms() / 1000
        who = Who(Identity(kind, sub), role=role, expires_at=float(int(now + (ttl_s or self._ttl_s))))
        claims = {name: value for name, value in self._claims.items() if value}
        # To the millisecond: in whole seconds it would fall before a change of the password just now.
        return tokens.issue(self._key, who, now, {**claims, "iat": now}), who.expires_at or 0.0

    def revoke_identity(self, kind: str, id: str) -> None:
        self._admission.take_back(Identity(kind, id), by="accounts")


class Registrar:
    def __init__(
        self,
        settings: Settings,
        kept: ports.Store,
        clock: ports.Clock,
        metrics: Metrics,
        admission: Admission,
        keys: Callable[[], Sequence[tokens.Key]],
    ) -> None:
        """`kept` survives a restart, `keys` answers those of tokens. Raises SettingsError."""
        issuer = Issuer(settings, keys(), clock, admission)
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

    def start(self) -> None:
        """Open the database; one that does not answer may come later. Raises SettingsError."""
        try:
            self._database.open()
            self._evictions.look()  # before anybody comes in with what was taken back meanwhile
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

    def device(self, id: str, secret: str) -> Who:
        """The device that comes in with this secret. Waits. Raises Unauthorized, TooManyRequests, Unavailable."""
        grants = self.credentials.verify(id, secret.encode())
        return Who(Identity("device", id), role="device", grants=tokens.read_grants(grants or None))

    def _look(self) -> None:
        try:
            self._database.check()
            self._evictions.look()
        except RtError:
            pass  # it is looked at again


def _a_minute(attempts: int) -> Buckets:
    return Buckets(attempts / 60, attempts)

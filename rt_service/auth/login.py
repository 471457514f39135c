"""What strangers may do about accounts: register, log in, change their password. Not often, and none learns a name."""

from __future__ import annotations

from typing import Protocol

from rt_service import log
from rt_service.auth.accounts import PASSWORD_LENGTH, Account, Accounts, AccountStore
from rt_service.auth.passwords import Passwords
from rt_service.core import names
from rt_service.core.errors import Forbidden, RtError, TooManyRequests, Unauthorized
from rt_service.core.limits import Buckets
from rt_service.core.ports import Clock
from rt_service.metrics import Metrics


class Issuer(Protocol):
    """What makes tokens and ends what was opened with them."""

    def issue(self, sub: str, kind: str, role: str, ttl_s: float | None = None) -> tuple[str, float]:
        """A token for `kind:sub`, and when it expires, as Unix seconds."""

    def revoke_identity(self, kind: str, id: str) -> None:
        """End what this identity has open."""


class LogIn:
    """`address` is where somebody comes from. Every method raises what the store raises, and TooManyRequests."""

    def __init__(
        self,
        accounts: Accounts,
        store: AccountStore,
        passwords: Passwords,
        issuer: Issuer,
        clock: Clock,
        metrics: Metrics,
        by_name: Buckets,
        by_address: Buckets,
        most: int,
    ) -> None:  # fmt: skip
        """`by_name` and `by_address` say how often one may try, `most` how many accounts can register."""
        self._accounts = accounts
        self._store = store
        self._passwords = passwords
        self._issuer = issuer
        self._clock = clock
        self._metrics = metrics
        self._by_name = by_name
        self._by_address = by_address
        self._most = most
        self._log = log.get("accounts")
        self._seldom = log.Seldom(self._log, clock)

    def register(self, name: object, password: object, address: str) -> Account:
        """Raises BadRequest, Conflict."""
        self._take(self._by_address, address, None, address)
        if self._store.count_accounts() >= self._most:
            raise TooManyRequests(f"there are {self._most} accounts, the most there may be")
        return self._accounts.register(name, password)

    def log_in(self, name: object, password: object, address: str) -> tuple[str, float]:
        """A token, and when it expires, as Unix seconds. Raises Unauthorized, Forbidden."""
        account = self._unchanged(self._proved(name, password, address), address)
        token = self._issuer.issue(account.name, account.identity.kind, account.role)  # before anything else happens
        if self._passwords.outdated(account.password_hash):
            self._rehash(account, str(password))
        self._log.info("logged_in", name=account.name, address=address)
        self._metrics.logins.labels("ok").inc()
        return token

    def change_password(self, name: object, password: object, new: object, address: str) -> None:
        """Raises Unauthorized, Forbidden, BadRequest."""
        account = self._proved(name, password, address)
        self._accounts.set_password(account.name, new, account.password_hash)

    def _proved(self, name: object, password: object, address: str) -> Account:
        """The account whose password this is."""
        known = name if type(name) is str and names.is_name(name) else None
        self._take(self._by_address, address, known, address)
        if known is None or type(password) is not str or len(password) > PASSWORD_LENGTH[1]:
            raise self._refused("wrong", known, address)
        self._take(self._by_name, known, known, address)
        account = self._store.account(known)
        if not self._passwords.matches(account and account.password_hash, password) or account is None:
            raise self._refused("wrong", known, address)
        self._check_enabled(account, address)
        return account

    def _unchanged(self, proved: Account, address: str) -> Account:
        """The account as it is now: looking at the password takes a while, in which whoever it was may be put out."""
        account = self._store.account(proved.name)
        if account is None or account.password_hash != proved.password_hash:
            raise self._refused("wrong", proved.name, address)
        self._check_enabled(account, address)
        return account

    def _check_enabled(self, account: Account, address: str) -> None:
        if account.disabled:
            self._refused("disabled", account.name, address)
            raise Forbidden("the account is disabled")

    def _take(self, attempts: Buckets, key: str, name: str | None, address: str) -> None:
        now = self._clock.monotonic()
        wait_s = attempts.of(key, now).take(now)
        if wait_s:
            self._refused("too_many", name, address)
            raise TooManyRequests("too many attempts; try later", retry_after_ms=int(wait_s * 1000) + 1)

    def _refused(self, outcome: str, name: str | None, address: str) -> Unauthorized:
        self._metrics.logins.labels(outcome).inc()
        self._seldom.info("login_refused", why=outcome, name=name, address=address)
        return Unauthorized("wrong name or password")

    def _rehash(self, account: Account, password: str) -> None:
        try:
            self._store.rehash(account.name, self._passwords.hash(password), account.password_hash)
        except RtError:
            pass  # at the next log-in

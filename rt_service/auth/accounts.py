"""Accounts: people and services that come in with a name and a password."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from rt_service import log
from rt_service.auth.evictions import Eviction
from rt_service.auth.passwords import Passwords
from rt_service.core import names
from rt_service.core.errors import BadRequest, Conflict, NotFound
from rt_service.core.model import Identity
from rt_service.core.ports import Clock

ROLES = ("admin", "user", "service")
PASSWORD_LENGTH = (8, 256)
ANONYMOUS = "anon-"  # how ids begin of those who did not say who they are


class Account(NamedTuple):
    """`created_at` is Unix time in ms."""

    name: str
    password_hash: str
    role: str
    created_at: int
    disabled: bool = False

    @property
    def identity(self) -> Identity:
        return identity(self.name, self.role)


def identity(name: str, role: str) -> Identity:
    """Who somebody with this account is in the rooms."""
    return Identity("service" if role == "service" else "user", name)


class AccountStore(Protocol):
    """Every method raises Unavailable when it is down, and TooManyRequests when too many use it at once."""

    def add_account(self, account: Account) -> None:
        """Raises Conflict when there is one of that name; small and capital letters are the same here."""

    def account(self, name: str) -> Account | None: ...

    def accounts(self) -> Sequence[Account]:
        """All, by name."""

    def count_accounts(self) -> int: ...

    def rehash(self, name: str, hash: str, was: str) -> None:
        """Keep another hash of the same password, unless that was changed."""

    def change_password(self, name: str, hash: str, was: str | None = None) -> Eviction | None:
        """The eviction that goes with it; None when there is no such account or its hash is not `was`."""

    def disable_account(self, name: str) -> Eviction | None:
        """The eviction that goes with it; None when there is no such account."""

    def change_role(self, name: str, role: str) -> Eviction | None:
        """The eviction of who it was until then; None when there is no such account."""

    def enable_account(self, name: str) -> bool:
        """Whether there is such an account."""


class Accounts:
    """What an operator may do. Every method raises what the store raises."""

    def __init__(
        self,
        store: AccountStore,
        passwords: Passwords,
        clock: Clock,
        evicted: Callable[[Eviction], None] = lambda eviction: None,
    ) -> None:
        """`evicted` is told who must not keep what they have open."""
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self._evicted = evicted
        self._log = log.get("accounts")

    def register(self, name: object, password: object, role: str = "user") -> Account:
        """Raises BadRequest for a name, password or role that cannot be, Conflict when the name is taken."""
        name = account_name(name)
        _check_role(role)
        hash = self._passwords.hash(new_password(password, name))
        account = Account(name, hash, role, self._clock.ms())
        self._store.add_account(account)
        self._log.info("account_registered", name=name, role=role)
        return account

    def set_password(self, name: str, password: object, was: str | None = None) -> None:
        """Give an account another password; whoever is in with the old one is out.

        `was` is the hash that it must still have. Raises BadRequest, NotFound, Conflict.
        """
        hash = self._passwords.hash(new_password(password, name))
        eviction = self._store.change_password(name, hash, was)
        if eviction is None and was is not None:
            raise Conflict("the password was changed in the same moment; log in again")
        self._evict(name, eviction, "password_changed")

    def disable(self, name: str) -> None:
        """Nobody comes in with it any more, and who is in is out. Raises NotFound."""
        self._evict(name, self._store.disable_account(name), "account_disabled")

    def change_role(self, name: str, role: str) -> None:
        """What somebody has open, or was issued, says what they were before: it ends. Raises BadRequest, NotFound."""
        _check_role(role)
        self._evict(name, self._store.change_role(name, role), "role_changed", role=role)

    def enable(self, name: str) -> None:
        """Raises NotFound."""
        if not self._store.enable_account(name):
            raise _no_account(name)
        self._log.info("account_enabled", name=name)

    def get(self, name: str) -> Account:
        """Raises NotFound."""
        account = self._store.account(name)
        if account is None:
            raise _no_account(name)
        return account

    def all(self) -> Sequence[Account]:
        """By name."""
        return self._store.accounts()

    def _evict(self, name: str, eviction: Eviction | None, event: str, **about: str) -> None:
        if eviction is None:
            raise _no_account(name)
        self._log.info(event, name=name, **about)
        self._evicted(eviction)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise BadRequest(f"a role is {', '.join(ROLES)}, not {role}")


def account_name(value: object) -> str:
    """`value` if an account may have this name. Raises BadRequest."""
    if type(value) is not str or not names.is_name(value):
        raise BadRequest("a name is 1-128 of A-Za-z0-9_.:@-")
    if value.lower().startswith(ANONYMOUS):
        raise BadRequest(f"names that begin with {ANONYMOUS} are of those who did not say who they are")
    return value


def new_password(value: object, name: str) -> str:
    """`value` if an account of that name may have this password. Raises BadRequest."""
    least, most = PASSWORD_LENGTH
    if type(value) is not str or not least <= len(value) <= most:
        raise BadRequest(f"a password has {least} to {most} characters")
    if value.lower() == name.lower():
        raise BadRequest("a password is not the name")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadRequest("a password is text: it has half a character in it") from None
    return value


def _no_account(name: str) -> NotFound:
    return NotFound(f"there is no account {name}" if names.is_name(name) else "there is no such account")

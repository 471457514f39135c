"""The stores of accounts, of devices' secrets and of evictions (see `auth`), as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, Update, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from rt_service.auth.accounts import Account, identity
from rt_service.auth.credentials import Credential
from rt_service.auth.evictions import Eviction
from rt_service.core.errors import Conflict
from rt_service.core.model import Identity
from rt_service.core.ports import Clock
from rt_service.store.database import Database
from rt_service.store.tables import accounts, devices, evictions

KEPT_MS = 30 * 86_400_000  # how long it is remembered that somebody was evicted


class Store:
    """An `AccountStore`, a `CredentialStore` and a `EvictionStore`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # -- accounts

    def add_account(self, account: Account) -> None:
        values = {"id": account.name, **account._asdict()}
        del values["name"]
        self._add(accounts, values, f"the name {account.name} is taken")

    def account(self, name: str) -> Account | None:
        with self._database.transaction() as connection:
            row = connection.execute(select(accounts).where(accounts.c.id == name)).one_or_none()
        return Account(*row) if row is not None else None

    def accounts(self) -> Sequence[Account]:
        with self._database.transaction() as connection:
            return [Account(*row) for row in connection.execute(select(accounts).order_by(accounts.c.id))]

    def count_accounts(self) -> int:
        with self._database.transaction() as connection:
            return connection.execute(select(func.count()).select_from(accounts)).scalar_one()

    def rehash(self, name: str, hash: str, was: str) -> None:
        changed = update(accounts).where(accounts.c.id == name, accounts.c.password_hash == was)
        with self._database.transaction() as connection:
            connection.execute(changed.values(password_hash=hash))

    def change_password(self, name: str, hash: str, was: str | None = None) -> Eviction | None:
        changed = update(accounts).where(accounts.c.id == name)
        if was is not None:
            changed = changed.where(accounts.c.password_hash == was)
        return self._evicting_account(changed.values(password_hash=hash), name)

    def disable_account(self, name: str) -> Eviction | None:
        return self._evicting_account(update(accounts).where(accounts.c.id == name).values(disabled=True), name)

    def enable_account(self, name: str) -> bool:
        return self._enable(accounts, name)

    def change_role(self, name: str, role: str) -> Eviction | None:
        with self._database.transaction() as connection:
            was = connection.execute(select(accounts.c.role).where(accounts.c.id == name)).scalar_one_or_none()
            if was is None:
                return None
            connection.execute(update(accounts).where(accounts.c.id == name).values(role=role))
            return self._evict(connection, identity(name, was))

    def _evicting_account(self, changed: Update, name: str) -> Eviction | None:
        with self._database.transaction() as connection:
            role = connection.execute(changed.returning(accounts.c.role)).scalar_one_or_none()
            return None if role is None else self._evict(connection, identity(name, role))

    # -- devices

    def add_credential(self, credential: Credential) -> None:
        self._add(
            devices,
            credential._asdict(),
            f"there is a device {credential.id} already; `device rotate` gives it another secret",
        )

    def credentials_of(self, ids: Sequence[str]) -> Mapping[str, Credential]:
        with self._database.transaction() as connection:
            rows = connection.execute(select(devices).where(devices.c.id.in_(ids)))
            return {row.id: Credential(*row) for row in rows}

    def credentials(self) -> Sequence[Credential]:
        with self._database.transaction() as connection:
            return [Credential(*row) for row in connection.execute(select(devices).order_by(devices.c.id))]

    def change_secret(self, id: str, hash: str) -> Eviction | None:
        return self._evicting_device(id, secret_hash=hash)

    def disable_device(self, id: str) -> Eviction | None:
        return self._evicting_device(id, disabled=True)

    def enable_device(self, id: str) -> bool:
        return self._enable(devices, id)

    def _evicting_device(self, id: str, **values: Any) -> Eviction | None:
        with self._database.transaction() as connection:
            changed = connection.execute(update(devices).where(devices.c.id == id).values(**values))
            return self._evict(connection, Identity("device", id)) if changed.rowcount else None

    # -- evictions

    def last_eviction(self) -> int:
        with self._database.transaction() as connection:
            return connection.execute(select(func.coalesce(func.max(evictions.c.number), 0))).scalar_one()

    def evictions_since(self, number: int) -> Sequence[Eviction]:
        newer = select(evictions).where(evictions.c.number > number).order_by(evictions.c.number)
        with self._database.transaction() as connection:
            return [Eviction(*row) for row in connection.execute(newer)]

    def _evict(self, connection: Connection, who: Identity) -> Eviction:
        """Under a lock, so that numbers can be seen in their order: a later one must not be seen before an earlier."""
        self._database.lock(connection)
        now = self._clock.ms()
        added = insert(evictions).values(kind=who.kind, id=who.id, at=now).returning(evictions.c.number)
        number = connection.execute(added).scalar_one()
        connection.execute(delete(evictions).where(evictions.c.at < now - KEPT_MS))
        return Eviction(number, who.kind, who.id, now)

    # -- both tables of who may come in

    def _add(self, table: Table, values: dict[str, Any], taken: str) -> None:
        try:
            with self._database.transaction() as connection:
                connection.execute(insert(table).values(values))
        except IntegrityError:
            raise Conflict(taken) from None

    def _enable(self, table: Table, id: str) -> bool:
        with self._database.transaction() as connection:
            return bool(connection.execute(update(table).where(table.c.id == id).values(disabled=False)).rowcount)

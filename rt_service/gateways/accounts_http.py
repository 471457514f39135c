"""Accounts over HTTP: register, log in, change a password."""

from __future__ import annotations

from typing import Any, Protocol

from flask import Response, request

from rt_service import verbs
from rt_service.auth.accounts import Account, Accounts
from rt_service.auth.login import LogIn
from rt_service.core.errors import Forbidden, NotFound
from rt_service.gateways.addresses import counted
from rt_service.gateways.http_requests import Requests, json
from rt_service.gateways.http_types import LoggingIn, NewAccount, NewPassword


class Kept(Protocol):
    """What a service has that keeps accounts."""

    accounts: Accounts
    login: LogIn


class AccountsHttp:
    def __init__(self, requests: Requests, kept: Kept | None, everybody_registers: bool) -> None:
        """`kept` is None where there are no accounts."""
        self._requests = requests
        self._kept = kept
        self._everybody_registers = everybody_registers

    def register_account(self) -> Response:
        accounts, login = self._on()
        said = self._said("register", NewAccount)
        if self._everybody_registers and said.role == "user":
            account = login.register(said.name, said.password, _address())
        else:
            self._check_admin('only admins may; with accounts.registration = "open" everybody may register as a user')
            account = accounts.register(said.name, said.password, said.role)
        return json(_shown(account), 201)

    def log_in(self) -> Response:
        _, login = self._on()
        said = self._said("log in", LoggingIn)
        token, expires_at = login.log_in(said.name, said.password, _address())
        response = json({"token": token, "expires_at": expires_at})
        response.headers["Cache-Control"] = "no-store"
        return response

    def change_password(self, name: str) -> Response:
        """With the password there was, or as an admin without it."""
        accounts, login = self._on()
        said = self._said("change the password", NewPassword)
        if said.password is None:
            self._check_admin("`password` is missing: only admins may change one that they do not know")
            accounts.set_password(name, said.new)
        else:
            login.change_password(name, said.password, said.new, _address())
        return json(_shown(accounts.get(name)))

    def _on(self) -> tuple[Accounts, LogIn]:
        if self._kept is None:
            raise NotFound("this service keeps no accounts; accounts.enabled = true turns them on")
        return self._kept.accounts, self._kept.login

    def _said(self, what: str, kind: type[Any]) -> Any:
        return verbs.convert(what, self._requests.object(), kind)

    def _check_admin(self, why: str) -> None:
        if self._requests.who().role != "admin":
            raise Forbidden(why)


def _address() -> str:
    """Where somebody comes from, as it is counted: whoever has an address of IPv6 has as many as it likes."""
    return counted(request.remote_addr or "")


def _shown(account: Account) -> dict[str, Any]:
    return {"name": account.name, "role": account.role, "created_at": account.created_at}

"""The settings of who gets in: tokens, rules, accounts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from rt_service.settings.kinds import Namespace, Positive, Seconds, Section


class AuthKey(Section):
    """What tokens are checked with: a `secret` or `file` for HS256, a `file` with a PEM key for the others."""

    algorithm: Literal["HS256", "RS256", "ES256", "EdDSA"]
    secret: SecretStr = SecretStr("")
    file: str = ""


class AuthRule(Section):
    """What those of a role may in the rooms of a namespace without being granted it."""

    namespaces: list[Namespace]
    roles: list[Literal["user", "device", "service"]]
    rooms: list[str] = Field(["*"])
    verbs: list[str]


_TALK = ["join", "publish", "history", "presence", "rooms", "send", "call"]
_LOOK = ["join", "history", "presence", "rooms", "twin"]
RULES = [
    AuthRule(namespaces=["/chat", "/game"], roles=["user"], verbs=_TALK),
    AuthRule(namespaces=["/iot"], roles=["user"], rooms=["*", "device:*"], verbs=_LOOK),
    AuthRule(namespaces=["/iot"], roles=["device"], verbs=["rooms"]),
    AuthRule(namespaces=["/chat", "/game", "/iot"], roles=["service"], rooms=["*", "user:*", "device:*"], verbs=["*"]),
]


class Auth(Section):
    mode: Literal["open", "token"] = Field("open", description="open: nobody needs a token, on this machine only")
    open_to_all: bool = Field(False, description="open mode may listen on addresses that others reach (--open-to-all)")
    keys: dict[str, AuthKey] = Field(
        {}, description="by kid, what tokens are checked with; with none, and no jwks_file, data_dir/token.key is made"
    )
    jwks_file: str = Field("", description="a JWKS file with more keys, read again when it changes")
    audience: str = Field("", description="what `aud` of a token has to be; empty: anything")
    issuer: str = Field("", description="what `iss` of a token has to be; empty: anything")
    leeway_s: Annotated[float, Field(ge=0, le=300)] = Field(5.0, description="by how much clocks may differ")
    rules: list[AuthRule] = Field(
        RULES, description="what a token without grants may; what no rule allows is forbidden"
    )


class Store(Section):
    url: str = Field(
        "sqlite",
        description="where accounts and devices' secrets are: sqlite (accounts.db in server.data_dir), "
        "postgresql+psycopg://user:password@host/database",
    )


class Accounts(Section):
    enabled: bool = Field(
        False, description="keep accounts, for who logs in, and devices' secrets; needs auth.mode token"
    )
    token_s: Seconds = Field(3600.0, description="how long a token is good for that somebody logged in for")
    registration: Literal["admins", "open"] = Field(
        "admins", description="who may register accounts over HTTP: admins, or open: everybody"
    )
    most: Positive = Field(100_000, description="accounts that may be registered over HTTP")
    attempts_per_name: Positive = Field(10, description="log-ins a minute with one name; more are refused")
    attempts_per_address: Positive = Field(
        60, description="log-ins and registrations a minute from one address; more are refused"
    )

"""JSON Web Tokens (RFC 7519; CONTRACT.md section 6): who somebody is, until when, and what they were granted."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jwt

from rt_service.auth.policy import ROLES, Rule, Table, checked_info
from rt_service.core import names
from rt_service.core.errors import BadRequest, TokenExpired, Unauthorized
from rt_service.core.model import KINDS, Grant, Identity, Who

ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
TOKEN_CHARACTERS = 8192
LATEST = 1e11  # Unix seconds, in the year 5138: what is later is no time
GRANTS = 100
PATTERNS = 100
_is_pattern = re.compile(r"/[A-Za-z0-9_-]+:[A-Za-z0-9_.:@-]*\*?[A-Za-z0-9_.:@-]*").fullmatch
_is_verb = re.compile(r"[a-z.]{1,32}(:[A-Za-z0-9_.:@-]{1,64})?|\*").fullmatch


class Key(NamedTuple):
    """What tokens are checked with. A key has one algorithm: a token that names another is refused."""

    id: str
    algorithm: str
    key: Any


class Expected(NamedTuple):
    """What tokens have to say besides; empty: anything."""

    audience: str = ""
    issuer: str = ""
    leeway_s: float = 5.0


class Tokens:
    """The `Policy` of token mode. `keys` is asked for each token, since keys are changed while the service runs."""

    def __init__(
        self,
        keys: Callable[[], Sequence[Key]],
        expected: Expected,
        rules: Sequence[Rule],
        revoked: Callable[[Identity, str, float], bool],
    ) -> None:
        """`revoked(identity, token id, issued at)` says whether a token that is right was taken back."""
        self._keys = keys
        self._expected = expected
        self._revoked = revoked
        self.may = Table(rules).may

    def identify(self, credentials: Mapping[str, Any]) -> Who:
        """Who the `token` in `credentials` speaks for.

        Raises:
            Unauthorized: there is none, or it is not right; TokenExpired: it was.
        """
        token = credentials.get("token")
        if not token:
            raise Unauthorized("a token is needed: auth.token, `Authorization: Bearer …`, or ?token=")
        if not isinstance(token, str) or len(token) > TOKEN_CHARACTERS or not token.isascii():
            raise Unauthorized(f"a token is a string of at most {TOKEN_CHARACTERS} ASCII characters")
        claims = self._claims(token)
        who = _who(claims)
        issued_at = claims.get("iat")
        if self._revoked(who.identity, who.token_id, float(issued_at) if isinstance(issued_at, (int, float)) else 0.0):
            raise Unauthorized("this token was revoked")
        return who

    def _claims(self, token: str) -> dict[str, Any]:
        why: Exception = jwt.InvalidSignatureError()
        for key in self._candidates(token):
            try:
                return self._checked(token, key)
            except jwt.ExpiredSignatureError:
                raise TokenExpired("this token has expired") from None
            except jwt.InvalidSignatureError as error:
                why = error  # another key of the same algorithm may fit
            except jwt.PyJWTError as error:
                raise Unauthorized(f"this token cannot be used: {error}") from None
        raise Unauthorized("this token's signature is not of a key that is known here") from why

    def _candidates(self, token: str) -> list[Key]:
        """The keys that a token may have been signed with: the one it names, or those of its algorithm."""
        try:
            head = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise Unauthorized("this is no token: three parts of base64 with dots between them") from None
        kid, algorithm = head.get("kid"), head.get("alg")
        return [key for key in self._keys() if key.algorithm == algorithm and kid in (None, key.id)]

    def _checked(self, token: str, key: Key) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            audience=self._expected.audience or None,
            issuer=self._expected.issuer or None,
            leeway=self._expected.leeway_s,
            options={"require": ["sub", "exp"], "verify_aud": bool(self._expected.audience)},
        )
        return claims


def issue(key: Key, who: Who, issued_at: float, more: Mapping[str, Any] | None = None) -> str:
    """A token that says who somebody is; `who.expires_at` has to be set, `more` are further claims."""
    assert who.expires_at is not None
    claims: dict[str, Any] = {
        "sub": who.identity.id, "kind": who.identity.kind, "iat": int(issued_at), "exp": int(who.expires_at),
        "jti": who.token_id or secrets.token_hex(8), **(more or {}),
    }  # fmt: skip
    if who.role != who.identity.kind:
        claims["role"] = who.role
    if who.info is not None:
        claims["info"] = who.info
    if who.grants is not None:
        claims["grants"] = [{"rooms": list(grant.rooms), "verbs": list(grant.verbs)} for grant in who.grants]
    return jwt.encode(claims, key.key, algorithm=key.algorithm, headers={"kid": key.id})


def _who(claims: Mapping[str, Any]) -> Who:
    """Raises Unauthorized where a claim is not what it should be."""
    kind = claims.get("kind", "user")
    role = claims.get("role", kind)
    if kind not in KINDS or role not in ROLES:
        raise Unauthorized("this token's kind or role is none that there is")
    if not names.is_name(claims["sub"]):
        raise Unauthorized("this token's sub is not 1-128 of A-Za-z0-9_.:@-")
    if type(claims["exp"]) not in (int, float) or claims["exp"] >= LATEST:  # PyJWT takes "1700000000" too
        raise Unauthorized("this token's exp is no time that comes")
    token_id = claims.get("jti", "")
    if len(token_id) > 128:
        raise Unauthorized("this token's jti has more than 128 characters")
    try:
        info, grants = checked_info(claims.get("info")), read_grants(claims.get("grants"))
    except BadRequest as error:
        raise Unauthorized(f"this token cannot be used: {error.message}") from None
    return Who(Identity(kind, claims["sub"]), info, role, grants, float(claims["exp"]), token_id)


def read_grants(said: Any) -> tuple[Grant, ...] | None:
    """Grants as a token has them: `[{"rooms": ["/chat:lobby"], "verbs": ["join"]}]`. Raises BadRequest."""
    if said is None:
        return None
    if not isinstance(said, list) or len(said) > GRANTS:
        raise BadRequest(f"grants is a list of at most {GRANTS}")
    return tuple(_grant(one) for one in said)


def _grant(said: Any) -> Grant:
    rooms, verbs = (said.get("rooms"), said.get("verbs")) if isinstance(said, dict) else (None, None)
    return Grant(_words("rooms", rooms, _is_pattern), _words("verbs", verbs, _is_verb))


def _words(what: str, values: Any, fits: Callable[[str], object]) -> tuple[str, ...]:
    if not isinstance(values, list) or len(values) > PATTERNS:
        raise BadRequest(f"a grant's {what} is a list of at most {PATTERNS}")
    wrong = next((value for value in values if not isinstance(value, str) or not fits(value)), None)
    if wrong is not None:
        raise BadRequest(f"a grant's {what} cannot have {str(wrong)[:40]!r}; such as /chat:lobby and publish")
    return tuple(values)

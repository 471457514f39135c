"""Tokens: who is let in, and what they may."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from structlog.testing import capture_logs

from rt_service import keys
from rt_service.auth.policy import Rule
from rt_service.auth.tokens import TOKEN_CHARACTERS, Expected, Key, Tokens, issue
from rt_service.core.errors import RtError
from rt_service.core.model import Grant, Identity, Who
from tests.support import tokens
from tests.support.clock import ManualClock

RULES = [
    Rule(("/chat",), ("user",), ("*",), ("join", "publish", "history", "send")),
    Rule(("/iot",), ("user",), ("device:*",), ("join",)),
    Rule(("/iot",), ("device",), ("*",), ("rooms",)),
    Rule(("/game",), ("service",), ("*",), ("*", "sessions")),
]
PEMS = [
    Key(name, name, keys._loaded(name, keys.Given(name, tokens.public_pem(name).decode()))) for name in tokens.PRIVATE
]
KEYS = [Key("main", "HS256", tokens.SECRET.encode()), *PEMS]


def policy(expected: Expected | None = None, known: list[Key] = KEYS) -> Tokens:
    return Tokens(lambda: known, expected or Expected(), RULES, lambda *_: False)


def who(token: Any, **options: Any) -> Who:
    return policy(**options).identify({"token": token})


def refused(token: Any, **options: Any) -> str:
    with pytest.raises(RtError) as error:
        who(token, **options)
    assert "Traceback" not in error.value.message
    return error.value.code


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
def test_a_token_of_each_algorithm_lets_in(algorithm: str) -> None:
    found = who(tokens.make("bob", algorithm, info={"name": "Bob"}, jti="t1"))
    assert (found.identity, found.info, found.role, found.token_id) == (
        Identity("user", "bob"),
        {"name": "Bob"},
        "user",
        "t1",
    )
    assert found.grants is None and found.expires_at is not None and found.expires_at == tokens.LATER


def test_what_is_issued_here_says_the_same_when_it_comes_back() -> None:
    said = Who(
        Identity("service", "billing"),
        {"a": 1},
        "admin",
        (Grant(("/chat:*",), ("join",)),),
        time.time() // 1 + 60,
        "id",
    )
    token = issue(KEYS[0], said, 1_700_000_000.5)
    assert who(token) == said and jwt.get_unverified_header(token)["kid"] == KEYS[0].id
    assert jwt.decode(token, options={"verify_signature": False})["iat"] == 1_700_000_000


def test_a_token_names_its_key_and_no_other_is_tried() -> None:
    assert who(tokens.make(kid="main"))
    assert refused(tokens.make(kid="other")) == "unauthorized"
    assert refused(tokens.make(kid="RS256")) == "unauthorized"


def test_several_secrets_may_be_in_use_while_they_are_rotated() -> None:
    both = [Key("old", "HS256", b"x" * 32), Key("new", "HS256", tokens.SECRET.encode())]
    assert who(tokens.make(), known=both)


def unsigned() -> str:
    head, body = ({"alg": "none", "typ": "JWT"}, tokens.claims())
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in (head, body)) + "."


def confused() -> str:
    """HS256 with the public key of RS256 as the secret: what a naive check takes."""
    import hashlib
    import hmac

    parts = [json.dumps(p).encode() for p in ({"alg": "HS256", "typ": "JWT"}, tokens.claims())]
    text = b".".join(base64.urlsafe_b64encode(p).rstrip(b"=") for p in parts)
    signature = hmac.new(tokens.public_pem("RS256"), text, hashlib.sha256).digest()
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


BAD = [
    unsigned(), unsigned() + "AAAA", confused(), "", "a.b.c", "no token", "x" * 9000, None, 7, ["a"], "\ud800.a.b",
    tokens.make()[:-4] + "AAAA",
    tokens.make(key="another-secret-of-at-least-32-bytes!"),
    tokens.make(exp=None), tokens.make(sub=None), tokens.make(exp="soon"), tokens.make(exp=1e30),
    tokens.make(exp=str(tokens.LATER)),
    tokens.make("a b"), tokens.make("a/#"), tokens.make("x" * 200),
    tokens.make(kind="robot"), tokens.make(kind="admin"), tokens.make(role="root"), tokens.make(role=["admin"]),
    tokens.make(jti="x" * 129), tokens.make(jti=7), tokens.make(jti=None, info="x" * 1023),
    tokens.make(nbf=tokens.LATER), tokens.make(iat=tokens.LATER),
    tokens.make(grants={}), tokens.make(grants=[7]), tokens.make(grants=[{"rooms": ["/chat:lobby"]}]),
    tokens.make(grants=[{"rooms": ["lobby"], "verbs": ["join"]}]),
    tokens.make(grants=[{"rooms": ["/chat:#"], "verbs": ["join"]}]),
    tokens.make(grants=[{"rooms": ["/chat:*"], "verbs": ["JOIN"]}]),
    tokens.make(grants=[{"rooms": ["/chat:*"], "verbs": [7]}]),
    tokens.make(grants=[{"rooms": ["/chat:*"], "verbs": ["join"]}] * 101),
    tokens.make(grants=[{"rooms": ["/chat:*"], "verbs": ["join"] * 101}]),
    tokens.make(grants=[{"rooms": ["/chat:lobby/#"], "verbs": ["join"]}]),
    tokens.make(grants=[{"rooms": ["/chat:*"], "verbs": ["join publish"]}]),
]  # fmt: skip


@pytest.mark.parametrize("token", BAD, ids=range(len(BAD)))
def test_what_is_no_good_token_is_refused(token: Any) -> None:
    assert refused(token) == "unauthorized"


def test_a_token_may_be_as_long_as_may_be_and_no_longer() -> None:
    longest = tokens.make(pad="x" * 6042)
    assert len(longest) == TOKEN_CHARACTERS and who(longest)
    with pytest.raises(RtError, match="at most 8192 ASCII characters"):
        who(tokens.make(pad="x" * 6045))
    grant = {"rooms": ["/chat:*"] * 100, "verbs": ["join"] * 100}
    assert who(tokens.make(jti="x" * 128, grants=[grant])).token_id == "x" * 128
    assert who(tokens.make(grants=[{"rooms": ["/a:b"], "verbs": ["join"]}] * 100)).grants


def test_an_expired_token_is_told_apart_and_clocks_may_differ_a_little() -> None:
    for seconds in (10, 60):
        assert refused(tokens.make(exp=int(time.time()) - seconds)) == "token_expired"
    assert who(tokens.make(exp=int(time.time())))
    assert refused(tokens.make(exp=int(time.time())), expected=Expected(leeway_s=0)) == "token_expired"


def test_audience_and_issuer_are_those_of_the_settings() -> None:
    expected = Expected("rooms", "login")
    assert who(tokens.make(aud="rooms", iss="login"), expected=expected)
    assert who(tokens.make(aud=["other", "rooms"], iss="login"), expected=expected)
    for more in ({"aud": "other", "iss": "login"}, {"aud": "rooms", "iss": "evil"}, {"aud": "rooms"}, {"iss": "login"}):
        assert refused(tokens.make(**more), expected=expected) == "unauthorized"


def test_a_key_that_is_taken_out_of_the_jwks_file_lets_nobody_in_any_more(tmp_path: Path) -> None:
    path, clock = tmp_path / "jwks.json", ManualClock()
    tokens.write_jwks(path, tokens.jwk("ES256", "a"), {"kty": "unknown", "kid": "z"})
    jwks = keys.Jwks(path, clock)
    assert [key.id for key in jwks.current()] == ["a"]
    known = Tokens(jwks.current, Expected(), RULES, lambda *_: False)
    assert known.identify({"token": tokens.make(algorithm="ES256", kid="a")})
    tokens.write_jwks(path, tokens.jwk("RS256", "b"), tokens.jwk("EdDSA", "c"))
    clock.advance(2)
    assert [key.id for key in jwks.current()] == ["b", "c"]
    with pytest.raises(RtError):
        known.identify({"token": tokens.make(algorithm="ES256", kid="a")})
    path.write_text("{ no JSON")
    clock.advance(2)
    assert [key.id for key in jwks.current()] == ["b", "c"]
    path.unlink()
    clock.advance(2)
    assert [key.id for key in jwks.current()] == ["b", "c"]


def test_a_jwks_file_that_changed_once_is_read_once(tmp_path: Path) -> None:
    path, clock = tmp_path / "jwks.json", ManualClock()
    tokens.write_jwks(path, tokens.jwk("ES256", "a"))
    jwks = keys.Jwks(path, clock)
    tokens.write_jwks(path, tokens.jwk("ES256", "b"))
    with capture_logs() as lines:
        for _ in range(3):
            clock.advance(2)
            jwks.current()
    assert [(line["event"], line["keys"]) for line in lines] == [("jwks_read", ["b"])]


def test_a_jwks_file_is_looked_at_once_a_second(tmp_path: Path) -> None:
    path, clock = tmp_path / "jwks.json", ManualClock()
    tokens.write_jwks(path, tokens.jwk("ES256", "a"))
    jwks = keys.Jwks(path, clock)
    for old, new in ("ab", "bc"):
        tokens.write_jwks(path, tokens.jwk("ES256", new))
        clock.advance(0.5)
        assert [key.id for key in jwks.current()] == [old]
        clock.advance(0.5)
        assert [key.id for key in jwks.current()] == [new]


def test_of_a_jwks_file_only_keys_that_sign_tokens_are_taken(tmp_path: Path) -> None:
    path, good = tmp_path / "jwks.json", tokens.jwk("RS256", "good")
    others: list[Any] = [
        {**good, "kid": "e", "use": "enc"},
        {**good, "kid": "a", "alg": "RS512"},
        7,
        "key",
        None,
        [],
        {},
    ]
    path.write_text(json.dumps({"keys": [*others, good]}))
    assert [key.id for key in keys.Jwks(path, ManualClock()).current()] == ["good"]
    tokens.write_jwks(path, *[{**good, "kid": str(n)} for n in range(101)])
    assert len(keys.Jwks(path, ManualClock()).current()) == 100


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no JWKS"),
        ("{}", "is no JWKS"),
        ("[]", "is no JWKS"),
        ('{"keys": 7}', "is no JWKS"),
        ('{"keys": {"a": 1}}', "is no JWKS"),
        ('{"keys": []}', "has no key for"),
        (" " * (1 << 20) + "{}", "is larger than"),
    ],
)
def test_a_jwks_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(text)
    with pytest.raises(keys.CannotUse) as error:
        keys.Jwks(path, ManualClock())
    assert str(path) in str(error.value) and says in str(error.value)


def test_a_secret_is_the_same_with_a_newline_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("x" * 32 + "\n")
    (key,) = keys.from_settings({"mine": keys.Given("HS256", file=str(path))})
    assert key.key == b"x" * 32
    (tmp_path / "token.key").write_text("y" * 43 + "\n")
    (tmp_path / "token.key").chmod(0o600)
    assert keys.local(tmp_path).key == b"y" * 43


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (keys.Given("HS256", "short"), "at least 32 bytes"),
        (keys.Given("HS256", "x" * 31 + "   \n"), "at least 32 bytes"),
        (keys.Given("RS256", "no key"), "no key for RS256"),
        (keys.Given("ES256", tokens.public_pem("RS256").decode()), "no key for ES256"),
        (keys.Given("EdDSA"), "give it a file"),
        (keys.Given("RS256", file="/nowhere.pem"), "cannot be read"),
    ],
)
def test_a_key_that_cannot_be_used_is_named(given: keys.Given, says: str) -> None:
    with pytest.raises(keys.CannotUse) as error:
        keys.from_settings({"mine": given})
    assert "auth.keys.mine" in str(error.value) and says in str(error.value) and "\n" not in str(error.value)


def test_the_services_own_key_is_made_once_and_only_its_user_may_read_it(tmp_path: Path) -> None:
    first = keys.local(tmp_path / "data")
    path = tmp_path / "data" / "token.key"
    assert keys.local(tmp_path / "data") == first and path.stat().st_mode & 0o777 == 0o600 and len(first.key) >= 32
    assert keys.local(tmp_path / "other data").key != first.key
    for mode in (0o644, 0o640, 0o604):
        path.chmod(mode)
        with pytest.raises(keys.CannotUse, match="chmod 600"):
            keys.local(tmp_path / "data")


def may(token: str, verb: str, namespace: str, room: str | None, event: str | None = None) -> bool:
    known = policy()
    return known.may(known.identify({"token": token}), verb, namespace, room, event)


ALICE = tokens.make("alice")
GRANTED = tokens.make("alice", grants=[{"rooms": ["/chat:lobby", "/iot:device:l*"], "verbs": ["join", "publish:say"]}])
ADMIN = tokens.make("root", role="admin")
LAMP = tokens.make("lamp", kind="device")
BILLING = tokens.make("billing", kind="service")


OPERATING = ("sessions", "kick", "revoke", "look", "settings")


def granted(rooms: str, *verbs: str) -> str:
    return tokens.make("a", grants=[{"rooms": [rooms], "verbs": list(verbs)}])


@pytest.mark.parametrize(
    ("token", "asked", "allowed"),
    [
        (ALICE, ("connect", "/chat", None), True),
        (ALICE, ("connect", "/game", None), False),
        (ALICE, ("join", "/chat", "lobby"), True),
        (ALICE, ("publish", "/chat", "lobby", "say"), True),
        (ALICE, ("presence", "/chat", "lobby"), False),
        (ALICE, ("join", "/iot", "lobby"), False),
        (ALICE, ("join", "/iot", "device:lamp"), True),
        (ALICE, ("publish", "/iot", "device:lamp", "say"), False),
        (ALICE, ("join", "/chat", "user:alice"), True),
        (ALICE, ("presence", "/chat", "user:alice"), True),
        (ALICE, ("join", "/chat", "user:bob"), False),
        (ALICE, ("send", "/chat", "user:bob", "dm"), True),
        (ALICE, ("kick", "", None), False),
        (ALICE, ("ping", "/chat", None), True),
        (GRANTED, ("connect", "/chat", None), True),
        (GRANTED, ("connect", "/game", None), False),
        (GRANTED, ("join", "/chat", "lobby"), True),
        (GRANTED, ("join", "/chat", "lobby2"), False),
        (GRANTED, ("history", "/chat", "lobby"), False),
        (GRANTED, ("publish", "/chat", "lobby", "say"), True),
        (GRANTED, ("publish", "/chat", "lobby", "shout"), False),
        (GRANTED, ("join", "/iot", "device:lamp"), True),
        (GRANTED, ("join", "/iot", "device:pump"), False),
        (GRANTED, ("join", "/chat", "user:alice"), True),
        (LAMP, ("connect", "/iot", None), True),
        (LAMP, ("connect", "/chat", None), False),
        (LAMP, ("publish", "/iot", "device:lamp", "telemetry"), True),
        (LAMP, ("publish", "/iot", "device:pump", "telemetry"), False),
        (LAMP, ("publish", "/iot", "user:lamp", "telemetry"), False),
        (ADMIN, ("kick", "", None), True),
        (ADMIN, ("join", "/game", "user:bob"), True),
        (GRANTED, ("send", "/chat", "user:alice", "dm"), False),
        (LAMP, ("join", "/chat", "lobby"), False),
        (BILLING, ("join", "/game", "lobby"), True),
        (BILLING, ("join", "/chat", "lobby"), False),
        (BILLING, ("sessions", "", None), True),
        (BILLING, ("kick", "", None), False),
        (ALICE, ("sessions", "", None), False),
        (granted("/chat:*", "*"), ("join", "/chat", "user:bob"), False),
        (granted("/chat:user:*", "*"), ("join", "/chat", "user:bob"), True),
        (granted("/chat:ab*ba", "join"), ("join", "/chat", "abba"), True),
        (granted("/chat:ab*ba", "join"), ("join", "/chat", "aba"), False),
        (granted("/chat:ab*ba", "join"), ("join", "/chat", "abba2"), False),
        *((granted("/chat:*", "*"), (verb, "", None), False) for verb in OPERATING),
        *((granted("/chat:*", verb), (verb, "", None), True) for verb in OPERATING),
        (granted("/chat:*", "look"), ("settings", "", None), False),
        (granted("/chatter:*", "*"), ("connect", "/chat", None), False),
        (granted("/iot:*", "*"), ("rooms", "/chat", None), False),
        (tokens.make("a", grants=[]), ("connect", "/chat", None), False),
        (tokens.make("a", grants=[]), ("join", "/chat", "lobby"), False),
        (tokens.make("a", kind="service", grants=[]), ("sessions", "", None), False),
    ],
)
def test_the_rules_and_grants_say_who_may_what_and_all_else_is_forbidden(
    token: str, asked: tuple[Any, ...], allowed: bool
) -> None:
    assert may(token, *asked) is allowed


def test_no_library_quirk_lets_a_token_without_a_signature_in() -> None:
    head, body, _ = tokens.make().split(".")
    for token in (f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.=", f".{body}.", "..", f"{head}..x"):
        assert refused(token) == "unauthorized"

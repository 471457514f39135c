"""Tokens that were made up, changed, borrowed, or are over."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt

from rt_service.mqtt.packets import Connack, Connect, Publish
from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support import tokens
from tests.support.raw_http import RawHttp, said
from tests.support.raw_mqtt import RawMqtt
from tests.support.raw_ws import RawWebSocket
from tests.support.service import Service

MORE = {"with_tokens": True}
UNAUTHORIZED = 'rt_refused_total{code="unauthorized"}'
FORBIDDEN = 'rt_refused_total{code="forbidden"}'
ROOT = f"Authorization: Bearer {tokens.make('root', role='admin')}"


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(head: Any, claims: Any, secret: bytes = tokens.SECRET.encode()) -> str:
    """With the right secret unless another is given, whatever the head says."""
    said = f"{part(head)}.{part(claims)}"
    return f"{said}.{part(hmac.new(secret, said.encode(), hashlib.sha256).digest())}"


GOOD = tokens.make("mallory")
HEAD, CLAIMS, SIGNATURE = GOOD.split(".")
ADMIN = tokens.claims("root", role="admin")
HS = {"alg": "HS256", "typ": "JWT"}
FORGED = {
    "none": signed({"alg": "none"}, ADMIN),
    "none without a signature": signed({"alg": "none"}, ADMIN).rpartition(".")[0] + ".",
    "None": signed({"alg": "None"}, ADMIN),
    "no algorithm": signed({}, ADMIN),
    "another algorithm": signed({"alg": "HS512"}, ADMIN),
    "a public key as the secret": signed(HS, ADMIN, tokens.public_pem("RS256")),
    "the secret of nobody": signed(HS, ADMIN, b""),
    "claims exchanged": f"{HEAD}.{part(ADMIN)}.{SIGNATURE}",
    "signature of another": f"{HEAD}.{CLAIMS}.{tokens.make('alice').split('.')[2]}",
    "signature cut": GOOD[:-5],
    "signature gone": f"{HEAD}.{CLAIMS}.",
    "a part too many": GOOD + ".x",
    "a part too few": f"{HEAD}.{CLAIMS}",
    "no base64": "a.b!.c",
    "not a token": "Bearer",
    "expired": tokens.make("mallory", exp=int(time.time()) - 3600),
    "not yet": tokens.make("mallory", nbf=tokens.LATER),
    "without an end": tokens.make("mallory", exp=None),
    "ends never": tokens.make("mallory", exp=10**15),
    "ends at no time": tokens.make("mallory", exp="tomorrow"),
    "ends at infinity": signed(HS, b'{"sub":"mallory","exp":1e999}'),
    "ends at no number": signed(HS, b'{"sub":"mallory","exp":NaN}'),
    "issued at infinity": signed(HS, b'{"sub":"mallory","exp":%d,"iat":Infinity}' % tokens.LATER),
    "sub is no name": tokens.make("mallory#"),
    "sub is a list": signed(HS, {**ADMIN, "sub": ["root"]}),
    "kind there is not": tokens.make("mallory", kind="god"),
    "role there is not": tokens.make("mallory", role="god"),
    "role is a list": signed(HS, {**ADMIN, "role": ["admin"]}),
    "deep head": signed(b'{"alg":"HS256","x":' + b"[" * 2000 + b"]" * 2000 + b"}", ADMIN),
    "deep claims": signed(HS, b'{"sub":"root","exp":%d,"x":' % tokens.LATER + b"[" * 2000 + b"]" * 2000 + b"}"),
    "claims are a list": signed(HS, [ADMIN]),
    "head is a list": signed([HS], ADMIN),
    "huge": "a" * 7000 + "." + "b" * 7000 + ".c",
    "not ASCII": GOOD + "\N{CYRILLIC SMALL LETTER A}",
    "critical": signed({**HS, "crit": ["b64"], "b64": False}, ADMIN),
    "a key of its own": signed({**HS, "jwk": {"kty": "oct", "k": part(b"own" * 20)}}, ADMIN, b"own" * 20),
    "a key from elsewhere": signed({**HS, "jku": "http://127.0.0.1:1/k", "x5u": "http://127.0.0.1:1/"}, ADMIN, b"own"),
    "grants without end": tokens.make("m", grants=[{"rooms": ["/chat:*"], "verbs": ["join"]}] * 101)[:8192],
    "grants of everything": signed(HS, {**tokens.claims("mallory"), "grants": [{"rooms": ["*"], "verbs": ["*"]}]}),
    "grants that are no list": signed(HS, {**tokens.claims("mallory"), "grants": {"rooms": ["/chat:*"]}}),
}  # fmt: skip
KIDS: list[Any] = [
    "../../../../etc/passwd", "/dev/null", "one' UNION SELECT 'x", "http://127.0.0.1:1/", "x" * 5000, "", "ONE",
    "one\0", 7, ["one"], {"one": 1}, None, "\N{RIGHT-TO-LEFT OVERRIDE}", "$(id)", "file:///dev/null",
]  # fmt: skip


def refused(service: Service, token: str) -> None:
    """On every way in."""
    header = f"Authorization: Bearer {token}".encode()
    with RawHttp(service) as client:
        for path in ("/api/v1/rooms/chat/x/members", "/api/v1/rooms/chat/x/stream", "/api/v1/sessions", "/metrics"):
            client.send(b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n" % (path.encode(), header))
            reply = client.reply()
            assert reply.status in (401, 431), (path, reply)
            if reply.status == 431:
                break  # too long to be read at all; the connection is over
    with ways.plain(service) as ws:
        ways.ask(ws, "auth", token=token)
        assert ways.ask(ws, "join", room="x")["error"]["code"] in ("unauthorized", "token_expired")
    with RawWebSocket(service.http, ways.SOCKETIO) as ws:
        ws.text()
        ws.send(f"40/chat,{json.dumps({'token': token})}")
        assert ws.text().startswith("44/chat,")
    with RawMqtt(service.mqtt) as mqtt:
        mqtt.send(Connect("mallory", username="mallory", password=token.encode()))
        assert mqtt.expect(Connack).reason == 0x86


def test_a_client_with_tokens_that_were_forged(siege: Siege) -> None:
    with siege.attack(UNAUTHORIZED, 'rt_refused_total{code="token_expired"}') as service:
        for token in FORGED.values():
            refused(service, token)


def test_a_client_whose_tokens_name_keys_that_are_somewhere_else(siege: Siege) -> None:
    with siege.attack(UNAUTHORIZED) as service:
        for kid in KIDS:
            refused(service, signed({**HS, "kid": kid}, ADMIN, b""))
            if kid is not None and kid != "one":
                refused(service, signed({**HS, "kid": kid}, ADMIN))


def test_a_client_that_tries_a_thousand_tokens(siege: Siege) -> None:
    with siege.attack(UNAUTHORIZED) as service, RawHttp(service) as client:
        for n in range(1000):
            token = signed(HS, ADMIN, b"guess-%d" % n)
            reply = client.send(said("GET", "/api/v1/sessions", f"Authorization: Bearer {token}")).reply()
            assert reply.code == "unauthorized"


def test_a_client_that_takes_over_a_session_by_a_refresh(siege: Siege) -> None:
    with siege.attack(FORBIDDEN, UNAUTHORIZED) as service, ways.plain(service, f"token={GOOD}") as ws:
        assert ways.ask(ws, "join", room="x")["ok"]
        for token in (tokens.make("alice"), tokens.make("mallory", kind="service")):
            assert ways.ask(ws, "refresh", token=token)["error"]["code"] == "forbidden"
        for token in (*FORGED.values(), None, 7, [GOOD], {"token": GOOD}, ""):
            assert ways.ask(ws, "refresh", token=token)["error"]["code"] in ("unauthorized", "token_expired")
        for n in range(2000):
            ws.send(json.dumps({"op": "refresh", "ns": "/chat", "token": tokens.make("mallory", exp=2**33 + n)}))
        assert ways.ask(ws, "ping")["ok"]


def test_a_client_that_changes_who_it_is_once_it_is_in(siege: Siege) -> None:
    with siege.attack('rt_refused_total{code="conflict"}') as service, ways.plain(service, f"token={GOOD}") as ws:
        assert ways.ask(ws, "join", room="x")["ok"]
        assert ways.ask(ws, "auth", token=tokens.make("alice"))["error"]["code"] == "conflict"
        assert ways.ask(ws, "join", "/game", room="x", token=tokens.make("alice"))["members"][0]["id"] == "mallory"


def test_a_token_that_was_taken_back_is_replayed(siege: Siege) -> None:
    token = tokens.make("replayed", iat=int(time.time()) - 10)
    with siege.attack(UNAUTHORIZED) as service, ways.plain(service, f"token={token}") as ws, RawHttp(service) as client:
        assert ways.ask(ws, "join", room="x")["ok"]
        body = b'{"of":"user:replayed"}'
        more = ("Content-Type: application/json", f"Content-Length: {len(body)}", ROOT)
        assert client.send(said("POST", "/api/v1/revocations", *more, body=body)).reply().status == 200
        assert ws.ended() == 1008
        refused(service, token)


def test_no_token_is_written_into_the_log(siege: Siege) -> None:
    token = tokens.make("pump", kind="device").encode()
    with siege.attack() as service, ways.device(service, "pump", username="x", password=token) as mqtt:
        mqtt.send(Publish("devices/pump/telemetry", b"no json"))
        assert mqtt.nothing_waits()
    log = siege.service.log
    assert not any(secret in log for secret in (GOOD, SIGNATURE, tokens.SECRET, *FORGED.values()) if len(secret) > 8)


def test_a_good_token_still_gets_in(siege: Siege) -> None:
    assert jwt.decode(GOOD, tokens.SECRET, ["HS256"])["sub"] == "mallory"
    named = signed({**HS, "kid": "one"}, tokens.claims("kid"))
    with siege.attack() as service:
        for token in (GOOD, named):
            with ways.plain(service, f"token={token}") as ws:
                assert ways.ask(ws, "join", room="x")["ok"]

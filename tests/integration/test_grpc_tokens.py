"""gRPC in token mode: the service decides what a token is worth, and gRPC says it as a status."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
import requests

from rt_service.gateways.grpc import realtime_pb2 as rt
from tests.support import tokens
from tests.support.grpc_client import GrpcChannel, GrpcClient, error_of, refused
from tests.support.service import Service
from tests.support.waiting import eventually

KEY = f'auth.keys={{ main = {{ algorithm = "HS256", secret = "{tokens.SECRET}" }} }}'
ADMIN = tokens.make("root", role="admin")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service("--grpc-port", "0", "--set", "auth.mode=token", "--set", KEY, "--set", "auth.leeway_s=0") as running:
        running.token = ADMIN
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[GrpcChannel]:
    with GrpcChannel(service.grpc) as channel:
        yield channel


def bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


def asks(client: GrpcChannel, room: str, metadata: Any) -> list[Callable[[], Any]]:
    say = rt.PublishRequest(ns="/chat", room=room, event="say", data="1")
    return [
        lambda: client.stub.Publish(say, metadata=metadata, timeout=30),
        lambda: client.stub.History(rt.HistoryRequest(ns="/chat", room=room), metadata=metadata, timeout=30),
        lambda: client.stub.Presence(rt.PresenceRequest(ns="/chat", room=room), metadata=metadata, timeout=30),
        lambda: next(client.stub.Subscribe(rt.SubscribeRequest(ns="/chat", room=room), metadata=metadata, timeout=30)),
    ]


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ([], "unauthorized"),
        ([("user", "alice")], "unauthorized"),
        (bearer("nonsense"), "unauthorized"),
        (bearer(tokens.make(key="x" * 32)), "unauthorized"),
        (bearer(tokens.make(exp=int(time.time()) - 60)), "token_expired"),
    ],
)
def test_nobody_is_let_in_without_a_good_token(client: GrpcChannel, metadata: Any, code: str) -> None:
    for ask in asks(client, "r", metadata):
        assert refused(error_of(ask)) == (grpc.StatusCode.UNAUTHENTICATED, code)


def test_a_token_says_who_it_is_and_not_what_is_said_besides(client: GrpcChannel) -> None:
    metadata = [*bearer(tokens.make("alice", info={"name": "Alice"})), ("user", "mallory")]
    stream = client.stub.Subscribe(rt.SubscribeRequest(ns="/chat", room="who"), metadata=metadata)
    next(stream)
    publish, _, presence, _ = asks(client, "who", metadata)
    (member,) = presence().members
    assert (member.identity.id, json.loads(member.info)) == ("alice", {"name": "Alice"})
    publish()
    assert next(stream).publication.sender.id == "alice"


def test_what_a_token_does_not_grant_is_denied(client: GrpcChannel) -> None:
    metadata = bearer(tokens.make(grants=[{"rooms": ["/chat:mine"], "verbs": ["*"]}]))
    for ask in asks(client, "others", metadata):
        assert refused(error_of(ask)) == (grpc.StatusCode.PERMISSION_DENIED, "forbidden")
    for ask in asks(client, "mine", metadata):
        ask()


def test_a_subscription_ends_with_its_token_and_a_session_may_refresh_it(service: Service, client: GrpcChannel) -> None:
    short = tokens.make("short", exp=int(time.time()) + 6)  # by when both are in, however slow the machine is
    with GrpcClient(service.grpc, metadata=bearer(short)) as session:
        session.ok("join", room="r")
        session.ok("refresh", token=tokens.make("short"))
        stream = client.stub.Subscribe(rt.SubscribeRequest(ns="/chat", room="r"), metadata=bearer(short))
        next(stream)
        error = error_of(lambda: list(stream))
        assert refused(error) == (grpc.StatusCode.UNAUTHENTICATED, "token_expired")
        assert session.ok("ping") and session.ended is None


def test_who_is_thrown_out_is_told_so(service: Service) -> None:
    with GrpcClient(service.grpc, metadata=bearer(tokens.make("rude"))) as client:
        client.ok("join", room="r")
        headers = {"Authorization": f"Bearer {ADMIN}"}
        revoked = requests.post(
            f"{service.http}/api/v1/revocations", json={"of": "user:rude"}, headers=headers, timeout=30
        )
        assert revoked.status_code == 200, revoked.text
        error = eventually(lambda: client.ended)
        assert error is not None and refused(error) == (grpc.StatusCode.PERMISSION_DENIED, "kicked")
        assert [body["code"] for body in client.pushed("closing")] == ["kicked"]

"""The requests of gRPC, with grpcio's client: what one asks and is answered, and what is refused."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from rt_service.core.errors import ERRORS
from rt_service.gateways.grpc import realtime_pb2 as rt
from rt_service.gateways.grpc.status import STATUS
from tests.support.grpc_client import GrpcChannel, error_of, member, publication, refused, who
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually
from tests.support.ws_client import WsClient


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service("--grpc-port", "0") as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[GrpcChannel]:
    with GrpcChannel(service.grpc) as channel:
        yield channel


def says(room: str, data: str, **more: Any) -> rt.PublishRequest:
    return rt.PublishRequest(**{"ns": "/chat", "room": room, "event": "say", "data": data, **more})


def test_what_is_published_is_seen_by_a_socketio_client(service: Service, client: GrpcChannel) -> None:
    with SocketIoClient(service.http) as page:
        page.ok("join", room="grpc-1")
        kept = client.publish("grpc-1", {"n": 1}, user="curl")
        seen = page.sees("say", {"n": 1})
        assert (seen["offset"], seen["id"], seen["from"]) == (kept.offset, kept.id, {"kind": "user", "id": "curl"})
        assert kept.epoch == page.ok("history", room="grpc-1")["epoch"]


def test_numbers_arrive_as_they_were_sent(service: Service, client: GrpcChannel) -> None:
    said = '{"large":9007199254740993,"exact":0.1,"negative":-0.0,"text":"ä\\u2028"}'
    client.stub.Publish(says("grpc-exact", said), timeout=30)
    (seen,) = client.stub.History(rt.HistoryRequest(ns="/chat", room="grpc-exact"), timeout=30).publications
    assert json.loads(seen.data) == json.loads(said) and "9007199254740993" in seen.data and "-0.0" in seen.data


def test_who_only_publishes_is_no_member_and_cannot_be_called(service: Service, client: GrpcChannel) -> None:
    client.publish("grpc-2", 1, user="only-publishes")
    assert client.stub.Presence(rt.PresenceRequest(ns="/chat", room="grpc-2"), timeout=30).members == []
    error = error_of(
        lambda: client.stub.Call(rt.CallRequest(ns="/chat", to="user:only-publishes", method="m"), timeout=30)
    )
    assert refused(error) == (grpc.StatusCode.NOT_FOUND, "not_online")


def test_a_publication_that_is_said_again_is_kept_once(client: GrpcChannel) -> None:
    first = client.publish("grpc-again", 1, user="curl", id="mine")
    assert client.publish("grpc-again", 1, user="curl", id="mine") == first
    assert client.publish("grpc-again", 2, id="of-nobody") == client.publish("grpc-again", 2, id="of-nobody")


def test_classes_and_keys_mean_what_they_mean_elsewhere(service: Service, client: GrpcChannel) -> None:
    kept = client.publish("grpc-class", 1, publication_class=rt.PUBLICATION_CLASS_LATEST, key="k")
    assert kept.id and kept.epoch and not kept.HasField("offset")
    with SocketIoClient(service.http) as page:
        (latest,) = page.ok("join", room="grpc-class")["latest"]
        assert (latest["key"], latest["data"]) == ("k", 1)


def test_many_publications_at_once_are_each_kept_once_and_answered_as_they_are_kept(
    service: Service, client: GrpcChannel
) -> None:
    with SocketIoClient(service.http) as page:
        page.ok("join", room="grpc-order")
        sent = [client.stub.Publish.future(says("grpc-order", str(n)), timeout=30) for n in range(300)]
        kept = {one.result().offset: n for n, one in enumerate(sent)}
        eventually(lambda: len(page.publications) == 300)
        assert {p["offset"]: p["data"] for p in page.publications} == kept and len(kept) == 300


def test_the_history_is_read_in_pages_and_backward(service: Service, client: GrpcChannel) -> None:
    for n in range(5):
        client.publish("grpc-history", n)

    def read(**asked: Any) -> Any:
        return client.stub.History(rt.HistoryRequest(ns="chat", room="grpc-history", **asked), timeout=30)

    first = read(limit=2)
    assert [p.data for p in first.publications] == ["0", "1"] and first.more and first.position.offset == 5
    since = rt.Position(epoch=first.position.epoch, offset=first.publications[-1].offset)
    rest = read(since=since)
    assert [p.data for p in rest.publications] == ["2", "3", "4"] and not rest.more
    assert [p.data for p in read(reverse=True, limit=2).publications] == ["4", "3"]
    with SocketIoClient(service.http) as page:
        theirs = page.ok("history", room="grpc-history")["publications"]
        assert [publication(p) for p in read().publications] == theirs


def test_a_history_that_fits_into_no_message_is_cut_and_says_so(client: GrpcChannel) -> None:
    pad = "x" * 60_000
    for n in range(70):
        client.publish("grpc-long", {"n": n, "pad": pad}, user=f"of-many-{n % 7}")
    request = rt.HistoryRequest(ns="/chat", room="grpc-long", limit=1000)
    page = client.stub.History(request, timeout=30)
    assert page.more and 0 < len(page.publications) < 70
    seen = len(page.publications)
    while page.more:
        request.since.CopyFrom(rt.Position(epoch=page.position.epoch, offset=seen))
        page = client.stub.History(request, timeout=30)
        seen += len(page.publications)
        assert page.publications[-1].offset == seen
    assert seen == 70


def test_presence_says_who_is_there(service: Service, client: GrpcChannel) -> None:
    with SocketIoClient(service.http, user="seen", info={"name": "Sée"}) as page:
        members = page.ok("join", room="grpc-3")["members"]
        answer = client.stub.Presence(rt.PresenceRequest(ns="/chat", room="grpc-3"), timeout=30)
        assert [member(one) for one in answer.members] == members
        assert members[0]["info"] == {"name": "Sée"}


def test_a_call_is_answered(service: Service, client: GrpcChannel) -> None:
    with SocketIoClient(service.http, user="grpc-callee") as callee:
        callee.on_call = lambda call: {"did": call["method"], "with": call["data"], "for": call["from"]["id"]}
        question = rt.CallRequest(ns="/chat", to="user:grpc-callee", method="add", data="[1]")
        answer = client.stub.Call(question, metadata=who("caller"), timeout=30)
        assert json.loads(answer.data) == {"did": "add", "with": [1], "for": "caller"}
        question.data = ""
        assert json.loads(client.stub.Call(question, timeout=30).data)["with"] is None


def test_a_call_waits_no_longer_than_its_client(service: Service, client: GrpcChannel) -> None:
    with WsClient(service.http, user="silent") as silent:
        silent.ok("ping")
        before = service.metric("rt_calls_total", outcome="timeout")
        question = rt.CallRequest(ns="/chat", to="user:silent", method="m", timeout_ms=300)
        error = error_of(lambda: client.stub.Call(question, timeout=30))
        assert refused(error) == (grpc.StatusCode.DEADLINE_EXCEEDED, "timeout")
        question.timeout_ms, began = 60_000, time.monotonic()
        error = error_of(lambda: client.stub.Call(question, timeout=3))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        eventually(lambda: service.metric("rt_calls_total", outcome="timeout") == before + 2)
        assert time.monotonic() - began < 30


def test_somebody_anonymous_is_the_same_one_over_one_channel(service: Service, client: GrpcChannel) -> None:
    client.publish("grpc-anon", 1)
    client.publish("grpc-anon", 2)
    with GrpcChannel(service.grpc) as other:
        other.publish("grpc-anon", 3)
    seen = client.stub.History(rt.HistoryRequest(ns="/chat", room="grpc-anon"), timeout=30).publications
    names = [one.sender.id for one in seen]
    assert names[0] == names[1] != names[2] and all(name.startswith("anon-") for name in names)


# -- what is refused


def test_every_error_of_the_contract_has_a_status() -> None:
    assert set(ERRORS) <= set(STATUS)


INVALID = grpc.StatusCode.INVALID_ARGUMENT
BAD: list[tuple[str, Any, Any, str]] = [
    ("Publish", says("", "1"), INVALID, "invalid_room"),
    ("Publish", says("a/b", "1"), INVALID, "invalid_room"),
    ("Publish", says("r" * 129, "1"), INVALID, "invalid_room"),
    ("Publish", says("r", "1", event="a b"), INVALID, "invalid_event"),
    ("Publish", says("r", "1", event="presence"), INVALID, "invalid_event"),
    ("Publish", says("r", "hi"), INVALID, "invalid_data"),
    ("Publish", says("r", ""), INVALID, "invalid_data"),
    ("Publish", says("r", "NaN"), INVALID, "invalid_data"),
    ("Publish", says("r", '1,"room":"other"'), INVALID, "invalid_data"),
    ("Publish", says("r", "[" * 300 + "]" * 300), INVALID, "invalid_data"),
    ("Publish", says("r", "1", ns=""), INVALID, "bad_request"),
    ("Publish", says("r", "1", ns="/nowhere"), grpc.StatusCode.NOT_FOUND, "not_found"),
    ("Publish", says("r", "1", ns="/chat/../iot"), grpc.StatusCode.NOT_FOUND, "not_found"),
    ("Publish", says("r", "1", id="a b"), INVALID, "bad_request"),
    ("Publish", says("r", "1", publication_class=9), INVALID, "bad_request"),
    ("Publish", says("r", json.dumps("x" * 70_000)), grpc.StatusCode.RESOURCE_EXHAUSTED, "too_large"),
    ("History", rt.HistoryRequest(ns="/chat", room="r", limit=1001), INVALID, "bad_request"),
    ("History", rt.HistoryRequest(ns="/chat", room="r", limit=-1), INVALID, "bad_request"),
    (
        "History",
        rt.HistoryRequest(ns="/chat", room="r", since=rt.Position(epoch="e", offset=-1)),
        INVALID,
        "bad_request",
    ),
    ("Presence", rt.PresenceRequest(ns="/chat"), INVALID, "invalid_room"),
    ("Call", rt.CallRequest(ns="/chat", to="nobody", method="m"), INVALID, "bad_request"),
    ("Call", rt.CallRequest(ns="/chat", to="user:none", method="m"), grpc.StatusCode.NOT_FOUND, "not_online"),
    ("Call", rt.CallRequest(ns="/chat", to="user:none", method="m", timeout_ms=-1), INVALID, "bad_request"),
    ("Call", rt.CallRequest(ns="/chat", to="user:none", method="m", data="{"), INVALID, "invalid_data"),
]


@pytest.mark.parametrize(("rpc", "request_", "status", "code"), BAD)
def test_bad_input_is_refused_and_says_why(
    client: GrpcChannel, rpc: str, request_: Any, status: Any, code: str
) -> None:
    error = error_of(lambda: getattr(client.stub, rpc)(request_, timeout=30))
    assert refused(error) == (status, code)
    assert error.details() and "Traceback" not in error.details()


def test_a_name_that_nobody_can_have_is_refused(client: GrpcChannel) -> None:
    error = error_of(lambda: client.publish("r", 1, user="a b"))
    assert refused(error) == (INVALID, "bad_request")


def test_a_message_that_is_too_large_for_the_wire_ends_only_its_request(client: GrpcChannel) -> None:
    error = error_of(lambda: client.publish("grpc-large", "x" * 10_000_000))
    # Without a code of the contract: gRPC itself refuses it, nothing here or in the service has read it.
    assert refused(error) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "")
    assert client.publish("grpc-large", 1).offset == 1


def test_who_publishes_too_fast_is_told_when_to_try_again_and_nobody_else_is() -> None:
    options = ("--set", "limits.publish_burst=3", "--set", "limits.publishes_per_s=0.05")
    with Service("--grpc-port", "0", *options) as small, GrpcChannel(small.grpc) as client:
        for n in range(3):
            client.publish("r", n, user="hasty")
        error = error_of(lambda: client.publish("r", 4, user="hasty"))
        assert refused(error) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_many_requests")
        assert 0 < int(dict(error.trailing_metadata())["retry-after-ms"]) <= 20_001
        assert client.publish("r", 5, user="patient").offset == 4


def test_more_requests_than_may_be_are_told_to_try_again_and_are_counted() -> None:
    with Service("--grpc-port", "0", "--set", "grpc.requests=2") as small, GrpcChannel(small.grpc) as client:
        with WsClient(small.http, user="silent") as silent:
            silent.ok("ping")
            question = rt.CallRequest(ns="/chat", to="user:silent", method="m", timeout_ms=30_000)
            calls = [client.stub.Call.future(question, timeout=30) for _ in range(2)]
            eventually(lambda: len(silent.pushed("call")) == 2)
            error = error_of(lambda: client.publish("r", 1))
            assert refused(error) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_many_requests")
            assert dict(error.trailing_metadata())["retry-after-ms"] == "1000"
            for call in calls:
                call.cancel()
            eventually(lambda: published(client))
        eventually(lambda: small.metric("rt_grpc_requests_total", outcome="cancelled") == 2)
        eventually(lambda: small.metric("rt_grpc_requests_total", outcome="ok") == 1)
        assert small.metric("rt_grpc_requests_total", outcome="too_many_requests") >= 1


def published(client: GrpcChannel) -> bool:
    try:
        return bool(client.publish("r", 1).offset)
    except grpc.RpcError:
        return False


def test_publishing_goes_on_while_many_calls_wait(service: Service, client: GrpcChannel) -> None:
    with WsClient(service.http, user="slow-callee") as slow:
        slow.ok("ping")
        question = rt.CallRequest(ns="/chat", to="user:slow-callee", method="m", timeout_ms=30_000)
        calls = [client.stub.Call.future(question, timeout=30) for _ in range(60)]
        eventually(lambda: len(slow.pushed("call")) == 60)
        assert client.publish("grpc-meanwhile", 1).offset == 1
        slow.on_call = lambda call: "late"
        for push in slow.pushed("call"):
            slow.send({"op": "answer", "ns": "/chat", "id": push["id"], "data": "late"})
        assert {call.result().data for call in calls} == {'"late"'}


# -- what every gRPC tool expects


def test_reflection_shows_the_service_to_tools(client: GrpcChannel) -> None:
    found = ProtoReflectionDescriptorDatabase(client.channel)
    assert {"rt.v1.Realtime", "grpc.health.v1.Health"} <= set(found.get_services())
    methods = found.FindFileContainingSymbol("rt.v1.Realtime").service[0].method
    assert [method.name for method in methods] == ["Publish", "History", "Presence", "Call", "Subscribe", "Session"]


def test_the_health_service_says_that_it_serves(client: GrpcChannel) -> None:
    health: Any = health_pb2_grpc.HealthStub(client.channel)
    for name in ("", "rt.v1.Realtime"):
        status = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=30).status
        assert status == health_pb2.HealthCheckResponse.SERVING
    error = error_of(lambda: health.Check(health_pb2.HealthCheckRequest(service="nothing"), timeout=30))
    assert error.code() is grpc.StatusCode.NOT_FOUND


def test_clients_at_the_same_time_do_not_get_each_others_answers(service: Service) -> None:
    wrong: list[Any] = []

    def run(name: str) -> None:
        with GrpcChannel(service.grpc) as client:
            for n in range(30):
                client.publish(f"grpc-{name}", n, user=name)
                page = client.stub.History(rt.HistoryRequest(ns="/chat", room=f"grpc-{name}", limit=1000), timeout=30)
                if [(p.sender.id, p.data) for p in page.publications] != [(name, str(i)) for i in range(n + 1)]:
                    wrong.append(page)

    threads = [threading.Thread(target=run, args=(f"user-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


def test_everybody_who_asks_at_once_is_answered_or_told_why(service: Service) -> None:
    """Well past what gRPC would keep waiting before it cancels some at random."""
    with GrpcChannel(service.grpc) as client:
        asked = [client.stub.Publish.future(says("grpc-many", str(n)), timeout=60) for n in range(3000)]
        codes = Counter(one.code() for one in asked)  # which waits for each
    assert codes.keys() <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}

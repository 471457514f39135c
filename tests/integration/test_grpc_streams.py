"""The streams of gRPC: a room from a position on, and sessions with all verbs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from rt_service.gateways.grpc import realtime_pb2 as rt
from tests.support.grpc_client import GrpcChannel, GrpcClient, error_of, publication, refused
from tests.support.proxy import Proxy
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually
from tests.support.ws_client import WsClient

FAST = ("--set", "limits.publishes_per_s=100000", "--set", "limits.publish_burst=100000")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service("--grpc-port", "0") as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[GrpcChannel]:
    with GrpcChannel(service.grpc) as channel:
        yield channel


def data_of(stream: Any, count: int) -> list[Any]:
    return [json.loads(next(stream).publication.data) for _ in range(count)]


def port_of(service: Service) -> int:
    return int(service.grpc.rpartition(":")[2])


# -- Subscribe


def test_a_subscriber_sees_what_is_published_from_now_on(service: Service, client: GrpcChannel) -> None:
    client.publish("sub-1", "before")
    stream = client.subscribe("sub-1", user="listener")
    joined = next(stream).joined
    assert joined.position.epoch and joined.position.offset == 1 and not joined.recovered
    with SocketIoClient(service.http) as page:
        assert [m["id"] for m in page.ok("presence", room="sub-1")["members"]] == ["listener"]
        page.ok("join", room="sub-1")
        for n in range(3):
            page.ok("publish", room="sub-1", event="say", data=n)
        assert [publication(next(stream).publication) for _ in range(3)] == page.publications
        page.ok("publish", room="sub-1", event="move", data=3, **{"class": "volatile"})
        assert not next(stream).publication.HasField("offset")
        page.ok("send", to="user:listener", event="note", data="for you alone")
        note = next(stream).publication
        assert (note.room, note.ns, note.event) == ("", "/chat", "note")
    stream.cancel()
    with SocketIoClient(service.http) as page:
        eventually(lambda: page.ok("presence", room="sub-1")["members"] == [])


def test_a_subscriber_recovers_after_its_stream_broke(service: Service, client: GrpcChannel) -> None:
    with Proxy(port_of(service)) as network, GrpcChannel(f"127.0.0.1:{network.port}") as far:
        stream = far.subscribe("sub-2")
        position = next(stream).joined.position
        client.publish("sub-2", 0)
        seen = next(stream).publication
        position.offset = seen.offset
        network.cut()
        error = error_of(lambda: next(stream))
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        for n in range(1, 4):
            client.publish("sub-2", n)
        network.mend()
        stream = far.stub.Subscribe(
            rt.SubscribeRequest(ns="/chat", room="sub-2", since=position), wait_for_ready=True, timeout=30
        )
        joined = next(stream).joined
        assert joined.recovered and joined.position == position
        client.publish("sub-2", 4)
        assert data_of(stream, 4) == [1, 2, 3, 4]


def test_a_subscriber_that_missed_too_much_is_told_so() -> None:
    with Service("--grpc-port", "0", "--set", "history.publications=3") as small, GrpcChannel(small.grpc) as client:
        first = client.publish("r", 0)
        for n in range(1, 6):
            client.publish("r", n)
        stream = client.subscribe("r", since=rt.Position(epoch=first.epoch, offset=first.offset))
        joined = next(stream).joined
        assert not joined.recovered and joined.position.offset == 6
        client.publish("r", "after")
        assert data_of(stream, 1) == ["after"]
        other = client.subscribe("r", since=rt.Position(epoch="another", offset=6))
        assert not next(other).joined.recovered


def test_a_subscriber_is_not_called_but_others_of_its_name_are(service: Service, client: GrpcChannel) -> None:
    question = rt.CallRequest(ns="/chat", to="user:twice", method="m")
    with SocketIoClient(service.http, user="twice") as page:
        page.on_call = lambda call: "here"
        stream = client.subscribe("sub-3", user="twice")
        next(stream)
        assert client.stub.Call(question, timeout=30).data == '"here"'
    question.timeout_ms = 1000  # the page may be called until the service has seen that it is gone
    eventually(lambda: refused(error_of(lambda: client.stub.Call(question, timeout=30)))[1] == "not_online")


@pytest.mark.parametrize(
    ("room", "ns", "since", "status", "code"),
    [
        ("", "/chat", None, grpc.StatusCode.INVALID_ARGUMENT, "invalid_room"),
        ("a b", "/chat", None, grpc.StatusCode.INVALID_ARGUMENT, "invalid_room"),
        ("r", "", None, grpc.StatusCode.INVALID_ARGUMENT, "bad_request"),
        ("r", "/nowhere", None, grpc.StatusCode.NOT_FOUND, "not_found"),
        ("r", "/chat", rt.Position(epoch="e", offset=-1), grpc.StatusCode.INVALID_ARGUMENT, "bad_request"),
    ],
)
def test_a_subscription_that_means_nothing_is_refused(
    client: GrpcChannel, room: str, ns: str, since: Any, status: Any, code: str
) -> None:
    error = error_of(
        lambda: next(client.stub.Subscribe(rt.SubscribeRequest(ns=ns, room=room, since=since), timeout=30))
    )
    assert refused(error) == (status, code)


def test_more_streams_than_may_be_are_refused_and_counted() -> None:
    with Service("--grpc-port", "0", "--set", "grpc.streams=2") as small, GrpcChannel(small.grpc) as client:
        streams = [client.subscribe("r") for _ in range(2)]
        for stream in streams:
            next(stream)
        error = error_of(lambda: next(client.subscribe("r")))
        assert refused(error) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_many_requests")
        eventually(lambda: small.metric("rt_grpc_streams") == 2)
        streams[0].cancel()
        eventually(lambda: small.metric("rt_grpc_streams") == 1)
        next(client.subscribe("r"))
        assert small.metric("rt_grpc_streams_ended_total", outcome="too_many_requests") == 1
        assert small.metric("rt_grpc_streams_ended_total", outcome="cancelled") == 1


def test_a_slow_reader_is_ended_and_recovers() -> None:
    options = ("--grpc-port", "0", "--set", "limits.waiting_bytes=200000", *FAST)
    with Service(*options) as small, GrpcChannel(small.grpc) as slow, WsClient(small.http) as honest:
        stream = slow.subscribe("r", user="slow")
        position = next(stream).joined.position
        honest.ok("join", room="r")
        for n in range(1000):
            honest.ok("publish", room="r", event="say", data={"n": n, "pad": "x" * 10_000})
        assert small.metric("rt_sessions_closed_total", reason="slow") == 1
        seen, error = read_to_its_end(stream)
        assert refused(error) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow") and "recover" in error.details()
        assert len(seen) < 1000
        position.offset = seen[-1].offset
        again = slow.subscribe("r", since=position)
        assert next(again).joined.recovered
        missed = [next(again).publication for _ in range(1000 - len(seen))]
        assert [json.loads(p.data)["n"] for p in seen + missed] == list(range(1000))
        eventually(lambda: small.metric("rt_grpc_streams_ended_total", outcome="slow") == 1)


def read_to_its_end(stream: Any) -> tuple[list[Any], Any]:
    """Publications, and the error."""
    seen = []
    try:
        for response in stream:
            seen.append(response.publication)
    except grpc.RpcError as error:
        return seen, error
    raise AssertionError("the stream ended without an error")


# -- Session; what it has in common with other ways in is in tests/contract


def test_a_session_ends_when_all_that_it_asked_is_answered(service: Service, client: GrpcChannel) -> None:
    def requests() -> Iterator[rt.SessionRequest]:
        yield rt.SessionRequest(ref="a", op="join", ns="/chat", data='{"room":"ses-1"}')
        yield rt.SessionRequest(op="publish", ns="chat", data='{"room":"ses-1","event":"say","data":1}')
        yield rt.SessionRequest(ref="b", op="ping", ns="/iot")

    responses = list(client.stub.Session(requests(), timeout=30))
    assert [r.answer.ref for r in responses if r.HasField("answer")] == ["a", "b"]
    history = rt.HistoryRequest(ns="/chat", room="ses-1")
    eventually(lambda: [p.data for p in client.stub.History(history, timeout=30).publications] == ["1"])


def test_a_request_without_ref_is_answered_only_when_it_is_refused(service: Service) -> None:
    with GrpcClient(service.grpc) as client:
        client.send("join", {"room": "ses-2"})
        client.send("publish", {"room": "ses-2", "event": "say", "data": 1})
        eventually(lambda: len(client.publications) == 1)
        assert client._answers == {}
        client.send("publish", {"room": "ses-2", "event": "a b", "data": 1})
        assert client.answer()["error"]["code"] == "invalid_event"


@pytest.mark.parametrize(
    ("op", "data", "code"),
    [
        ("fly", "{}", "bad_request"),
        ("", "{}", "bad_request"),
        ("join", "no JSON", "invalid_data"),
        ("join", '{"room":"r"', "invalid_data"),
        ("join", "[1]", "bad_request"),
        ("join", "null", "bad_request"),
        ("join", "", "invalid_room"),
        ("join", '{"room":"a b"}', "invalid_room"),
        ("publish", '{"room":"never-joined","event":"say","data":1}', "not_member"),
        ("publish", '{"room":"r","event":"say","data":1,"op":"leave","ns":"/iot","ref":7}', "not_member"),
        ("answer", '{"id":"never-asked"}', "not_found"),
        ("publish", '{"data":[' + "1e9," * 200_000 + "1]}", "too_large"),  # as it is written in JSON again
    ],
)
def test_bad_input_is_answered_and_the_session_lives_on(service: Service, op: str, data: str, code: str) -> None:
    with GrpcClient(service.grpc) as client:
        client.send(op, ref="r", data=data)
        answer = client.answer("r")
        assert answer["error"]["code"] == code or (data == "" and answer["error"]["code"] == "bad_request")
        client.send("ping", ref="r" * 200)
        assert client.answer("r" * 128)["error"]["code"] == "bad_request"
        assert client.ok("ping")


def test_a_message_that_is_too_large_for_the_wire_ends_its_session(service: Service) -> None:
    with GrpcClient(service.grpc) as client:
        client.ok("ping")
        client.send("publish", {"room": "r", "event": "say", "data": "x" * 10_000_000})
        error = eventually(lambda: client.ended)
        assert error is not None and error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_session_that_asks_nothing_is_ended() -> None:
    with Service("--grpc-port", "0", "--set", "limits.join_first_s=0.2") as small, GrpcClient(small.grpc) as client:
        error = eventually(lambda: client.ended)
        assert error is not None and refused(error) == (grpc.StatusCode.DEADLINE_EXCEEDED, "timeout")


def test_who_has_too_many_sessions_is_told_so() -> None:
    options = ("--grpc-port", "0", "--set", "limits.sessions_per_identity=1")
    with Service(*options) as small, GrpcClient(small.grpc, user="many") as first, GrpcChannel(small.grpc) as client:
        first.ok("ping")
        error = error_of(lambda: next(client.subscribe("r", user="many")))
        assert refused(error) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_many_requests")


def test_a_member_that_says_goodbye_is_gone_at_once_and_one_that_vanishes_may_return() -> None:
    options = ("--grpc-port", "0", "--set", "limits.presence_grace_s=60")
    with Service(*options) as patient, SocketIoClient(patient.http) as page:
        page.ok("join", room="r")
        for user, leaves in (("polite", True), ("lost", False)):
            client = GrpcClient(patient.grpc, user=user)
            client.ok("join", room="r")
            client.no_more() if leaves else client.stream.cancel()
            client._reader.join(10)
        eventually(lambda: [p["action"] for p in page.pushed("presence")] == ["join", "leave", "join"])
        eventually(lambda: patient.metric("rt_sessions", transport="ws") == 0)
        page.ok("ping")
        assert [p["action"] for p in page.pushed("presence")] == ["join", "leave", "join"]

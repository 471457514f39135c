"""gRPC: calls that no stub makes, and HTTP/2 that no library speaks."""

from __future__ import annotations

import itertools
import socket
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rt_service.gateways.grpc import realtime_pb2 as rt
from tests.hostile import ways
from tests.hostile.siege import MIB, Siege
from tests.support.grpc_client import GrpcChannel, error_of, refused, who
from tests.support.service import Service
from tests.support.waiting import eventually

MORE = {"arguments": ("--grpc-port", "0")}
SETTINGS = ("grpc.streams=50", "grpc.requests=50")
NAMES = ["#", "a/b", "a b", "../x", "a\0b", "a\r\nb", "", "x" * 129, "\N{CYRILLIC SMALL LETTER A}bc"]
NO_DATA = ["", "{", "NaN", "1e999", "[" * 5000, "[" * 300 + "]" * 300, '"\\ud800"', "\0", '"' + "x" * 70_000 + '"']
SENSELESS = [
    ("nothing", "/chat", "{}"),
    ("", "", ""),
    ("ping", "/nowhere", "{}"),
    ("join", "/chat", "[]"),
    ("join", "/chat", "{"),
    ("join", "/chat", '{"op":"auth","user":"root","ns":"/game","room":"#"}'),
    ("answer", "/chat", '{"id":[[[]]]}'),
    ("join", "/chat", '{"room":' + "[" * 900 + "]" * 900 + "}"),
]


def publish(channel: GrpcChannel, **fields: object) -> rt.PublishResponse:
    asked = {"ns": "chat", "room": "grpc", "event": "say", "data": "1", **fields}
    return channel.stub.Publish(rt.PublishRequest(**asked), metadata=who("grpc"), timeout=30)


@pytest.mark.parametrize("field", ["ns", "room", "event", "id", "key"])
def test_a_caller_that_smuggles_something_into_names(siege: Siege, field: str) -> None:
    with siege.attack() as service, GrpcChannel(service.grpc) as channel:
        for name in NAMES:
            if not name and field in ("id", "key"):
                continue  # not given
            code, _ = refused(error_of(lambda name=name: publish(channel, **{field: name})))
            assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND), name


@pytest.mark.parametrize("data", NO_DATA, ids=lambda data: repr(data[:10]))
def test_a_caller_whose_data_cannot_be_used(siege: Siege, data: str) -> None:
    with siege.attack() as service, GrpcChannel(service.grpc) as channel:
        code, _ = refused(error_of(lambda: publish(channel, data=data)))
        assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_a_caller_that_sends_messages_larger_than_may_be(siege: Siege) -> None:
    with siege.attack() as service, GrpcChannel(service.grpc) as channel:
        for _ in range(5):
            error = error_of(lambda: publish(channel, data='"' + "x" * 4 * MIB + '"'))
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("user", ["a b", "a/b", "#", "x" * 5000])
def test_a_caller_whose_metadata_names_nobody(siege: Siege, user: str) -> None:
    asked = rt.PresenceRequest(ns="chat", room="grpc")
    with siege.attack() as service, GrpcChannel(service.grpc) as channel:
        channel.stub.Presence(asked, metadata=[("authorization", "Basic x"), ("kind", "god")], timeout=30)
        error = error_of(lambda: channel.stub.Presence(asked, metadata=[("user", user)], timeout=30))
        assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)


def test_a_caller_with_more_streams_than_there_may_be(siege: Siege) -> None:
    counted = 'rt_grpc_streams_ended_total{outcome="too_many_requests"}'
    with siege.attack(counted) as service, GrpcChannel(service.grpc) as channel:
        streams = [channel.subscribe("many", user=f"many-{n}") for n in range(80)]
        assert [joined(stream) for stream in streams].count(True) == 50
        for stream in streams:
            stream.cancel()


def joined(stream: Iterator[rt.SubscribeResponse]) -> bool:
    try:
        return next(stream).HasField("joined")
    except grpc.RpcError as error:
        return refused(error) != (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_many_requests")


def test_a_session_that_asks_without_end_and_never_reads(siege: Siege) -> None:
    with siege.attack() as service, GrpcChannel(service.grpc) as channel:
        ask = rt.SessionRequest(ref="1", op="ping", ns="/chat")
        stream = channel.stub.Session(itertools.islice(itertools.repeat(ask), 50_000), metadata=who("asks"))
        assert next(stream).HasField("answer")
        stream.cancel()


def test_a_session_whose_requests_make_no_sense(siege: Siege) -> None:
    asked = [rt.SessionRequest(ref=str(n), op=op, ns=ns, data=data) for n, (op, ns, data) in enumerate(SENSELESS)]
    asked.append(rt.SessionRequest(ref="x" * 500, op="ping", ns="/chat"))
    with siege.attack() as service, GrpcChannel(service.grpc) as channel:
        answers = list(channel.stub.Session(iter(asked), metadata=who("senseless"), timeout=30))
        assert [answer.answer.ok for answer in answers] == [False] * len(asked)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Of HTTP/2 (RFC 9113 section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


DATA, HEADERS, RESET, SETTINGS_FRAME, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
BEGIN = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS_FRAME, 0, 0)
RESETS = [frame(HEADERS, 4, n, b"\x82") + frame(RESET, 0, n, b"\0\0\0\x08") for n in range(1, 20_000, 2)]
HTTP2 = {
    "no preface": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "rubbish": b"\xff" * 1000,
    "preface alone": BEGIN[:24],
    "settings flood": BEGIN + frame(SETTINGS_FRAME, 0, 0) * 20_000,
    "ping flood": BEGIN + frame(PING, 0, 0, b"12345678") * 20_000,
    "frame of 16 MiB": BEGIN + b"\xff\xff\xff\0\0\0\0\0\1" + b"x" * 100_000,
    "continuation without end": BEGIN + frame(HEADERS, 0, 1, b"\x82") + frame(CONTINUATION, 0, 1, b"\x84") * 20_000,
    "headers of stream 0": BEGIN + frame(HEADERS, 4, 0, b"\x82"),
    "data of a stream there is not": BEGIN + frame(DATA, 0, 77, b"x" * 1000),
    "rapid reset": BEGIN + b"".join(RESETS),
}


@pytest.mark.parametrize("what", HTTP2)
def test_a_client_that_speaks_broken_http2(siege: Siege, what: str) -> None:
    with siege.attack() as service:
        for _ in range(5):
            with connected(service) as client:
                client.settimeout(0.3)
                try:
                    client.sendall(HTTP2[what])
                    client.recv(65536)
                except OSError:
                    pass  # it was closed, or nothing is said to it
        with GrpcChannel(service.grpc) as channel:
            assert publish(channel).id


def literal(name: bytes, value: bytes) -> bytes:
    """A header field that is in no table (RFC 7541 section 6.2.2)."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


def asking(path: bytes, stream: int = 1) -> bytes:
    """What an RPC with an empty message begins with."""
    fields = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"localhost"))
    fields += ((b"content-type", b"application/grpc"), (b"te", b"trailers"))
    head = b"".join(literal(*field) for field in fields)
    return frame(HEADERS, 4, stream, head) + frame(DATA, 1, stream, b"\0\0\0\0\0")


WATCH = b"/grpc.health.v1.Health/Watch"
NO_WINDOW = BEGIN[:24] + frame(SETTINGS_FRAME, 0, 0, b"\0\4\0\0\0\0")  # it takes no byte of an answer


def watch(channel: GrpcChannel, service: str = "") -> Iterator[health_pb2.HealthCheckResponse]:
    watched: Iterator[health_pb2.HealthCheckResponse] = health_pb2_grpc.HealthStub(channel.channel).Watch(
        health_pb2.HealthCheckRequest(service=service), timeout=30
    )
    return watched


def test_a_client_that_watches_the_health_and_takes_no_answer_keeps_nobody_from_it(siege: Siege) -> None:
    with siege.attack() as service, connected(service) as client, GrpcChannel(service.grpc) as channel:
        client.sendall(NO_WINDOW + asking(WATCH))
        read_until(client, SETTINGS_ACKNOWLEDGED)
        assert next(watch(channel)).status == health_pb2.HealthCheckResponse.SERVING


def test_a_service_that_stops_tells_its_clients_whoever_watches_the_health() -> None:
    with Service("--grpc-port", "0") as service, connected(service) as client, GrpcChannel(service.grpc) as channel:
        client.sendall(NO_WINDOW + asking(WATCH))
        read_until(client, SETTINGS_ACKNOWLEDGED)
        stream = channel.subscribe("told", user="told")
        assert next(stream).HasField("joined")
        assert service.stop() == 0
        assert refused(error_of(lambda: next(stream))) == (grpc.StatusCode.UNAVAILABLE, "shutdown")


def test_clients_that_watch_the_health_without_end(siege: Siege) -> None:
    counted = 'rt_grpc_streams_ended_total{outcome="too_many_requests"}'
    with siege.attack(counted) as service, GrpcChannel(service.grpc) as channel:
        streams = [watch(channel, f"{n}" * 50) for n in range(300)]
        outcomes = Counter(first_outcome(one) for one in streams)  # which of them came first, the network decides
        assert outcomes.keys() == {"told", grpc.StatusCode.RESOURCE_EXHAUSTED} and outcomes["told"] <= 100


def first_outcome(stream: Iterator[Any]) -> Any:
    try:
        next(stream)
        return "told"
    except grpc.RpcError as error:
        return error.code()


SETTINGS_ACKNOWLEDGED = b"\0\0\0\4\1\0\0\0\0"


def read_until(client: socket.socket, end: bytes) -> None:
    data = b""
    while end not in data:
        more = client.recv(4096)
        assert more, data
        data += more


def connected(service: Service) -> socket.socket:
    host, _, port = service.grpc.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def test_clients_that_open_connections_to_grpc_and_say_nothing(siege: Siege) -> None:
    with siege.attack() as service:
        clients = [connected(service) for _ in range(300)]
        with GrpcChannel(service.grpc) as channel:
            assert publish(channel).id
        for client in clients:
            client.close()


def test_what_comes_over_grpc_is_whose_it_is(siege: Siege) -> None:
    with siege.attack() as service, GrpcChannel(service.grpc) as channel, ways.plain(service) as ws:
        ways.ask(ws, "join", room="grpc")
        publish(channel, data='{"from":{"kind":"service","id":"root"}}')
        assert ways.pushed(ws, "publication")["from"] == {"kind": "user", "id": "grpc"}


FEW = ("--grpc-port", "0", "--set", "limits.connects_per_s=0.02", "--set", "limits.connect_burst=200")


@pytest.mark.parametrize("what", ["Subscribe", "Call"])
def test_a_caller_that_comes_and_goes_does_not_use_up_the_connections_of_others(what: str) -> None:
    with Service(*FEW) as service, ways.plain(service, "user=deaf") as deaf:
        assert ways.ask(deaf, "ping")["ok"]
        with GrpcChannel(service.grpc) as channel:
            eventually(lambda: refused_after_many(channel, what))
            assert service.get("/livez")[0] == 200


def refused_after_many(channel: GrpcChannel, what: str) -> bool:
    """Whether the caller may make no more connections, having broken off a hundred."""
    for _ in range(100):
        stream = begin(channel, what)
        time.sleep(0.005)  # so that many come so far as to be asked
        stream.cancel()
    asked = channel.stub.Presence.future(rt.PresenceRequest(ns="chat", room="r"), timeout=30)
    error = asked.exception()
    return error is not None and refused(error) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_many_requests")


def begin(channel: GrpcChannel, what: str) -> grpc.Future:
    if what == "Subscribe":
        return channel.stub.Subscribe(rt.SubscribeRequest(ns="chat", room="r"), timeout=30)
    return channel.stub.Call.future(rt.CallRequest(ns="chat", to="user:deaf", method="m", data="1"), timeout=30)

"""The process that speaks gRPC: how it starts, what it says when it cannot, how it ends, and what lies between."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rt_service.gateways.grpc import realtime_pb2 as rt
from tests.integration.conftest import tls_settings
from tests.support.certificates import Authority
from tests.support.grpc_client import GrpcChannel, GrpcClient, error_of, refused, who
from tests.support.grpc_gateway import GrpcGateway, StandIn
from tests.support.script import Script
from tests.support.service import ROOT, Service
from tests.support.waiting import eventually
from tests.support.ws_client import WsClient

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "run.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)


def serving(client: GrpcChannel) -> bool:
    health: Any = health_pb2_grpc.HealthStub(client.channel)
    status = health.Check(health_pb2.HealthCheckRequest(), timeout=30).status
    return bool(status == health_pb2.HealthCheckResponse.SERVING)


def loads_grpcio(pid: int) -> bool:
    return "cygrpc" in Path(f"/proc/{pid}/maps").read_text()


# -- beside a service


def test_grpcio_is_loaded_in_a_process_of_its_own_and_not_in_the_service() -> None:
    with Service("--grpc-port", "0") as service:
        (child,) = service.children
        assert service.process is not None
        assert loads_grpcio(child) and not loads_grpcio(service.process.pid)
        assert f"gRPC       {service.grpc}" in service.log
        assert service.get("/readyz")[1]["checks"]["grpc"] == "ok"


def test_without_a_port_there_is_no_grpc() -> None:
    with Service() as service:
        assert service.children == [] and "grpc" not in service.get("/readyz")[1]["checks"]


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("--port", "0", "--mqtt-port", "0", "--grpc-port", port, "--engine", "memory")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert f"grpc.port: 127.0.0.1:{port} is in use" in done.stderr and "--grpc-port" in done.stderr
        done = run("grpc", "--port", port)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "grpc.port" in done.stderr and port in done.stderr and "in use" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["grpc", "--host", "0.0.0.0"], "can be reached by others"),
        (["grpc", "--url", "127.0.0.1:5000"], "starts with http://"),
        (["grpc", "--port", "99999"], "grpc.port"),
        (["--grpc-port", "1", "--set", "grpc.host=0.0.0.0"], "can be reached by others"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1) and says in done.stderr


def test_one_beside_a_service_that_is_not_there_says_so(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "run.py"), "grpc", "--url", "http://127.0.0.1:9", "--port", "0"]
    with Script(command, tmp_path) as script:
        eventually(lambda: "service_unreachable" in script.output)


def test_clients_are_told_when_to_come_back_before_it_stops() -> None:
    patient = ("--grpc-port", "0", "--set", "server.drain_s=25")
    with Service(*patient) as service, GrpcChannel(service.grpc) as client:
        stream = client.subscribe("r")
        next(stream)
        session = GrpcClient(service.grpc)
        session.ok("join", room="r")
        with WsClient(service.http, user="silent") as silent:
            silent.ok("ping")
            call = client.stub.Call.future(rt.CallRequest(ns="/chat", to="user:silent", method="m", timeout_ms=60_000))
            eventually(lambda: silent.pushed("call"))
            (child,) = service.children
            began = time.monotonic()
            assert service.stop() == 0
            assert time.monotonic() - began < 20  # it waits neither for the call nor until it may wait no longer
        errors = [error_of(lambda: next(stream)), error_of(call.result)]
        errors.append(eventually(lambda: session.ended))
        assert [refused(error)[1] for error in errors] == ["shutdown", "unavailable", "shutdown"]
        for error in errors:
            assert error.code() is UNAVAILABLE and "reconnect" in error.details()
            assert 500 <= int(dict(error.trailing_metadata())["retry-after-ms"]) < 3000
        assert not Path(f"/proc/{child}").exists()


def test_streams_that_are_just_being_written_to_when_it_stops_are_told_too() -> None:
    with Service("--grpc-port", "0") as service, GrpcChannel(service.grpc) as client:
        streams = [client.subscribe(f"room-{n}") for n in range(45)]
        next(streams[0])
        service.stop()
        ends = [refused(error_of(lambda one=one: list(one))) for one in streams]  # type: ignore[misc]
        assert {code for _, code in ends} <= {"shutdown", "unavailable"}, ends


def test_a_publication_that_is_under_way_when_it_stops_is_kept() -> None:
    with Service("--grpc-port", "0") as service, GrpcChannel(service.grpc) as client:
        sent = [
            client.stub.Publish.future(rt.PublishRequest(ns="/chat", room="r", event="e", data=str(n)))
            for n in range(350)
        ]
        sent[0].result()
        service.stop()
        answers = [one.result().offset if one.exception() is None else refused(one.exception())[0] for one in sent]
        assert set(answers) <= {*range(1, 351), UNAVAILABLE}
        service.restart()
        with GrpcChannel(service.grpc) as again:
            kept = again.stub.History(rt.HistoryRequest(ns="/chat", room="r", limit=1000), timeout=30).publications
            assert {p.offset for p in kept} >= {one for one in answers if isinstance(one, int)}


def test_a_process_that_dies_is_started_again_where_it_was(authority: Authority) -> None:
    certificate, key = authority.issue("again")
    options = ("--grpc-port", "0", *tls_settings(certificate, key, section="grpc"))
    with Service(*options) as service, GrpcChannel(service.grpc, authority.ca) as client:
        stream = client.subscribe("r")
        next(stream)
        (child,) = service.children
        away = certificate.rename(certificate.with_suffix(".away"))  # so that it is away until we have seen it
        os.kill(child, signal.SIGKILL)
        assert error_of(lambda: next(stream)).code() is UNAVAILABLE
        eventually(lambda: "its process ended" in service.get("/readyz")[1]["checks"]["grpc"])
        assert service.get("/readyz")[0] == 503
        away.rename(certificate)
        eventually(lambda: service.get("/readyz")[0] == 200)
        client.stub.Publish(
            rt.PublishRequest(ns="/chat", room="r", event="e", data="1"), wait_for_ready=True, timeout=30
        )
        assert service.children != [child] and len(service.events("grpc_started_again")) == 1


def test_it_ends_when_the_service_is_killed() -> None:
    service = Service("--grpc-port", "0")
    service.start()
    (child,) = service.children
    with GrpcChannel(service.grpc) as client:
        stream = client.subscribe("r")
        next(stream)
        service.kill()
        assert error_of(lambda: next(stream)).code() is UNAVAILABLE
    eventually(lambda: not Path(f"/proc/{child}").exists())


def test_ctrl_c_in_a_terminal_reaches_both_and_they_end_in_order() -> None:
    with Service("--grpc-port", "0") as service, GrpcChannel(service.grpc) as client:
        for child in service.children:
            os.kill(child, signal.SIGINT)
        for n in range(100):  # the service decides when it is time
            client.publish("r", n)
        assert service.stop(signal.SIGINT) == 0
        assert service.events("grpc_ended") == []


# -- by itself


def test_one_by_itself_serves_a_service_that_comes_and_goes() -> None:
    with Service() as service, GrpcGateway(service.http) as gateway, GrpcChannel(gateway.address) as client:
        assert serving(client)
        first = client.publish("r", 1)
        stream = client.subscribe("r")
        next(stream)
        service.stop()
        error = error_of(lambda: next(stream))
        assert refused(error) == (UNAVAILABLE, "shutdown") and dict(error.trailing_metadata())["retry-after-ms"]
        eventually(lambda: not serving(client))
        for ask in (lambda: client.publish("r", 2), lambda: next(client.subscribe("r"))):
            assert refused(error_of(ask)) == (UNAVAILABLE, "unavailable")
        service.restart()
        eventually(lambda: serving(client))
        assert client.publish("r", 2).offset == 2
        again = client.subscribe("r", since=rt.Position(epoch=first.epoch, offset=1))
        assert next(again).joined.recovered and next(again).publication.data == "2"


def test_one_without_a_service_starts_and_says_that_it_does_not_serve() -> None:
    with GrpcGateway("http://127.0.0.1:9") as gateway, GrpcChannel(gateway.address) as client:
        assert not serving(client)
        assert "gRPC at" in gateway.log


@pytest.mark.parametrize("rpc", ["Publish", "Subscribe"])
def test_a_token_is_handed_on_and_its_refusal_comes_back(rpc: str) -> None:
    refusal = b'{"error":{"code":"unauthorized","message":"this token is of nobody"}}'
    with StandIn(401, refusal) as stand_in, GrpcGateway(stand_in.url) as gateway:
        with GrpcChannel(gateway.address) as client:
            metadata = [("authorization", "Bearer abc.def"), *who("alice")]
            ask = {
                "Publish": lambda: client.stub.Publish(
                    rt.PublishRequest(ns="/chat", room="r", event="e", data="1"), metadata=metadata, timeout=30
                ),
                "Subscribe": lambda: next(
                    client.stub.Subscribe(rt.SubscribeRequest(ns="/chat", room="r"), metadata=metadata, timeout=30)
                ),
            }
            error = error_of(ask[rpc])
            assert refused(error) == (grpc.StatusCode.UNAUTHENTICATED, "unauthorized")
            assert error.details() == "this token is of nobody"
        path, headers = next(one for one in stand_in.seen if "livez" not in one[0])
        assert headers["Authorization"] == "Bearer abc.def" and path.endswith("user=alice")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (502, b"<html>Bad Gateway</html>", (UNAVAILABLE, "unavailable")),
        (200, b'{"results":[]}', (grpc.StatusCode.INTERNAL, "internal")),
        (200, b'{"results":"nonsense"}', (grpc.StatusCode.INTERNAL, "internal")),
        (200, b"nonsense", (grpc.StatusCode.INTERNAL, "internal")),
    ],
)
def test_an_address_that_is_no_service_is_said_without_what_goes_on_inside(
    status: int, body: bytes, expected: tuple[Any, str]
) -> None:
    with (
        StandIn(status, body) as stand_in,
        GrpcGateway(stand_in.url) as gateway,
        GrpcChannel(gateway.address) as client,
    ):
        for ask in (lambda: client.publish("r", 1), lambda: client.stub.Presence(rt.PresenceRequest(ns="c", room="r"))):
            error = error_of(ask)
            assert refused(error) == expected
            assert "Error" not in error.details() and "rt_service" not in error.details()
        gateway_log = gateway.log
        gateway._log.write_text("")  # what went wrong stands in the log, with a traceback
        assert ("internal_error" in gateway_log) == (status == 200)

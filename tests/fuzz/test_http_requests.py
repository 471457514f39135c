"""Made-up requests, on a connection of the real server: each is answered or refused, and always read in one way."""

from __future__ import annotations

import contextlib
import logging
import re
from functools import partial
from typing import Any

import eventlet
import pytest
from eventlet.green import socket
from hypothesis import given
from hypothesis import strategies as st

from rt_service import runtime
from rt_service.gateways.engineio.body import BrokenBody
from rt_service.gateways.engineio.protocol import Deadlines, HttpProtocol
from rt_service.gateways.engineio.request import RefusedRequest, origin_form

PARTS = [
    b"GET / HTTP/1.1\r\n", b"POST /a?b HTTP/1.1\r\n", b"HEAD /x HTTP/1.0\r\n", b"GET http://localhost/ HTTP/1.1\r\n",
    b"Host: localhost\r\n", b"Host: b\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n",
    b"Content-Length:+5\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Expect: 100-continue\r\n", b"X: y\r\n", b" folded\r\n",
    b"X : y\r\n", b"\r\n", b"\n", b"\r", b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"fffffff\r\n",
    b"5;x=y\r\nhello\r\n", b"-1\r\n", b"hello", b"\0", b"\xff", b"x" * 9000,
]  # fmt: skip
WHOLE = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
]
SENT = st.lists(st.sampled_from(PARTS) | st.sampled_from(WHOLE) | st.binary(max_size=5), max_size=12).map(b"".join)
STATUSES = {200, 400, 404, 405, 408, 413, 414, 431, 501, 505}


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Says what it was sent."""
    try:
        said = environ["wsgi.input"].read()
    except BrokenBody:
        start_response("400 Bad Request", [("Content-Length", "0")])
        return [b""]
    said = b"%s %s %r" % (environ["REQUEST_METHOD"].encode(), environ["RAW_PATH_INFO"].encode("latin-1"), said)
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said]


@pytest.fixture(scope="module")
def server() -> runtime.HttpServer:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    protocol = partial(HttpProtocol, deadlines=Deadlines(30.0, 30.0, 30.0))
    return runtime.HttpServer(listener, application, protocol, 30.0)


def answered(server: runtime.HttpServer, data: bytes, cut: int) -> bytes:
    """All that is said to who sends this, so many bytes at a time, and then no more."""
    ours, theirs = socket.socketpair()
    serving = eventlet.spawn(serve, server, ours)
    try:
        for at in range(0, len(data), cut):
            theirs.sendall(data[at : at + cut])
            eventlet.sleep(0)
        theirs.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it has heard enough
    said = b""
    with eventlet.Timeout(60):
        while part := received(theirs):
            said += part
        serving.wait()
    theirs.close()
    return re.sub(rb"Date: [^\r]*\r\n", b"", said)


def serve(server: runtime.HttpServer, sock: Any) -> None:
    try:
        server.serve(sock, ("127.0.0.1", 1), [])
    finally:
        sock.close()


def received(sock: Any) -> bytes:
    try:
        return bytes(sock.recv(65_536))
    except ConnectionResetError:
        return b""


@given(data=SENT)
def test_whatever_is_sent_it_is_answered_or_refused(server: runtime.HttpServer, data: bytes) -> None:
    said = answered(server, data, 1 << 20)
    assert {int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", said)} <= STATUSES | {100}


@given(data=SENT, cut=st.integers(1, 40))
def test_a_request_is_read_in_one_way_however_it_is_cut(server: runtime.HttpServer, data: bytes, cut: int) -> None:
    assert answered(server, data, cut) == answered(server, data, 1 << 20)


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=300)), max_size=5), st.integers(1, 100))
def test_bodies_come_out_as_they_went_in(
    server: runtime.HttpServer, bodies: list[tuple[bool, bytes]], cut: int
) -> None:
    data = [chunked(body) if in_chunks else with_length(body) for in_chunks, body in bodies]
    said = answered(server, b"\r\n".join(data), cut)  # a line too many between them does no harm
    assert re.findall(rb"POST / (b[^\r]*?)(?=HTTP/1|$)", said) == [repr(body).encode() for _, body in bodies]


@given(st.booleans(), st.binary(min_size=1, max_size=100), st.data())
def test_half_a_body_is_none(server: runtime.HttpServer, in_chunks: bool, body: bytes, data: st.DataObject) -> None:
    whole = chunked(body) if in_chunks else with_length(body)
    sent = whole[: data.draw(st.integers(1, len(whole) - 1))]
    assert b" 200 " not in answered(server, sent, 1 << 20)


def with_length(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def chunked(body: bytes) -> bytes:
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for part in (body[at : at + 19] for at in range(0, len(body), 19))
    )
    return b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


@given(st.text(max_size=50), st.none() | st.text(max_size=20))
def test_what_is_asked_for_is_a_path_or_refused(target: str, host: str | None) -> None:
    with contextlib.suppress(RefusedRequest):
        assert origin_form("GET", target, host).startswith("/")


@pytest.fixture(autouse=True)
def nothing_failed(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]

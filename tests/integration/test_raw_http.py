"""Requests that no good client sends: each is answered in the contract's shape, or its connection ends."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPException

import pytest

from tests.support.raw_http import RawHttp, said
from tests.support.service import Service
from tests.support.waiting import eventually

PUBLISH = "/api/v1/rooms/chat/raw/publications"
JSON = "Content-Type: application/json"
ONE = b'{"event":"say","data":1}'


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


@pytest.fixture(scope="module")
def impatient() -> Iterator[Service]:
    running = Service(program="tests/support/impatient_service.py")
    running.start()
    yield running
    assert running.stop() == 0


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"rubbish\r\n\r\n", 400, "bad_request"),
        (b"GET\r\n\r\n", 400, "bad_request"),
        (b"GET /livez\r\n\r\n", 400, "bad_request"),
        (b"GET /livez HTTP/1.1 again\r\n\r\n", 400, "bad_request"),
        (b"GET  /livez HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET /livez XTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET /livez HTTP/one\r\n\r\n", 400, "bad_request"),
        (b"G\x00T /livez HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"GET /li\x00vez HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "bad_request"),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414, "too_large"),
        (b"A" * 100_000, 414, "too_large"),
        (said("GET", "/livez", "X: " + "a" * 9000), 431, "too_large"),
        (said("GET", "/livez", *[f"X-{n}: " + "a" * 8000 for n in range(9)]), 431, "too_large"),
        (said("GET", "/livez", *[f"X-{n}: 1" for n in range(150)]), 431, "too_large"),
        (said("GET", "/livez", "no colon"), 400, "bad_request"),
        (said("GET", "/livez", "Space : 1"), 400, "bad_request"),
        (said("GET", "/livez", "X: 1", " folded"), 400, "bad_request"),
        (said("GET", "/livez", "X: a\rb"), 400, "bad_request"),
        (said("GET", "/livez", "X: a\x00b"), 400, "bad_request"),
        (said("GET", "/livez", "Host: another"), 400, "bad_request"),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (said("POST", PUBLISH, JSON, "Content-Length: -1"), 400, "bad_request"),
        (said("POST", PUBLISH, JSON, "Content-Length: +24", body=ONE), 400, "bad_request"),
        (said("POST", PUBLISH, JSON, "Content-Length: 2_4", body=ONE), 400, "bad_request"),
        (said("POST", PUBLISH, JSON, "Content-Length: 24, 24", body=ONE), 400, "bad_request"),
        (said("POST", PUBLISH, JSON, "Content-Length:", body=ONE), 400, "bad_request"),
        (said("POST", PUBLISH, JSON, "Content-Length: 24", "Content-Length: 24", body=ONE), 400, "bad_request"),
        (said("POST", PUBLISH, JSON, "Content-Length: " + "9" * 5000, body=ONE), 413, "too_large"),
        (said("POST", PUBLISH, JSON, "Content-Length: 24", "Transfer-Encoding: chunked"), 400, "bad_request"),
        (said("POST", PUBLISH, JSON, "Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 400, "bad_request"),
        (said("POST", PUBLISH, JSON, "Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 400, "bad_request"),
        (said("POST", PUBLISH, JSON, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400, "bad_request"),
        (said("POST", PUBLISH, JSON, "Transfer-Encoding: chunked", version="HTTP/1.0"), 400, "bad_request"),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else None,
)
def test_what_is_no_request_is_refused_and_the_connection_ends(
    service: Service, sent: bytes, status: int, code: str
) -> None:
    with RawHttp(service) as client:
        reply = client.send(sent).reply()
        assert (reply.status, reply.code, reply.headers["connection"]) == (status, code, "close")
        assert client.ended()


def test_a_connection_goes_on_after_a_request_that_was_refused_by_what_it_says(service: Service) -> None:
    with RawHttp(service) as client:
        for n in range(3):
            assert client.send(said("POST", PUBLISH, JSON, "Content-Length: 3", body=b"no!")).reply().status == 400
            assert client.send(said("GET", f"/nowhere-{n}")).reply().code == "not_found"
            assert client.send(said("GET", "/livez")).reply().body == b'{"ok":true}'


def test_a_body_that_nobody_wants_is_not_taken_for_the_next_request(service: Service) -> None:
    smuggled = said("DELETE", "/livez")
    with RawHttp(service) as client:
        client.send(said("POST", "/nowhere", JSON, f"Content-Length: {len(smuggled)}", body=smuggled))
        assert client.reply().status == 404
        assert client.send(said("GET", "/livez")).reply().status == 200


def test_a_request_without_a_body_where_one_is_due_is_told_so(service: Service) -> None:
    with RawHttp(service) as client:
        reply = client.send(said("POST", PUBLISH, JSON)).reply()
        assert (reply.status, reply.code) == (400, "invalid_data")


def test_a_body_that_is_too_large_is_refused_to_clients_that_write_all_of_it_first(service: Service) -> None:
    for closing in ((), ("Connection: close",)):
        with RawHttp(service) as client:
            client.send(said("POST", PUBLISH, JSON, "Content-Length: 5000000", *closing) + b"x" * 5_000_000)
            reply = client.reply()
            assert (reply.status, reply.code) == (413, "too_large")


def test_a_body_may_come_in_chunks(service: Service) -> None:
    with RawHttp(service) as client:
        chunks = b'A;name=value\r\n{"event":"\r\n00e\r\nsay","data":1}\r\n0\r\nX-Trailer: 1\r\n\r\n'
        for n in range(1, 3):
            client.send(said("POST", PUBLISH + "?user=chunks", JSON, "Transfer-Encoding: Chunked", body=chunks))
            assert client.reply().status == 201, n


def test_a_body_in_chunks_is_asked_for_when_the_client_waits_to_be(service: Service) -> None:
    with RawHttp(service) as client:
        client.send(said("POST", PUBLISH, JSON, "Transfer-Encoding: chunked", "Expect: 100-continue"))
        assert client.socket.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"18\r\n" + ONE + b"\r\n0\r\n\r\n")
        assert client.reply().status == 201


def test_a_body_in_chunks_is_bounded(service: Service) -> None:
    with RawHttp(service) as client:
        client.send(said("POST", PUBLISH, JSON, "Transfer-Encoding: chunked"))
        client.send((b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 17)
        reply = client.reply()
        assert (reply.status, reply.code) == (413, "too_large")
        assert client.send(b"0\r\n\r\n" + said("GET", "/livez")).reply().status == 200


@pytest.mark.parametrize(
    "chunks",
    [
        b"no size\r\n", b"-1\r\n", b"0x18\r\n", b"+18\r\n", b"1_8\r\n", b" 18\r\n", b"18\n" + ONE,
        b"ffffffffffffffff\r\n", b"18" + b";" * 300, b"18\r\n" + ONE + b"more\r\n0\r\n\r\n",
        b"18\r\n" + ONE + b"\r\n0\r\nno trailer\r\n\r\n", b"18\r\n" + ONE + b"\r\n0\r\n" + b"X: y\r\n" * 2000,
    ],
)  # fmt: skip
def test_chunks_that_break_the_rules_are_refused_and_the_connection_ends(service: Service, chunks: bytes) -> None:
    with RawHttp(service) as client:
        reply = client.send(said("POST", PUBLISH, JSON, "Transfer-Encoding: chunked", body=chunks)).reply()
        assert (reply.status, reply.code) == (400, "bad_request")
        assert client.ended()


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("path", ["/livez", "/", "/nowhere", "/ws", "/mqtt", "/socket.io/?EIO=4", "/openapi.json"])
def test_head_is_answered_as_get_is_but_for_the_body(service: Service, method: str, path: str) -> None:
    with RawHttp(service) as client:
        reply = client.send(said(method, path)).reply(method)
        assert bool(reply.body) == (method == "GET")
        assert client.send(said("GET", "/livez")).reply().body == b'{"ok":true}'


@pytest.mark.parametrize("method", ["BREW", "CONNECT", "TRACE", "PUT"])
def test_a_method_that_a_path_does_not_have_is_told_those_it_has(service: Service, method: str) -> None:
    with RawHttp(service) as client:
        reply = client.send(said(method, PUBLISH)).reply()
        assert (reply.status, reply.code) == (405, "bad_request")
        assert set(reply.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}


def test_options_says_which_methods_there_are(service: Service) -> None:
    with RawHttp(service) as client:
        reply = client.send(said("OPTIONS", PUBLISH)).reply()
        assert reply.status == 200 and set(reply.headers["allow"].split(", ")) == {"GET", "HEAD", "POST", "OPTIONS"}


# -- too slow


def greeted(service: Service) -> RawHttp | None:
    """A connection that was answered once: until it begins to say something it may be quiet, as this machine may be.
    None where that was too slow already."""
    client = RawHttp(service)
    try:
        if client.send(said("GET", "/livez")).reply().status == 200:
            return client
    except (OSError, HTTPException):
        pass
    client.socket.close()
    return None


def test_headers_that_come_too_slowly_are_not_waited_for(impatient: Service) -> None:
    with eventually(lambda: greeted(impatient)) as client:
        client.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n")
        reply = client.reply()
        assert (reply.status, reply.code) == (408, "timeout")
        assert client.ended()


@pytest.mark.parametrize("framing", ["Content-Length: 24", "Transfer-Encoding: chunked"])
def test_a_body_that_comes_too_slowly_is_not_waited_for(impatient: Service, framing: str) -> None:
    with eventually(lambda: greeted(impatient)) as client:
        client.send(said("POST", PUBLISH, JSON, framing, body=b"1"))
        reply = client.reply()
        assert (reply.status, reply.code) == (504, "timeout")
        assert client.ended()


def test_a_body_that_nobody_wants_is_not_waited_for(impatient: Service) -> None:
    with eventually(lambda: greeted(impatient)) as client:
        client.send(said("POST", "/nowhere", "Content-Length: 1000000", body=b"1"))
        assert client.reply().status == 404
        assert client.ended()


def test_a_client_that_does_not_take_its_answers_is_not_waited_for() -> None:
    program = "tests/support/impatient_service.py"
    with Service("--set", "server.max_connections=1", program=program) as running:
        with eventually(lambda: greeted(running)) as client:
            client.send(said("GET", "/web/docs.js") * 20)
            eventually(lambda: serves(running))  # the one connection that may be is free again
            taken = len(left(client))
        assert taken < 20 * len(running.get("/web/docs.js")[1])


def left(client: RawHttp) -> bytes:
    """What the system still has for it, of a connection that the service closed."""
    found = b""
    try:
        while data := client.socket.recv(65_536):
            found += data
    except ConnectionResetError:
        pass
    return found


def serves(service: Service) -> bool:
    """False where a connection more is told to come back, or closed before it can be."""
    try:
        return service.get("/livez")[0] == 200
    except OSError:
        return False


# -- faults of ours


def test_an_applications_own_routes_are_found_without_their_slash(impatient: Service) -> None:
    with eventually(lambda: greeted(impatient)) as client:
        reply = client.send(said("GET", "/folder")).reply()
        assert reply.status == 308 and reply.headers["location"].endswith("/folder/")
        assert client.send(said("GET", "/folder/")).reply().body == b"inside"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/fails", "/fails-outside"])
def test_a_fault_of_ours_is_answered_with_a_reference_that_stands_in_the_log(
    impatient: Service, path: str, method: str
) -> None:
    with eventually(lambda: greeted(impatient)) as client:
        reply = client.send(said(method, path)).reply(method)
        assert reply.status == 500
        assert client.send(said("GET", "/livez")).reply().status == 200
    if method == "HEAD":
        assert reply.body == b""
        return
    assert reply.code == "internal" and b"secret" not in reply.body
    reference = reply.body.rpartition(b"reference is ")[2].partition(b'"')[0].decode()
    assert len(reference) == 8
    eventually(lambda: reference in impatient.log)
    assert "/secret/path" in impatient.log.partition(reference)[2] + impatient.log

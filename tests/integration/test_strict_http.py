"""What two readers could understand in two ways: how a request is smuggled past a proxy, or into another's answer."""

from __future__ import annotations

import re

import pytest

from tests.integration.test_raw_http import JSON, ONE, PUBLISH
from tests.support.raw_http import RawHttp, said
from tests.support.service import Service

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", KEY)
SMUGGLED = said("POST", f"{PUBLISH}?user=smuggler", JSON, f"Content-Length: {len(ONE)}", body=ONE)


def published_by_smugglers(service: Service) -> int:
    return len([p for p in service.get(PUBLISH)[1]["publications"] if p["from"]["id"] == "smuggler"])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /livez HTTP/1.1\nHost: localhost\n\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\nX: 1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\n", 400),
        (b"GET /livez HTTP/1.1\rHost: localhost\r\r", 400),
        (b"GET /livez HTTP/1.2\r\nHost: localhost\r\n\r\n", 505),
        (b"GET /livez HTTP/0.9\r\nHost: localhost\r\n\r\n", 505),
        (b"GET /livez HTTP/1.1x\r\nHost: localhost\r\n\r\n", 400),
        (b"GET\t/livez\tHTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /a\xa0b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"\r\n\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b" GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (said("GET", "livez"), 400),
        (said("GET", "ftp://localhost/livez"), 400),
        (said("GET", "http://evil.example/livez"), 400),
        (said("GET", "http://localhost@evil.example/livez"), 400),
        (said("GET", "*"), 400),
        (said("CONNECT", "localhost:5000"), 400),
        (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n : 1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\n Host: localhost\r\n\r\n", 400),
        (said("GET", "/livez", ": 1"), 400),
        (said("GET", "/livez", "X\x00: 1"), 400),
        (said("GET", "/livez", "Transfer-Encoding : chunked"), 400),
        (said("POST", PUBLISH, JSON, "Transfer-Encoding:\x0bchunked"), 400),
        (said("POST", PUBLISH, JSON, "Transfer-Encoding: chunked, identity"), 400),
        (said("POST", PUBLISH, JSON, "Transfer-Encoding: identity"), 400),
        (said("POST", PUBLISH, JSON, "Transfer-Encoding: chunked", "Transfer-Encoding: identity"), 400),
        (said("POST", PUBLISH, JSON, "Content-Length: 24", "Content-Length: 25"), 400),
        (said("POST", PUBLISH, JSON, "Content-Length: 0x18"), 400),
        (said("POST", PUBLISH, JSON, "Content-Length: 1_0"), 400),
        (said("POST", PUBLISH, JSON, "Content-Length: 2 4"), 400),
        (said("POST", PUBLISH, JSON, "Content-Length: \xb2\xb4"), 400),
    ],
    ids=lambda value: repr(value[:50]) if isinstance(value, bytes) else None,
)
def test_what_could_be_read_in_two_ways_is_refused_and_what_follows_is_not_read(
    service: Service, sent: bytes, status: int
) -> None:
    before = published_by_smugglers(service)
    with RawHttp(service) as client:
        reply = client.send(sent + SMUGGLED).reply()
        assert (reply.status, reply.code, reply.headers["connection"]) == (status, "bad_request", "close")
        assert client.ended()
    assert published_by_smugglers(service) == before


@pytest.mark.parametrize("header", ["X: a\x85Transfer-Encoding: chunked", "X: a\u2028b".encode().decode("latin-1")])
def test_a_header_does_not_become_two(service: Service, header: str) -> None:
    """Python takes more characters for the end of a line than HTTP does."""
    with RawHttp(service) as client:
        client.send(said("POST", PUBLISH, JSON, header, f"Content-Length: {len(ONE)}", body=ONE))
        assert client.reply().status == 201
        assert client.send(said("GET", "/livez")).reply().status == 200


def test_names_with_underscores_are_not_taken_for_others(service: Service) -> None:
    """In an environment Content_Length is called as Content-Length is."""
    headers = ("Content_Length: 3", "Transfer_Encoding: chunked", "Content-Type_: x")
    with RawHttp(service) as client:
        client.send(said("POST", PUBLISH, JSON, *headers, f"Content-Length: {len(ONE)}", body=ONE))
        assert client.reply().status == 201
        assert client.send(said("GET", "/livez")).reply().status == 200


@pytest.mark.parametrize("path", ["/ws", "/echo", "/mqtt", "/socket.io/?EIO=4&transport=websocket"])
@pytest.mark.parametrize(
    ("method", "more", "version"),
    [
        ("GET", ("Content-Length: 24",), "HTTP/1.1"),
        ("GET", ("Transfer-Encoding: chunked",), "HTTP/1.1"),
        ("POST", (), "HTTP/1.1"),
        ("GET", (), "HTTP/1.0"),
    ],
)
def test_an_upgrade_is_a_get_of_http_1_1_without_a_body(
    service: Service, path: str, method: str, more: tuple[str, ...], version: str
) -> None:
    """A body would be taken for frames by one, and for a body by another."""
    subprotocol = "Sec-WebSocket-Protocol: mqtt"
    with RawHttp(service) as client:
        client.send(said(method, path, *UPGRADE, subprotocol, *more, body=b"0\r\n\r\n" + ONE, version=version))
        assert client.reply().status == 400


def test_websockets_of_before_the_standard_are_not_spoken(service: Service) -> None:
    hixie = ("Upgrade: WebSocket", "Connection: Upgrade", "Origin: http://localhost", "Sec-WebSocket-Protocol: mqtt",
             "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5", "Sec-WebSocket-Key2: 12998 5 Y3 1  .P00")  # fmt: skip
    for path in ("/ws", "/echo", "/mqtt", "/socket.io/?EIO=4&transport=websocket"):
        with RawHttp(service) as client:
            assert client.send(said("GET", path, *hixie, body=b"^n:ds[4U")).reply().status == 400


def test_an_absolute_address_is_read_as_the_path_it_names(service: Service) -> None:
    with RawHttp(service) as client:
        for target in ("http://localhost/livez", "HTTP://LOCALHOST/livez?x=1", "https://localhost/livez"):
            assert client.send(said("GET", target)).reply().body == b'{"ok":true}'
        assert client.send(said("GET", "http://localhost")).reply().status == 200
        assert client.send(said("OPTIONS", "*")).reply().status == 404


def test_one_empty_line_before_a_request_is_passed_over(service: Service) -> None:
    with RawHttp(service) as client:
        for _ in range(3):
            assert client.send(b"\r\n" + said("GET", "/livez")).reply().status == 200


@pytest.mark.parametrize("options", ["close", "Close", "foo, close", "close,foo", "TE, close"])
def test_who_says_that_it_is_the_last_request_gets_no_answer_to_another(service: Service, options: str) -> None:
    before = published_by_smugglers(service)
    with RawHttp(service) as client:
        reply = client.send(said("GET", "/livez", f"Connection: {options}") + SMUGGLED).reply()
        assert reply.status == 200 and reply.headers["connection"] == "close" and client.ended()
    assert published_by_smugglers(service) == before


def test_a_body_that_was_not_asked_for_is_not_read_as_a_request(service: Service) -> None:
    """Whoever says Expect: 100-continue and is refused may send the body or not: what follows could be either."""
    before = published_by_smugglers(service)
    with RawHttp(service) as client:
        expecting = ("Expect: 100-continue", f"Content-Length: {len(SMUGGLED)}")
        reply = client.send(said("POST", "/nowhere", JSON, *expecting) + SMUGGLED).reply()
        assert reply.status == 404 and client.ended()
    assert published_by_smugglers(service) == before


@pytest.mark.parametrize("path", ["/nowhere", PUBLISH, "/api/v1/send"])
def test_a_body_of_chunks_that_is_left_broken_ends_the_connection(service: Service, path: str) -> None:
    before = published_by_smugglers(service)
    with RawHttp(service) as client:
        client.send(said("POST", path, "Transfer-Encoding: chunked", body=b"5\r\nabcdefgh\r\n0\r\n\r\n") + SMUGGLED)
        assert client.reply().status in (400, 404) and client.ended()
    assert published_by_smugglers(service) == before


def test_answers_come_in_the_order_of_the_requests(service: Service) -> None:
    with RawHttp(service) as client:
        paths = ["/livez", "/nowhere-1", "/api/v1/rooms/chat", "/nowhere-2"] * 20
        client.send(b"".join(said("GET", path) for path in paths) + said("GET", "/", "Connection: close"))
        answers = b""
        while data := client.socket.recv(65_536):
            answers += data
    found = re.findall(rb'{"ok":true}|/nowhere-.|{"rooms":', answers)
    assert found == [b'{"ok":true}', b"/nowhere-1", b'{"rooms":', b"/nowhere-2"] * 20


def test_what_is_refused_is_counted(service: Service) -> None:
    for code, sent in (("bad_request", b"rubbish\r\n\r\n"), ("too_large", b"A" * 10_000)):
        before = service.metric("rt_refused_total", code=code)
        with RawHttp(service) as client:
            assert client.send(sent).reply().code == code
        assert service.metric("rt_refused_total", code=code) == before + 1

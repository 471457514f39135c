"""Pages of others, and paths that lead out: what a browser could be made to do for somebody."""

from __future__ import annotations

import json

import pytest

from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support.raw_http import RawHttp, said
from tests.support.raw_ws import Http, RawWebSocket

JSON = "Content-Type: application/json"
FOREIGN = [
    "https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "file://",
    "http://evil.example:5000", "http://127.0.0.1@evil.example", "http://[::1", "https://localhost%00.evil.example",
    "chrome-extension://localhost", "http://evil.example#localhost", "http://2130706433",
]  # fmt: skip
ORIGIN = 'rt_refused_total{code="origin"}'
TRAVERSALS = [
    "/web/../service.py", "/web/..%2fservice.py", "/web/%2e%2e/service.py", "/web/..%5cservice.py", "/%2e%2e/",
    "/web//etc/passwd", "/web/%2fetc%2fpasswd", "/web/....//service.py", "/web/%252e%252e/service.py", "/web/con",
    "/web/..%00/service.py", "/web/index.html%00.js", "/web/../../../../../../../../etc/passwd", "/web/.", "/web/..",
    "/web/", "/web/%c0%ae%c0%ae/x", "/web/file:///etc/passwd", "/../run.py", "//etc/passwd", "/web/C:%5cwindows",
    "/web/" + "a/" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("path", [ways.SOCKETIO, "/ws", "/echo", "/mqtt"])
def test_a_foreign_page_that_opens_websockets(siege: Siege, path: str) -> None:
    with siege.attack(ORIGIN) as service:
        for origin in FOREIGN:
            with RawWebSocket(service.http, path, {**ways.MQTT, "Origin": origin}) as ws:
                assert ws.status in (400, 403), origin


@pytest.mark.parametrize(
    "path",
    [ways.POLLING, "/api/v1/rooms/chat/x/publications", "/api/v1/rooms/chat/x/stream", "/metrics", "/api/v1/devices"],
)
def test_a_foreign_page_that_reads(siege: Siege, path: str) -> None:
    with siege.attack(ORIGIN) as service, RawHttp(service) as client:
        for origin in FOREIGN:
            reply = client.send(said("GET", path, f"Origin: {origin}")).reply()
            assert reply.status in (400, 403), origin
            assert "access-control-allow-origin" not in reply.headers


def test_a_foreign_page_that_posts_into_a_polling_connection(siege: Siege) -> None:
    with siege.attack(ORIGIN) as service:
        client, path = ways.polling(service)
        foreign = Http(service.http)
        assert foreign.ask("POST", path, b"41/chat,", {"Origin": "https://evil.example"})[0] == 400
        assert client.ask("POST", path, ways.event("ping").encode())[0] == 200
        assert '"ok":true' in client.ask("GET", path)[1]
        client.close()
        foreign.close()


@pytest.mark.parametrize(
    "type_", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "text/json"]
)
def test_a_foreign_form_that_posts_what_looks_like_json(siege: Siege, type_: str) -> None:
    body = json.dumps({"event": "e", "data": 1, "ns": "chat", "to": "user:honest", "method": "m"}).encode()
    more = [f"Content-Type: {type_}"] * bool(type_)
    with siege.attack('rt_refused_total{code="bad_request"}') as service, RawHttp(service) as client:
        for path in ("/api/v1/rooms/chat/form/publications", "/api/v1/send", "/api/v1/calls", "/api/v1/revocations"):
            reply = client.send(said("POST", path, *more, f"Content-Length: {len(body)}", body=body)).reply()
            assert reply.status == 400, path
        page = client.send(said("GET", "/api/v1/rooms/chat/form/publications")).reply()
        assert json.loads(page.body)["publications"] == []


def test_a_preflight_of_a_foreign_page(siege: Siege) -> None:
    asked = ("Origin: https://evil.example", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: *")
    with siege.attack(ORIGIN) as service, RawHttp(service) as client:
        for path in ("/api/v1/send", "/api/v1/rooms/chat/x/publications", "/nowhere"):
            reply = client.send(said("OPTIONS", path, *asked)).reply()
            assert reply.status == 403 and not any(name.startswith("access-control") for name in reply.headers)


def test_a_client_that_climbs_out_of_the_pages(siege: Siege) -> None:
    with siege.attack('rt_refused_total{code="not_found"}') as service:
        for path in TRAVERSALS:
            with RawHttp(service) as client:
                reply = client.send(said("GET", path)).reply()
                assert 400 <= reply.status < 500, path
                assert b"root:" not in reply.body and b"import" not in reply.body, path


def test_a_page_cannot_be_made_to_run_what_is_not_ours(siege: Siege) -> None:
    with siege.attack() as service, RawHttp(service) as client:
        for path in ("/", "/docs"):
            reply = client.send(said("GET", path)).reply()
            assert "default-src 'self'" in reply.headers["content-security-policy"]
            assert reply.headers["x-content-type-options"] == "nosniff"
        reply = client.send(said("GET", "/<script>alert(1)</script>")).reply()
        assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PUT", "DELETE", "PROPFIND", "GET\x0b"])
def test_a_client_with_methods_that_nothing_has(siege: Siege, method: str) -> None:
    with siege.attack() as service:
        for path in ("/livez", "/web/docs.js", "/api/v1/send", ways.POLLING, "/ws", "*"):
            with RawHttp(service) as client:
                assert 400 <= client.send(said(method, path)).reply().status < 500, path


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
def test_a_client_that_compresses_its_body_is_not_unpacked(siege: Siege, encoding: str) -> None:
    import gzip

    body = gzip.compress(b" " * 10_000_000 + b"{}")
    more = (JSON, f"Content-Encoding: {encoding}", f"Content-Length: {len(body)}")
    with siege.attack('rt_refused_total{code="invalid_data"}') as service, RawHttp(service) as client:
        reply = client.send(said("POST", "/api/v1/rooms/chat/x/publications", *more, body=body)).reply()
        assert reply.status == 400

"""Pages, health, metrics and errors over plain HTTP."""

from __future__ import annotations

import http.client
import json
import signal
import socket

import pytest

from rt_service.gateways.openapi import document
from tests.support.raw_http import RawHttp, said
from tests.support.raw_ws import RawWebSocket
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually


def request(
    service: Service, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.request(method, path, headers=headers or {})
    reply = connection.getresponse()
    found = (reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
    connection.close()
    return found


def test_the_page_and_what_it_needs_are_served(service: Service) -> None:
    status, headers, body = request(service, "GET", "/")
    assert status == 200 and b"<title>rt-service" in body and "default-src 'self'" in headers["content-security-policy"]
    for page in ("chat", "game", "greenhouse"):
        status, headers, body = request(service, "GET", f"/web/{page}.html")
        assert status == 200 and b'from "@rt-service/client"' in body and b"<!-- " not in body
        assert "default-src 'self'" in headers["content-security-policy"]
        assert [request(service, "GET", f"/web/{page}.{kind}")[0] for kind in ("js", "css")] == [200, 200]
    for path in ("/web/start.css", "/web/icon.svg", "/web/rooms.mjs", "/web/rt-client.js", "/web/rt-client.mjs"):
        assert request(service, "GET", path)[0] == 200


def test_the_licenses_of_what_is_inside_the_pages_are_served_along(service: Service) -> None:
    status, _, body = request(service, "GET", "/web/licenses.txt")
    assert status == 200 and body.count(b"Permission is hereby granted") >= 2 and b"Apache License" in body
    for name in (b"\nsocket.io-client\n", b"\nengine.io-client\n", b"\nuplot\n", b"\nswagger-ui-dist\n"):
        assert name in body


@pytest.mark.parametrize("path", ["/", "/docs", "/console", "/web/chat.js", "/openapi.json"])
def test_a_browser_that_has_it_already_is_not_sent_it_again(service: Service, path: str) -> None:
    _, headers, body = request(service, "GET", path)
    assert headers["cache-control"] == "no-cache" and body
    status, again, nothing = request(service, "GET", path, {"If-None-Match": headers["etag"]})
    assert (status, again["etag"], nothing) == (304, headers["etag"], b"")
    assert request(service, "GET", path, {"If-None-Match": '"another"'})[0] == 200


def test_the_api_is_described_for_the_namespaces_that_there_are(service: Service) -> None:
    assert service.get("/openapi.json")[1] == document(["/chat", "/game", "/iot"])


def test_a_part_of_a_file_that_is_not_there_is_refused_in_the_contracts_shape(service: Service) -> None:
    status, headers, body = request(service, "GET", "/web/chat.js", {"Range": "bytes=99999999-"})
    assert (status, json.loads(body)["error"]["code"]) == (416, "bad_request")
    assert headers["content-range"].startswith("bytes */")


@pytest.mark.parametrize(
    "path", ["/web/../service.py", "/web/%2e%2e/service.py", "/web/..%2fservice.py", "/web//etc/passwd"]
)
def test_nothing_else_is_served(service: Service, path: str) -> None:
    assert request(service, "GET", path)[0] == 404


def test_a_living_service_says_so(service: Service) -> None:
    assert service.get("/livez") == (200, {"ok": True})
    well = {"ok": True, "checks": {"engine": "ok", "loop": "ok", "stopping": "ok"}}
    eventually(lambda: service.get("/readyz") == (200, well))  # not while its loop stood still a moment ago


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nowhere", 404, "not_found"), ("DELETE", "/livez", 405, "bad_request")],
)
def test_errors_are_json_in_the_contracts_shape(
    service: Service, method: str, path: str, status: int, code: str
) -> None:
    got, headers, body = request(service, method, path)
    assert got == status and headers["content-type"] == "application/json" and json.loads(body)["error"]["code"] == code


def test_what_happens_is_counted(service: Service) -> None:
    with SocketIoClient(service.http) as client:
        before = service.metric("rt_publications_total", namespace="/chat")
        client.ok("join", room="counted")
        client.ok("publish", room="counted", event="say", data=1)
        client.refused("publish", room="counted", event="", data=1)
        assert service.metric("rt_sessions", transport="socketio") >= 1
        assert service.metric("rt_publications_total", namespace="/chat") == before + 1
        assert service.metric("rt_refused_total", code="invalid_event") >= 1
        assert service.metric("rt_verb_seconds_count", verb="publish") >= 2
        eventually(lambda: service.metric("rt_loop_lag_seconds_count") > 0)


def test_more_connections_than_may_be_are_told_to_come_back() -> None:
    with Service("--set", "server.max_connections=2") as service:
        held = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(2)]
        status, headers, body = request(service, "GET", "/livez")
        assert (status, headers["retry-after"], json.loads(body)["error"]["code"]) == (503, "5", "unavailable")
        for sock in held:
            sock.close()


@pytest.mark.parametrize("path", ["/socket.io/?EIO=4&transport=websocket", "/ws", "/echo"])
def test_websockets_count_as_connections_as_long_as_they_are_open(path: str) -> None:
    with Service("--set", "server.max_connections=3") as service:
        held = [RawWebSocket(service.http, path) for _ in range(3)]
        assert [ws.status for ws in held] == [101, 101, 101]
        assert RawWebSocket(service.http, path).status == 503
        held.pop().close()
        eventually(lambda: service.get("/livez")[0] == 200)


def test_what_is_asked_over_an_open_connection_is_answered_while_the_service_stops() -> None:
    """Its first write to the disk, on a thread that is started then."""
    with Service() as service, RawHttp(service) as client:
        client.send(said("GET", "/livez")).reply()
        many = [RawWebSocket(service.http, "/ws").send('{"op":"ping","ns":"/chat","ref":1}') for _ in range(300)]
        assert all('"ok":true' in one.text() for one in many)  # it takes its time to send so many away
        assert service.process is not None
        service.process.send_signal(signal.SIGTERM)
        eventually(lambda: not accepts(service))
        body = b'{"event":"say","data":1}'
        path, kind = "/api/v1/rooms/chat/last/publications", "Content-Type: application/json"
        client.send(said("POST", path, kind, f"Content-Length: {len(body)}", body=body))
        assert client.reply().status == 201


def accepts(service: Service) -> bool:
    try:
        socket.create_connection(("127.0.0.1", service.port), timeout=30).close()
    except ConnectionRefusedError:
        return False
    return True

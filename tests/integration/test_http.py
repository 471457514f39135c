"""Pages, health, metrics and errors over plain HTTP; origins everywhere."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from tests.support.raw_ws import RawWebSocket
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually


def request(
    service: Service, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.request(method, path, headers=headers or {})
    reply = connection.getresponse()
    found = (reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
    connection.close()
    return found


def test_the_page_and_what_it_needs_are_served(service: Service) -> None:
    status, headers, body = request(service, "GET", "/")
    assert status == 200 and b"<title>rt-service" in body and "default-src 'self'" in headers["content-security-policy"]
    for path in ("/web/live.js", "/web/live.css", "/web/icon.svg"):
        assert request(service, "GET", path)[0] == 200


@pytest.mark.parametrize(
    "path", ["/web/../settings.py", "/web/%2e%2e/settings.py", "/web/..%2fsettings.py", "/web//etc/passwd"]
)
def test_nothing_else_is_served(service: Service, path: str) -> None:
    assert request(service, "GET", path)[0] in (308, 404)


def test_a_living_service_says_so(service: Service) -> None:
    assert service.get("/livez") == (200, {"ok": True})
    assert service.get("/readyz") == (200, {"ok": True, "checks": {"engine": "ok", "loop": "ok", "stopping": "ok"}})


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


def handshake(service: Service, origin: str | None, **headers: str) -> int:
    sent = dict(headers) | ({"Origin": origin} if origin else {})
    return request(service, "GET", "/socket.io/?EIO=4&transport=polling", sent)[0]


def mqtt_handshake(service: Service, origin: str | None) -> int:
    upgrade = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "mqtt",
    }  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.request("GET", "/mqtt", headers=upgrade | ({"Origin": origin} if origin else {}))
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("shake", [(handshake, 200, 400), (mqtt_handshake, 101, 403)], ids=["socket.io", "mqtt"])
def test_only_pages_of_this_service_and_of_this_machine_may_connect(service: Service, shake: Any) -> None:
    connect, good, bad = shake
    for origin in (None, service.http, "http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080"):
        assert connect(service, origin) == good, origin
    for origin in (
        "http://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "file://localhost",
    ):
        assert connect(service, origin) == bad, origin


def test_other_origins_may_be_named_in_the_settings() -> None:
    with Service("--set", "server.cors_allowed_origins=https://game.example") as service:
        assert handshake(service, "https://game.example") == 200
        assert handshake(service, "https://other.example") == 400
    with Service("--set", "server.cors_allowed_origins=*") as service:
        assert handshake(service, "https://anybody.example") == 200


def test_more_connections_than_may_be_are_told_to_come_back() -> None:
    with Service("--set", "server.max_connections=2") as service:
        import socket

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

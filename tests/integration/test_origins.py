"""Pages of other origins: which may connect, what they may send, and what they may read."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from tests.integration.test_http import request
from tests.support.raw_ws import RawWebSocket
from tests.support.service import Service

PUBLISH = "/api/v1/rooms/chat/origins/publications"
FOREIGN = "http://evil.example"
ASKED = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "content-type,if-match"}


def handshake(service: Service, origin: str | None, **headers: str) -> int:
    sent = dict(headers) | ({"Origin": origin} if origin else {})
    return request(service, "GET", "/socket.io/?EIO=4&transport=polling", sent)[0]


def mqtt_handshake(service: Service, origin: str | None) -> int:
    upgrade = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "mqtt",
    }  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
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


@pytest.mark.parametrize("path", ["/livez", "/openapi.json", PUBLISH, "/nowhere", "/api/v1/rooms/nowhere"])
def test_a_page_that_may_ask_may_read_the_answer_whatever_it_is(service: Service, path: str) -> None:
    _, headers, _ = request(service, "GET", path, {"Origin": "http://localhost:3000"})
    assert headers["access-control-allow-origin"] == "http://localhost:3000"
    assert headers["access-control-expose-headers"] == "ETag, Retry-After, Stream-Position, Stream-Recovered"
    assert "Origin" in headers["vary"]
    _, headers, _ = request(service, "GET", path)
    assert "access-control-allow-origin" not in headers and "Origin" in headers["vary"]


@pytest.mark.parametrize("path", [PUBLISH, "/api/v1/devices/lamp/twin", "/nowhere"])
def test_a_page_that_may_ask_is_told_what_it_may_send(service: Service, path: str) -> None:
    status, headers, body = request(service, "OPTIONS", path, {"Origin": "http://localhost:3000", **ASKED})
    assert (status, body) == (204, b"") and headers["access-control-allow-origin"] == "http://localhost:3000"
    assert {"GET", "POST", "PATCH"} <= set(headers["access-control-allow-methods"].split(", "))
    assert (
        headers["access-control-allow-headers"] == "Content-Type, Authorization, Last-Event-ID, If-Match, If-None-Match"
    )
    assert int(headers["access-control-max-age"]) > 0


@pytest.mark.parametrize(("method", "more"), [("GET", {}), ("POST", {}), ("OPTIONS", ASKED), ("OPTIONS", {})])
@pytest.mark.parametrize("path", [PUBLISH, "/livez", "/openapi.json", "/nowhere"])
def test_a_page_that_may_not_ask_is_refused_and_counted(
    service: Service, path: str, method: str, more: dict[str, str]
) -> None:
    before = service.metric("rt_refused_total", code="origin")
    for origin in (FOREIGN, "null"):
        status, headers, body = request(service, method, path, {"Origin": origin, **more})
        assert (status, json.loads(body)["error"]["code"]) == (403, "forbidden")
        assert not [name for name in headers if name.startswith("access-control")]
    assert service.metric("rt_refused_total", code="origin") == before + 2


@pytest.mark.parametrize("path", ["/ws", "/echo", "/mqtt", "/socket.io/?EIO=4&transport=websocket"])
def test_websockets_of_pages_that_may_not_connect_are_counted_too(service: Service, path: str) -> None:
    before = service.metric("rt_refused_total", code="origin")
    with RawWebSocket(service.http, path, {"Origin": FOREIGN, "Sec-WebSocket-Protocol": "mqtt"}) as ws:
        assert ws.status in (400, 403)
    assert service.metric("rt_refused_total", code="origin") == before + 1
    assert any(line["origin"] == FOREIGN for line in service.events("origin_refused"))


def test_pages_that_the_settings_name_may_read_and_others_may_not() -> None:
    with Service("--set", "server.cors_allowed_origins=https://game.example") as service:
        _, headers, _ = request(service, "GET", "/livez", {"Origin": "https://game.example"})
        assert headers["access-control-allow-origin"] == "https://game.example"
        assert request(service, "GET", "/livez", {"Origin": "https://other.example"})[0] == 403
    with Service("--set", "server.cors_allowed_origins=*") as service:
        _, headers, _ = request(service, "GET", "/livez", {"Origin": "https://anybody.example"})
        assert headers["access-control-allow-origin"] == "https://anybody.example"

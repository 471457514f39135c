"""At which names the service answers: a page of a stranger that lets its own name point here does not get in."""

from __future__ import annotations

import json

import pytest

from tests.support.raw_http import RawHttp
from tests.support.raw_ws import RawWebSocket
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient

EVIL = {"Host": "evil.example", "Origin": "http://evil.example"}
PUBLISH = "/api/v1/rooms/chat/hosts/publications"


def ask(service: Service, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, str]:
    lines = [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    with RawHttp(service) as client:
        client.send("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + body)
        reply = client.reply(method)
        return reply.status, reply.code if reply.status >= 400 and method != "HEAD" else ""


@pytest.mark.parametrize("path", ["/", "/livez", "/metrics", "/openapi.json", "/nowhere", "/socket.io/?EIO=4", PUBLISH])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_name_that_a_stranger_let_point_here_is_refused_everywhere(service: Service, path: str, method: str) -> None:
    before = service.metric("rt_refused_total", code="host")
    for headers in (EVIL, {"Host": f"evil.example:{service.port}"}):
        assert ask(service, method, path, headers) == (403, "" if method == "HEAD" else "forbidden")
    assert service.metric("rt_refused_total", code="host") == before + 2
    assert any(line.get("host", "").startswith("evil.example") for line in service.events("request_refused"))


def test_such_a_page_publishes_nothing(service: Service) -> None:
    with SocketIoClient(service.http) as member:
        member.ok("join", room="hosts")
        said = b'{"event":"say","data":"from a stranger"}'
        assert ask(service, "POST", PUBLISH, EVIL, said) == (403, "forbidden")
        assert ask(service, "POST", PUBLISH, {"Host": "localhost"}, said.replace(b"stranger", b"friend")) == (201, "")
        assert member.sees("say")["data"] == "from a friend"


@pytest.mark.parametrize("path", ["/ws", "/echo", "/mqtt", "/socket.io/?EIO=4&transport=websocket"])
def test_such_a_page_opens_no_websocket(service: Service, path: str) -> None:
    with RawWebSocket(service.http, path, {**EVIL, "Sec-WebSocket-Protocol": "mqtt"}) as ws:
        assert ws.status == 403
    with RawWebSocket(service.http, path, {"Host": "localhost", "Sec-WebSocket-Protocol": "mqtt"}) as ws:
        assert ws.status == 101


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LocalHost", "192.168.0.7"])
def test_this_machine_is_asked_by_its_own_names(service: Service, name: str) -> None:
    for host in (name, f"{name}:5000", f"{name}:{service.port}"):
        assert ask(service, "GET", "/livez", {"Host": host, "Origin": f"http://{host}"}) == (200, "")


def test_a_client_that_names_no_host_is_no_browser(service: Service) -> None:
    with RawHttp(service) as client:
        assert client.send(b"GET /livez HTTP/1.0\r\n\r\n").reply().status == 200


def test_the_name_in_an_absolute_address_is_the_one_that_counts(service: Service) -> None:
    assert ask(service, "GET", "http://localhost/livez", {"Host": "localhost"}) == (200, "")
    assert ask(service, "GET", "http://evil.example/livez", {"Host": "localhost"}) == (400, "bad_request")
    assert ask(service, "GET", "http://evil.example/livez", {"Host": "evil.example"}) == (403, "forbidden")


def test_names_of_the_settings_are_answered() -> None:
    with Service("--set", "server.hosts=rt.example,other.example") as service:
        for host, status in (
            ("rt.example", 200),
            ("other.example:5000", 200),
            ("localhost", 200),
            ("evil.example", 403),
        ):
            assert ask(service, "GET", "/livez", {"Host": host, "Origin": f"http://{host}"})[0] == status
    with Service("--set", "server.hosts=*") as service:
        assert ask(service, "GET", "/livez", EVIL) == (200, "")


def test_the_service_may_listen_on_ipv6() -> None:
    with Service("--host", "::1", "--grpc-port", "0") as service:
        assert service.http.startswith("http://[::1]:") and service.mqtt.startswith("mqtt://[::1]:")
        assert service.grpc.startswith("[::1]:")
        assert json.dumps(service.get("/livez")[1]) == '{"ok": true}'

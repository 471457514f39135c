"""The same over TLS, for every kind of client, with real ones."""

from __future__ import annotations

import json
import socket
import ssl
import threading

import pytest
import requests

from tests.support.http_client import ACCEPT, HttpClient
from tests.support.mqtt_client import MqttClient
from tests.support.raw_ws import BINARY, RawWebSocket, masked
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually
from tests.support.ws_client import WsClient

ROOM = "/api/v1/rooms/chat/secure"


def connected(service: Service, host: str = "127.0.0.1") -> ssl.SSLSocket:
    sock = socket.create_connection((host, service.port), timeout=30)
    return ssl.create_default_context().wrap_socket(sock, server_hostname=host)


def test_the_addresses_say_so(secure: Service) -> None:
    assert secure.http.startswith("https://127.0.0.1:") and secure.mqtt.startswith("mqtts://127.0.0.1:")
    assert f"pages      {secure.http}/" in secure.log and f"MQTT       {secure.mqtt} (embedded broker)" in secure.log


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_socketio_clients_talk_to_devices(secure: Service, transport: str) -> None:
    with SocketIoClient(secure.http, "/iot", transport=transport) as page, MqttClient(secure.mqtt) as device:
        page.ok("join", room=f"device:{transport}")
        device.publish(f"devices/{transport}/telemetry", {"c": 21.5})
        assert page.sees("telemetry")["data"] == {"c": 21.5}
        device.subscribe("rt/out/iot/#")
        page.ok("publish", room=f"device:{transport}", event="say", data={"text": "x" * 50_000})
        assert len(device.sees(f"rt/out/iot/device:{transport}/say").payload) > 50_000


def test_a_client_changes_from_polling_to_a_websocket(secure: Service) -> None:
    client = SocketIoClient(secure.http, transport="polling")
    client.client.disconnect()
    client.client.connect(secure.http, namespaces=["/chat"], transports=["polling", "websocket"])
    with client:
        eventually(lambda: client.client.transport() == "websocket")
        client.ok("join", room="upgraded")
        client.ok("publish", room="upgraded", event="say", data=1)
        client.sees("say", 1)


def test_plain_websockets_speak_and_echo(secure: Service) -> None:
    with WsClient(secure.http, user="alice") as alice:
        alice.ok("join", room="secure-ws")
        alice.ok("publish", room="secure-ws", event="say", data="hi")
        assert eventually(lambda: alice.publications)[0]["data"] == "hi"
    with RawWebSocket(secure.http, "/echo") as ws:
        for size in (0, 1, 16_384, 16_385, 65_536, 300_000, 1_000_000):  # of TLS records, of reads, and larger
            ws.send(masked(BINARY, bytes(size)))
            assert ws.frame() == (BINARY, bytes(size))


def test_what_comes_in_one_piece_with_the_handshake_is_read(secure: Service) -> None:
    frames = b"".join(masked(BINARY, bytes([n]) * 5000) for n in range(4))
    with connected(secure) as sock:
        head = (
            f"GET /echo HTTP/1.1\r\nHost: localhost:{secure.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        sock.sendall(head.encode() + frames)  # larger than any buffer of headers, and than one TLS record
        received = b""
        while len(received.partition(b"\r\n\r\n")[2]) < 4 * 5004:
            data = sock.recv(65_536)
            assert data, received
            received += data
        assert received.endswith(b"\x03" * 5000) and b" 101 " in received


@pytest.mark.parametrize("way", [*ACCEPT, "long polling"])
def test_rooms_are_streamed(secure: Service, way: str) -> None:
    with HttpClient(secure.http, way) as reader, WsClient(secure.http) as writer:
        room = f"tls-{way.split()[0]}"
        reader.ok("join", room=room)
        writer.ok("join", room=room)
        for n in range(50):
            writer.ok("publish", room=room, event="say", data=[n] * 2000)
        eventually(lambda: [p["data"][0] for p in reader.publications] == list(range(50)))


def test_mqtt_over_websocket_is_served(secure: Service) -> None:
    with MqttClient(secure.http, transport="websockets") as page, MqttClient(secure.mqtt, version=4) as device:
        page.subscribe("plain/#")
        device.publish("plain/topic", b"x" * 100_000)
        assert len(page.sees("plain/topic").payload) == 100_000
        page.publish("plain/back", b"y" * 100_000)


def test_many_requests_go_over_one_connection(secure: Service) -> None:
    with requests.Session() as session:
        for n in range(20):
            said = {"event": "say", "data": ["x" * 2000] * n}
            assert session.post(f"{secure.http}{ROOM}/publications", json=said, timeout=30).status_code == 201
        page = session.get(f"{secure.http}{ROOM}/publications", timeout=30).json()
        assert [len(p["data"]) for p in page["publications"]] == list(range(20))
        assert session.get(secure.http, headers={"Origin": secure.http}, timeout=30).status_code == 200


def test_a_page_of_the_same_name_without_tls_is_of_another_origin(secure: Service) -> None:
    for origin, status in (("https://rt.example", 200), ("http://rt.example", 403)):
        assert secure.get("/livez", {"Host": "rt.example", "Origin": origin})[0] == status


def test_the_end_of_a_connection_is_said(secure: Service) -> None:
    """A client whose library wants to know that nothing was cut off is told so."""
    with connected(secure) as sock:
        sock.suppress_ragged_eofs = False
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while sock.recv(65_536):
            pass
    with RawWebSocket(secure.http, "/echo") as ws:
        ws.socket.suppress_ragged_eofs = False  # type: ignore[attr-defined]
        ws.send(masked(8, b"\x03\xe8"))
        assert ws.ended() == 1000


def test_a_slow_reader_gets_every_byte(secure: Service) -> None:
    """Whatever TLS had to hold back arrives, in order, once the client reads on."""
    with RawWebSocket(secure.http, "/echo", buffer=4096) as ws:
        sent = [bytes([n % 256]) * 40_000 for n in range(20)]
        writer = threading.Thread(target=lambda: [ws.send(masked(BINARY, data)) for data in sent])
        writer.start()
        for data in sent:
            assert ws.frame() == (BINARY, data)
        writer.join(10)


def test_a_reader_that_never_reads_is_closed_and_may_recover(secure: Service) -> None:
    with RawWebSocket(secure.http, "/ws", buffer=4096) as deaf, WsClient(secure.http) as writer:
        deaf.send(json.dumps({"op": "join", "ns": "/chat", "ref": 1, "room": "deaf"}))
        writer.ok("join", room="deaf")
        before = secure.metric("rt_sessions_closed_total", reason="slow")
        for _ in range(200):
            writer.ok("publish", room="deaf", event="say", data="x" * 60_000)
            if secure.metric("rt_sessions_closed_total", reason="slow") > before:
                return
        raise AssertionError("it was not closed")

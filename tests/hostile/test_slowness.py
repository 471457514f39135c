"""Handshakes that are half open or wrong, and clients that take their time with every byte."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from rt_service.mqtt import codec
from rt_service.mqtt.packets import Connect, Publish
from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support.raw_http import RawHttp, said
from tests.support.raw_mqtt import RawMqtt
from tests.support.raw_ws import BINARY, TEXT, RawWebSocket, masked

MORE = {"program": "tests/support/impatient_service.py"}  # which does not linger
# Short, and longer than a busy machine lets those stand still who are not slow.
SETTINGS = ("server.headers_s=4", "server.body_s=4", "mqtt.connect_s=4")
JSON = "Content-Type: application/json"
PUBLISH = ways.PUBLICATIONS.format(room="slow")
WEBSOCKETS = [ways.SOCKETIO, "/ws", "/echo", "/mqtt"]


def drip(client: socket.socket, data: bytes, pause_s: float = 0.0) -> None:
    """Byte for byte, until all is sent or nobody listens any more."""
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for at in range(len(data)):
            client.sendall(data[at : at + 1])
            time.sleep(pause_s)
    except OSError:
        pass


def ends(client: RawHttp) -> bool:
    client.socket.settimeout(30)
    return client.ended()


@pytest.mark.parametrize("part", ["request line", "headers", "body", "chunk"])
def test_clients_that_send_their_requests_byte_by_byte(siege: Siege, part: str) -> None:
    fast, slow = {
        "request line": (b"", said("GET", "/livez" + "x" * 100)),
        "headers": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n", b"X: " + b"y" * 500 + b"\r\n"),
        "body": (said("POST", PUBLISH, JSON, "Content-Length: 500"), b" " * 500),
        "chunk": (said("POST", PUBLISH, JSON, "Transfer-Encoding: chunked"), b"1f4\r\n" + b" " * 500),
    }[part]
    with siege.attack() as service:
        clients = [RawHttp(service).send(fast) for _ in range(30)]
        threads = [threading.Thread(target=drip, args=(client.socket, slow, 0.02)) for client in clients]
        for thread in threads:
            thread.start()
        if part != "request line":  # which may come as slowly as a connection may be idle
            assert all(ends(client) for client in clients)
        for thread in threads:
            thread.join(20)
        for client in clients:
            client.socket.close()


def test_clients_that_stop_in_the_middle_of_a_request(siege: Siege) -> None:
    whole = said("POST", PUBLISH, JSON, "Content-Length: 24", body=b'{"event":"say","data":1}')
    with siege.attack() as service:
        for length in range(0, len(whole), 7):
            with RawHttp(service) as client:
                client.send(whole[:length])


def test_clients_that_close_while_they_are_answered(siege: Siege) -> None:
    with siege.attack() as service:
        for _ in range(100):
            with RawHttp(service) as client:
                client.send(said("GET", "/web/docs.js") + said("GET", "/openapi.json") + said("GET", "/"))


HANDSHAKES = {
    "no key": {"Sec-WebSocket-Key": None},
    "key too short": {"Sec-WebSocket-Key": "c2hvcnQ="},
    "key that is none": {"Sec-WebSocket-Key": "!" * 24},
    "version 8": {"Sec-WebSocket-Version": "8"},
    "no version": {"Sec-WebSocket-Version": None},
    "no upgrade": {"Upgrade": None},
    "upgrade to something else": {"Upgrade": "h2c"},
    "no connection": {"Connection": "close"},
    "hixie": {"Sec-WebSocket-Key": None, "Sec-WebSocket-Version": None, "Sec-WebSocket-Key1": "1 2"},
}


@pytest.mark.parametrize("path", WEBSOCKETS)
def test_clients_whose_handshakes_are_wrong(siege: Siege, path: str) -> None:
    with siege.attack() as service:
        for name, headers in HANDSHAKES.items():
            with RawWebSocket(service.http, path, {**ways.MQTT, **headers}) as ws:  # type: ignore[dict-item]
                assert ws.status in (200, 400) and b"sid" not in ws.head, name


@pytest.mark.parametrize("path", WEBSOCKETS)
def test_clients_that_leave_in_the_middle_of_a_handshake(siege: Siege, path: str) -> None:
    head = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()
    with siege.attack() as service:
        for length in (*range(1, len(head), 20), len(head), len(head)):
            with RawHttp(service) as client:
                client.send(head[:length])


@pytest.mark.parametrize("path", WEBSOCKETS)
def test_a_client_that_sends_its_frames_byte_by_byte(siege: Siege, path: str) -> None:
    with siege.attack() as service, RawWebSocket(service.http, path, ways.MQTT) as ws:
        if path == ways.SOCKETIO:
            ws.text()
        message = codec.encode(Connect("drips"), 5) if path == "/mqtt" else b'{"op":"ping","ns":"/chat","ref":1}'
        message = b"40/chat," if path == ways.SOCKETIO else message
        drip(ws.socket, masked(BINARY if path == "/mqtt" else TEXT, message))
        frame = ws.frame()
        assert frame is not None and frame[1]


def test_a_client_that_sends_a_large_frame_in_small_pieces(siege: Siege) -> None:
    frame = masked(TEXT, b"x" * 1_000_000)
    with siege.attack() as service, RawWebSocket(service.http, "/echo") as ws:
        ws.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(frame), 500):
            ws.socket.sendall(frame[at : at + 500])
        assert ws.frame() == (TEXT, b"x" * 1_000_000)


def test_devices_that_send_their_connect_byte_by_byte(siege: Siege) -> None:
    with siege.attack('rt_mqtt_refused_total{reason="connect_timeout"}') as service:
        packet = codec.encode(Connect("x" * 500), 5)
        clients = [RawMqtt(service.mqtt) for _ in range(20)]
        threads = [threading.Thread(target=drip, args=(mqtt.socket, packet, 0.02)) for mqtt in clients]
        for thread in threads:
            thread.start()
        for mqtt in clients:
            assert mqtt.receive() is None
            mqtt.close()
        for thread in threads:
            thread.join(20)


def test_a_device_that_sends_a_packet_in_small_pieces(siege: Siege) -> None:
    packet = codec.encode(Publish("slow/topic", b"x" * 1_000_000, 1, packet_id=1), 5)
    with siege.attack() as service, ways.device(service, "slow") as mqtt:
        for at in range(0, len(packet), 500):
            mqtt.send(packet[at : at + 500])
        assert mqtt.receive() is not None


def test_devices_that_stop_in_the_middle_of_a_packet(siege: Siege) -> None:
    packet = codec.encode(Publish("slow/topic", b"x" * 100, 1, packet_id=1), 5)
    with siege.attack() as service:
        for length in range(1, len(packet), 7):
            with ways.device(service, "half") as mqtt:
                mqtt.send(packet[:length])


def test_a_device_that_is_silent_for_longer_than_it_said(siege: Siege) -> None:
    with siege.attack('rt_mqtt_refused_total{reason="keepalive"}') as service, RawMqtt(service.mqtt) as mqtt:
        mqtt.connect("silent", keepalive=1)
        assert mqtt.ended_with() == 0x8D


def test_a_client_that_pipelines_requests_and_reads_nothing_until_the_end(siege: Siege) -> None:
    with siege.attack() as service, RawHttp(service) as client:
        client.send(said("GET", "/livez") * 200)
        assert [client.reply().status for _ in range(200)] == [200] * 200

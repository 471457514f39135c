"""Very many of something that is harmless once: connections, joins, rooms, publications, requests."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import pytest

from rt_service.mqtt.packets import Connect, Publish
from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support.raw_http import RawHttp, said
from tests.support.raw_mqtt import RawMqtt
from tests.support.raw_ws import Http, RawWebSocket
from tests.support.service import Service
from tests.support.waiting import eventually

SETTINGS = ("socketio.ping_interval_s=0.5", "socketio.ping_timeout_s=8")


def come_and_go(over: str) -> Callable[[Service, int], None]:
    def socketio(service: Service, n: int) -> None:
        ways.socketio(service, auth={"user": f"storm-{n % 50}"}).close()

    def polling(service: Service, n: int) -> None:
        ways.polling(service)[0].close()

    def websocket(service: Service, n: int) -> None:
        with ways.plain(service, f"user=storm-{n % 50}") as ws:
            ways.ask(ws, "join", "/game", room="storm")

    def stream(service: Service, n: int) -> None:
        with RawHttp(service) as client:
            client.send(said("GET", f"/api/v1/rooms/game/storm/stream?user=storm-{n % 50}")).socket.recv(100)

    def mqtt(service: Service, n: int) -> None:
        ways.device(service, f"storm-{n % 50}").close()

    def mqtt_in_websocket(service: Service, n: int) -> None:
        ways.device_on_websocket(service, f"storm-{n % 50}").close()

    return locals()[over]  # type: ignore[no-any-return]


@pytest.mark.parametrize("over", ["socketio", "polling", "websocket", "stream", "mqtt", "mqtt_in_websocket"])
def test_clients_that_come_and_go_by_the_hundred(siege: Siege, over: str) -> None:
    with siege.attack() as service:
        for n in range(400):
            come_and_go(over)(service, n)


def test_clients_that_open_connections_and_say_nothing(siege: Siege) -> None:
    with siege.attack() as service:
        clients = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(1000)]
        assert service.get("/livez")[0] == 200
        for client in clients:
            client.close()


@pytest.mark.parametrize("port", ["http", "mqtt"])
def test_clients_that_connect_and_reset(siege: Siege, port: str) -> None:
    with siege.attack() as service:
        where = ("127.0.0.1", service.port if port == "http" else service.mqtt_port)
        for n in range(1000):
            client = socket.create_connection(where)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if n % 2:
                client.sendall(b"GET /livez HTTP/1.1\r\n" if port == "http" else b"\x10\xff")
            client.close()


def test_long_polls_by_the_hundred_that_hang_up(siege: Siege) -> None:
    with siege.attack() as service:
        clients = [RawHttp(service) for _ in range(300)]
        for n, client in enumerate(clients):
            client.send(said("GET", f"/api/v1/rooms/game/polled-{n % 20}/publications?wait=8&user=poll"))
        eventually(lambda: siege.metrics()["rt_polls"] == 300)
        for client in clients:
            client.socket.close()
        eventually(lambda: siege.metrics()["rt_polls"] == 0)


def test_connections_that_are_kept_and_say_nothing_more(siege: Siege) -> None:
    with siege.attack() as service:
        clients = [RawHttp(service) for _ in range(500)]
        for client in clients:
            assert client.send(said("GET", "/livez")).reply().status == 200
        for client in clients:
            client.socket.close()


def test_devices_that_connect_with_new_names_all_the_time(siege: Siege) -> None:
    with siege.attack() as service:
        for n in range(400):
            with RawMqtt(service.mqtt) as mqtt:
                mqtt.send(Connect(f"new-{n}"), Publish(f"devices/new-{n}/status", b"online"))
        eventually(lambda: len(service.get("/api/v1/devices")[1]["devices"]) >= 400)


def test_upgrades_that_are_never_finished(siege: Siege) -> None:
    with siege.attack() as service:
        for _ in range(50):
            client, path = ways.polling(service)
            with RawWebSocket(service.http, path.replace("polling", "websocket")) as ws:
                ws.send("2probe")
                assert ws.text() == "3probe"
            assert client.ask("POST", path, ways.event("ping").encode())[0] == 200
            client.close()
        stranger = Http(service.http)
        assert stranger.ask("GET", f"{ways.POLLING}&sid={'x' * 20}")[0] == 400
        stranger.close()

"""Connections by the hundred that do not say what is due: they are given up, and nobody else waits for them."""

from __future__ import annotations

import socket

from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support.raw_ws import RawWebSocket
from tests.support.waiting import eventually

# Short, and longer than a busy machine lets those stand still who do say it.
SETTINGS = (
    "socketio.ping_interval_s=0.5",
    "socketio.ping_timeout_s=8",
    "mqtt.connect_s=4",
    "limits.join_first_s=4",
)


def test_devices_that_open_connections_and_never_send_a_connect(siege: Siege) -> None:
    refused = 'rt_mqtt_refused_total{reason="connect_timeout"}'
    with siege.attack(refused) as service:
        before = siege.metrics().get(refused, 0)
        clients = [socket.create_connection(("127.0.0.1", service.mqtt_port)) for _ in range(1000)]
        eventually(lambda: siege.metrics().get(refused, 0) - before == 1000)
        for client in clients:
            client.settimeout(30)
            while client.recv(100):
                pass
            client.close()


def test_connections_that_join_nothing(siege: Siege) -> None:
    with siege.attack('rt_sessions_closed_total{reason="join_timeout"}') as service:
        clients = [RawWebSocket(service.http, path) for path in (ways.SOCKETIO, "/ws") * 50]
        for ws in clients:
            assert ws.ended() in (1000, 1008)
            ws.close()


def test_connections_whose_pings_are_never_answered(siege: Siege) -> None:
    with siege.attack() as service:
        clients = [ways.socketio(service) for _ in range(50)]
        for _ in range(50):
            clients.append(ways.plain(service))
            ways.ask(clients[-1], "ping")
        for ws in clients:
            while ws.frame() is not None:
                pass
            ws.close()


def test_polling_connections_that_never_poll_again(siege: Siege) -> None:
    with siege.attack() as service:
        clients = [ways.polling(service) for _ in range(100)]
        before = siege.metrics()['rt_sessions{transport="socketio"}']
        assert before >= 100
        eventually(lambda: siege.metrics()['rt_sessions{transport="socketio"}'] <= before - 100)
        for client, path in clients:
            assert client.ask("GET", path)[0] == 400
            client.close()

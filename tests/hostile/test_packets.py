"""Engine.IO and Socket.IO packets that no client library sends."""

from __future__ import annotations

import json
import threading
from http.client import HTTPException

import pytest

from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support.raw_ws import BINARY, PING, TEXT, Http, RawWebSocket, masked
from tests.support.waiting import eventually

VIOLATION = 'rt_sessions_closed_total{reason="violation"}'


NONE = [
    "", "4", "9", "47", "4a", "2", "5", "2probe", "0{}", "42", "42{}", "42[]", "42[1]", "43[]", '42/chat,["say"', "4\0",
    "45-[]", "45-1[]", "450-[]", '451-["say"', "40[]", '40"x"', "41{}", '44{"message":"x"}', '42-1["say"]', "b", "bAAA",
    '4299999999999999999["ping"]', "42/chat", "\N{SNOWMAN}",
]  # fmt: skip


def test_clients_that_send_what_is_no_packet(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service:
        for packet in NONE:
            with ways.socketio(service) as ws:
                ws.send(packet)
                assert ws.ended() == 1002, packet


def test_a_client_that_comes_back_with_rubbish_a_thousand_times(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service:
        for _ in range(1000):
            with RawWebSocket(service.http, ways.SOCKETIO) as ws:
                ws.send("4rubbish")


def test_clients_that_send_ack_ids_of_a_million_digits(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service:
        clients = [ways.socketio(service) for _ in range(10)]
        for ws in clients:
            ws.send(ways.event("ping", ack="1" * 1_000_000))
        for ws in clients:
            assert ws.ended() == 1002
            ws.close()


@pytest.mark.parametrize("ack", [0, 10**15 - 1])
def test_a_client_whose_ack_ids_are_unusual_is_answered_with_them(siege: Siege, ack: int) -> None:
    with siege.attack() as service, ways.socketio(service) as ws:
        ws.send(ways.event("ping", ack=ack))
        assert ws.text().startswith(f'43/chat,{ack}[{{"ok":true')


@pytest.mark.parametrize("data", ["[]", '["x"]', '[{"error":{"code":"internal"}}]'])
def test_a_client_that_acknowledges_what_it_was_never_asked(siege: Siege, data: str) -> None:
    with siege.attack() as service, ways.socketio(service) as ws:
        for n in range(20):
            ws.send(*(f"43/chat,{n * 1000 + m}{data}" for m in range(1000)))
        ws.send(ways.event("ping"))
        assert '"ok":true' in ws.text()


def test_a_client_that_answers_pings_that_were_never_sent(siege: Siege) -> None:
    with siege.attack() as service, ways.socketio(service) as ws, ways.plain(service) as plain:
        for _ in range(60):
            ws.send(masked(TEXT, b"3") * 10_000)
            plain.send(masked(0xA, b"") * 10_000)
        ws.send(ways.event("ping"))
        assert '"ok":true' in ws.text()
        assert ways.ask(plain, "ping")["ok"]


@pytest.mark.parametrize("path", [ways.SOCKETIO, "/ws", "/echo", "/mqtt"])
def test_a_client_that_pings_all_the_time_and_never_reads(siege: Siege, path: str) -> None:
    with siege.attack() as service, RawWebSocket(service.http, path, ways.MQTT, buffer=ways.SLOW) as ws:
        ws.socket.settimeout(1)
        try:
            for _ in range(100):
                ws.send(masked(PING, b"x" * 125) * 1000)
        except OSError:
            pass  # it is read no more, or closed


@pytest.mark.parametrize("count", ["65", "1000000000", "99999999999999999999"])
def test_a_client_that_announces_more_attachments_than_may_be(siege: Siege, count: str) -> None:
    with siege.attack(VIOLATION) as service, ways.socketio(service) as ws:
        ws.send(f'45{count}-/chat,1["publish",{{"data":{{"_placeholder":true,"num":0}}}}]')
        assert ws.ended() == 1002


def announced(count: int, placeholders: int = 1) -> str:
    data = [{"_placeholder": True, "num": 0}] * placeholders
    return f"45{count}-/chat,1" + json.dumps(["publish", {"room": "r", "event": "e", "data": data}])


def test_a_client_that_announces_attachments_and_says_something_else(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service, ways.socketio(service) as ws:
        ws.send(announced(2), masked(BINARY, b"one"), ways.event("ping"))
        assert ws.ended() == 1002


def test_clients_that_announce_attachments_and_never_send_them(siege: Siege) -> None:
    with siege.attack() as service:
        clients = [ways.socketio(service) for _ in range(40)]
        for ws in clients:
            ws.send(announced(64), *[masked(BINARY, b"x" * 10_000)] * 63)
        for ws in clients:
            ws.close()


def test_a_client_whose_attachments_are_too_large_together(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service, ways.socketio(service) as ws:
        ws.send(announced(64), *[masked(BINARY, b"x" * 100_000)] * 12)
        assert ws.ended() == 1002


def test_a_client_with_one_attachment_in_a_thousand_places(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service, ways.socketio(service) as ws:
        ws.send(announced(1, placeholders=1000), masked(BINARY, b"x" * 130_000))
        assert ws.ended() == 1002


def test_a_client_that_sends_an_attachment_out_of_the_blue(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service, ways.socketio(service) as ws:
        ws.send(masked(BINARY, b"blue"))
        assert ws.ended() == 1002


def test_a_client_that_joins_one_namespace_ten_thousand_times(siege: Siege) -> None:
    with siege.attack() as service, ways.socketio(service) as ws:
        before = siege.metrics()['rt_sessions{transport="socketio"}']
        for _ in range(10):
            ws.send(*["40/chat,"] * 1000)
        ws.send(ways.event("ping"))
        while '"ok":true' not in ws.text():
            pass
        assert siege.metrics()['rt_sessions{transport="socketio"}'] <= before


def test_a_client_that_joins_namespaces_that_do_not_exist(siege: Siege) -> None:
    with siege.attack('rt_refused_total{code="not_found"}') as service, ways.socketio(service) as ws:
        for n in range(1000):
            ws.send(f"40/no-{n}" + "x" * 1000 + ",")
            assert "Invalid namespace" in ws.text()


@pytest.mark.parametrize(
    "name", ["connect", "disconnect", "connect_error", "message", "disconnecting", "newListener", "presence", "closing"]
)
def test_a_client_that_emits_reserved_events(siege: Siege, name: str) -> None:
    with siege.attack('rt_refused_total{code="bad_request"}') as service, ways.socketio(service) as ws:
        for data in ([], [{}], ["transport close"], [None, 1, "x"]):
            ws.send(ways.event(name, *data))
            assert '"code":"bad_request"' in ws.text()
        ws.send(ways.event("ping"))
        assert '"ok":true' in ws.text()


def test_a_client_that_posts_faster_than_its_packets_are_handled(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service:
        _, path = ways.polling(service)
        body = b"\x1e".join([b'42/chat,["ping",{"a":"%s"}]' % (b"x" * 80)] * 9000)
        threads = [threading.Thread(target=post, args=(Http(service.http), path, body)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)


def post(client: Http, path: str, body: bytes) -> None:
    try:
        for _ in range(20):
            if client.ask("POST", path, body)[0] != 200:
                break
    except (OSError, HTTPException):
        pass  # it was told while it still wrote
    client.close()


def test_a_client_that_posts_more_packets_than_may_be(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service:
        client, path = ways.polling(service)
        assert client.ask("POST", path, b"\x1e".join([b"6"] * 10_001))[0] == 400
        eventually(lambda: client.ask("GET", path)[0] == 400)
        client.close()

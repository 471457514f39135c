"""Clients that never read: memory stays bounded, the others are not delayed, and who comes back recovers everything."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.support.mqtt_client import MqttClient
from tests.support.raw_mqtt import RawMqtt
from tests.support.raw_ws import TEXT, RawWebSocket
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually

WS = "/socket.io/?EIO=4&transport=websocket"
MIB = 1 << 20


def memory(service: Service) -> int:
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024


def deaf(service: Service, room: str) -> RawWebSocket:
    """A client in a room that reads nothing any more."""
    client = RawWebSocket(service.http, WS, buffer=4096)
    client.text()
    client.send("40/game,")
    client.text()
    client.send(f'42/game,1["join",{{"room":"{room}"}}]')
    assert client.text().startswith('43/game,1[{"ok":true')
    return client


def pushed(client: RawWebSocket) -> list[tuple[str, Any]]:
    """Everything that is left to read: event names and bodies, then ("close", code)."""
    seen: list[tuple[str, Any]] = []
    while (frame := client.frame()) is not None:
        if frame[0] == TEXT and frame[1].startswith(b"42/game,"):
            name, body = json.loads(frame[1][8:])
            seen.append((name, body))
        elif frame[0] == 8:
            seen.append(("close", int.from_bytes(frame[1][:2], "big")))
            break
    return seen


def service(*more: str) -> Service:
    options = ["limits.waiting_bytes=200000", "limits.publishes_per_s=100000", "limits.publish_burst=100000"]
    options += ["history.publications=5000", "limits.presence_members=1", *more]
    return Service(*(part for option in options for part in ("--set", option)))


def test_a_reader_that_never_reads_is_closed_and_recovers_everything_when_it_returns() -> None:
    with service() as running, SocketIoClient(running.http, "/game", "honest") as honest:
        start = honest.ok("join", room="r")
        readers = [deaf(running, "r") for _ in range(5)]
        before = memory(running)
        late: list[float] = []
        left: list[list[tuple[str, Any]]] = []
        for n in range(2000):
            began = time.monotonic()
            honest.ok("publish", room="r", event="say", data={"n": n, "pad": "x" * 10_000})
            late.append(time.monotonic() - began)
            if not left and not n % 20 and running.metric("rt_sessions_closed_total", reason="slow") == 5:
                assert memory(running) - before < 100 * MIB
                left = [pushed(reader) for reader in readers]  # their last words wait for ten seconds
        eventually(lambda: len(honest.publications) == 2000)
        assert [p["data"]["n"] for p in honest.publications] == list(range(2000))
        assert sorted(late)[len(late) // 2] < 0.25
        assert running.metric("rt_sessions_closed_total", reason="slow") == 5
        assert memory(running) - before < 100 * MIB  # 20 MiB of history, and bounded queues
        assert len(left) == 5
        for reader, seen in zip(readers, left, strict=True):
            numbers = [body["data"]["n"] for name, body in seen if name == "say"]
            assert numbers == list(range(len(numbers)))  # whole frames, none torn
            (name, closing), last = seen[-2:]
            assert name == "closing" and closing["code"] == "slow" and closing["reconnect"] is True
            assert last[0] == "close"
            reader.close()
        with SocketIoClient(running.http, "/game", "back") as back:
            since = {"epoch": start["epoch"], "offset": start["offset"]}
            missed: list[int] = []
            while True:
                answer = back.ok("history", room="r", since=since, limit=1000)
                missed += [p["data"]["n"] for p in answer["publications"]]
                if not answer["more"]:
                    break
                since["offset"] = answer["publications"][-1]["offset"]
            assert missed == list(range(2000))


def test_volatile_publications_are_dropped_for_a_slow_reader_and_do_not_end_it() -> None:
    with service() as running, SocketIoClient(running.http, "/game", "honest") as honest:
        honest.ok("join", room="r")
        reader = deaf(running, "r")
        for n in range(1000):
            honest.ok("publish", room="r", event="move", data={"n": n, "pad": "x" * 10_000}, **{"class": "volatile"})
        assert running.metric("rt_dropped_total", reason="volatile") > 100
        assert running.metric("rt_sessions_closed_total", reason="slow") == 0
        honest.ok("publish", room="r", event="end", data=1)
        seen = []
        while not seen or seen[-1][0] != "end":
            frame = reader.frame()
            assert frame is not None
            if frame[1].startswith(b"42/game,"):
                seen.append(json.loads(frame[1][8:]))
        assert 0 < len(seen) < 1000
        reader.close()


def test_of_a_latest_value_a_slow_reader_gets_the_newest() -> None:
    with service() as running, SocketIoClient(running.http, "/game", "honest") as honest:
        honest.ok("join", room="r")
        reader = deaf(running, "r")
        for n in range(1000):
            honest.ok("publish", room="r", event="where", data={"n": n, "pad": "x" * 10_000}, **{"class": "latest"})
        honest.ok("publish", room="r", event="end", data=1)
        assert running.metric("rt_dropped_total", reason="latest_replaced") > 100
        assert running.metric("rt_sessions_closed_total", reason="slow") == 0
        numbers: list[int] = []
        while True:
            frame = reader.frame()
            assert frame is not None
            name, body = json.loads(frame[1][8:]) if frame[1].startswith(b"42/game,") else ("", None)
            if name == "end":
                break
            if name == "where":
                numbers.append(body["data"]["n"])
        assert numbers == sorted(numbers) and numbers[-1] == 999 and len(numbers) < 1000
        reader.close()


def test_a_polling_client_that_never_polls_is_closed_too() -> None:
    with service() as running, SocketIoClient(running.http, "/game", "honest") as honest:
        from tests.support.raw_ws import Http

        honest.ok("join", room="r")
        client = Http(running.http)
        sid = json.loads(client.ask("GET", "/socket.io/?EIO=4&transport=polling")[1][1:])["sid"]
        path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
        assert client.ask("POST", path, b'40/game,\x1e42/game,1["join",{"room":"r"}]')[0] == 200
        for n in range(50):
            honest.ok("publish", room="r", event="say", data={"n": n, "pad": "x" * 10_000})
        assert running.metric("rt_sessions_closed_total", reason="slow") == 1
        assert '"code":"slow"' in client.ask("GET", path)[1]
        assert client.ask("GET", path)[0] == 400
        client.close()


def test_who_recovers_more_than_may_wait_is_not_too_slow_for_what_comes_meanwhile() -> None:
    with service() as running, SocketIoClient(running.http, "/game", "honest") as honest:
        start = honest.ok("join", room="r")
        for n in range(500):  # 5 MB, of which 200 kB may wait
            honest.ok("publish", room="r", event="say", data={"n": n, "pad": "x" * 10_000})
        since = json.dumps({"epoch": start["epoch"], "offset": start["offset"]})
        reader = RawWebSocket(running.http, WS, buffer=4096)
        reader.text()
        reader.send("40/game,")
        reader.text()
        reader.send(f'42/game,1["join",{{"room":"r","since":{since}}}]')
        for n in range(10):
            honest.ok("publish", room="r", event="say", data={"n": 500 + n, "pad": "x" * 10_000})
        while not (text := reader.text()).startswith("43/game,1"):
            pass
        answer = json.loads(text[9:])[0]
        assert answer["recovered"]
        numbers = [p["data"]["n"] for p in answer["publications"]]
        while numbers[-1] < 509:
            text = reader.text()
            if text.startswith('42/game,["say"'):
                numbers.append(json.loads(text[8:])[1]["data"]["n"])
        assert numbers == list(range(510))
        reader.close()


def test_a_client_that_asks_and_never_reads_the_answers_is_stopped() -> None:
    with service() as running, SocketIoClient(running.http, "/game", "honest") as honest:
        honest.ok("join", room="r")
        reader = deaf(running, "r")
        before = memory(running)
        question = '42/game,7["history",{"room":"r","limit":1000}]'
        honest.ok("publish", room="r", event="say", data="x" * 60_000)
        reader.socket.settimeout(5)
        try:
            for _ in range(2000):
                reader.send(question)
        except OSError:
            pass  # it was closed, or nobody reads its questions any more
        eventually(lambda: running.metric("rt_sessions_closed_total", reason="slow") == 1)
        assert honest.ok("ping") and memory(running) - before < 100 * MIB
        reader.close()


def test_a_device_that_never_reads_is_bounded_and_harms_nobody() -> None:
    with service("mqtt.waiting_bytes=100000", "mqtt.queued=50") as running:
        reader = RawMqtt(running.mqtt)
        reader.connect("deaf")
        reader.subscribe("t/0", qos=0)
        reader.subscribe("t/1", qos=1)
        before = memory(running)
        with MqttClient(running.mqtt) as sender, MqttClient(running.mqtt).subscribe("t/1") as honest:
            for n in range(1500):
                sender.client.publish("t/0", b"x" * 10_000, qos=0)
                sender.publish("t/1", f"{n} ".encode() + b"x" * 10_000)
            eventually(lambda: len(honest.messages) == 1500)
            assert [int(p.split()[0]) for p in honest.payloads()] == list(range(1500))
        assert running.metric("rt_dropped_total", reason="mqtt_qos0") > 500
        assert running.metric("rt_dropped_total", reason="mqtt_queue") > 500
        assert memory(running) - before < 100 * MIB
        reader.close()

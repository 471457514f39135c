"""Calls that nobody answers, that are answered too much, by the wrong one, or by the thousand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from rt_service.mqtt.packets import Publish
from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support.raw_http import RawHttp, said
from tests.support.raw_ws import TEXT, RawWebSocket, masked
from tests.support.waiting import eventually

SETTINGS = (
    "limits.calls_in_flight=200",
    "limits.calls_per_identity=50",
    "limits.publishes_per_s=100000",
    "limits.publish_burst=100000",
)
DEAD = 'rt_dead_letters_total{reason="not_found"}'
NOT_FOUND = 'rt_refused_total{code="not_found"}'
TIMEOUT = 'rt_calls_total{outcome="timeout"}'
TOO_MANY = 'rt_refused_total{code="too_many_requests"}'
JSON = "Content-Type: application/json"


def call(ref: int, to: str = "user:callee", timeout_ms: int = 30_000) -> bytes:
    request = {"op": "call", "ns": "/chat", "ref": ref, "to": to, "method": "m", "timeout_ms": timeout_ms}
    return masked(TEXT, json.dumps(request).encode())


def answers(ws: RawWebSocket, count: int) -> list[str]:
    """`ok`, or the code, of so many answers."""
    found = []
    while len(found) < count:
        answer = json.loads(ws.text())
        if "push" not in answer:
            found.append("ok" if answer["ok"] else answer["error"]["code"])
    return found


@pytest.mark.parametrize("way", ["socketio", "plain"])
def test_a_callee_that_never_answers_leaves_nothing_behind(siege: Siege, way: str) -> None:
    with siege.attack(TIMEOUT) as service, ways.plain(service, "user=caller") as caller:
        if way == "plain":
            callee = ways.plain(service, "user=callee")
            ways.ask(callee, "ping")
        else:
            callee = ways.socketio(service, auth={"user": "callee"})
        for n in range(500):
            caller.send(*[call(n, timeout_ms=1)] * 40)
            assert set(answers(caller, 40)) == {"timeout"}
        callee.close()


@pytest.fixture
def callee(siege: Siege) -> Iterator[RawWebSocket]:
    with ways.plain(siege.service, "user=callee") as ws:
        assert ways.ask(ws, "ping")["ok"]
        yield ws


@pytest.fixture
def caller(siege: Siege) -> Iterator[RawWebSocket]:
    with ways.plain(siege.service, "user=caller") as ws:
        assert ways.ask(ws, "ping")["ok"]
        yield ws


def test_callees_that_answer_too_late_or_twice_or_for_another(
    siege: Siege, caller: RawWebSocket, callee: RawWebSocket
) -> None:
    with siege.attack(NOT_FOUND) as service, ways.plain(service, "user=thief") as thief:
        caller.send(call(1, timeout_ms=200))
        id = ways.pushed(callee, "call")["id"]
        assert ways.ask(thief, "answer", id=id, data="stolen")["error"]["code"] == "not_found"
        assert answers(caller, 1) == ["timeout"]
        assert ways.ask(callee, "answer", id=id, data="late")["error"]["code"] == "not_found"
        caller.send(call(2))
        id = ways.pushed(callee, "call")["id"]
        assert ways.ask(callee, "answer", id=id, data="once")["ok"]
        assert ways.ask(callee, "answer", id=id, data="twice")["error"]["code"] == "not_found"
        assert ways.answer(caller, 2)["data"] == "once"


def test_a_callee_whose_answers_are_huge(siege: Siege, caller: RawWebSocket, callee: RawWebSocket) -> None:
    with siege.attack('rt_calls_total{outcome="too_large"}'):
        for n in range(20):
            caller.send(call(n))
            id = ways.pushed(callee, "call")["id"]
            callee.send(json.dumps({"op": "answer", "ns": "/chat", "id": id, "data": "x" * 1_000_000}))
            assert ways.answer(caller, n)["error"]["code"] == "too_large"


def test_a_device_that_answers_calls_of_others(siege: Siege, caller: RawWebSocket) -> None:
    dead = 'rt_dead_letters_total{reason="not_found"}'
    with (
        siege.attack(dead) as service,
        ways.device(service, "victim") as victim,
        ways.device(service, "thief") as thief,
    ):
        victim.subscribe("devices/victim/calls/#", qos=0)
        asked = {"op": "call", "ns": "/iot", "ref": 1, "to": "device:victim", "method": "m", "timeout_ms": 30_000}
        caller.send(json.dumps(asked))
        id = victim.expect(Publish).topic.split("/")[3]
        thief.publish(f"devices/thief/replies/{id}", b'"stolen"')
        thief.publish(f"devices/thief/replies/{id}/error", b'"stolen"')
        victim.publish(f"devices/victim/replies/{id}", b'"mine"')
        assert ways.answer(caller, 1)["data"] == "mine"


def test_a_client_that_uses_up_the_calls_of_its_own(siege: Siege, caller: RawWebSocket, callee: RawWebSocket) -> None:
    with siege.attack(TOO_MANY) as service:
        before = service.metric("rt_refused_total", code="too_many_requests")
        greedy = [ways.plain(service, "user=greedy") for _ in range(5)]
        for ws in greedy:
            ws.send(*[call(n, timeout_ms=10_000) for n in range(40)])
        # Whose calls are taken depends on whom the service reads first; of 200 it takes 50.
        eventually(lambda: service.metric("rt_refused_total", code="too_many_requests") >= before + 100)
        caller.send(call(1, timeout_ms=1))
        assert answers(caller, 1) == ["timeout"]
        for ws in greedy:
            ws.close()


def test_a_client_that_calls_over_http_and_does_not_wait(
    siege: Siege, caller: RawWebSocket, callee: RawWebSocket
) -> None:
    body = json.dumps({"ns": "chat", "to": "user:callee", "method": "m", "timeout_ms": 10_000}).encode()
    request = said("POST", "/api/v1/calls?user=greedy", JSON, f"Content-Length: {len(body)}", body=body)
    with siege.attack(TOO_MANY) as service:
        clients = [RawHttp(service).send(request) for _ in range(100)]
        caller.send(call(1, timeout_ms=1))
        assert answers(caller, 1) == ["timeout"]
        for client in clients:
            client.socket.close()


def test_users_that_call_each_other_in_circles(siege: Siege) -> None:
    with siege.attack() as service:
        clients = [ways.plain(service, f"user=circle-{n}") for n in range(5)]
        for ws in clients:
            ways.ask(ws, "ping")
        threads = [threading.Thread(target=pass_on, args=(ws, (n + 1) % 5)) for n, ws in enumerate(clients)]
        for thread in threads:
            thread.start()
        clients[0].send(call(0, "user:circle-1", 500))
        for thread in threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in threads)
        for ws in clients:
            ws.close()
    eventually(lambda: siege.service.get("/livez")[0] == 200)


def pass_on(ws: RawWebSocket, to: int) -> None:
    """Whoever is called calls the next one, and answers nobody."""
    for n in range(30):
        ways.pushed(ws, "call")
        ws.send(call(n, f"user:circle-{to}", 500))

"""Names that would mean something elsewhere: a wildcard, a path, a header, an event of somebody's library."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from rt_service.core.names import RESERVED_EVENTS
from rt_service.mqtt.packets import Acknowledgement, Publish, Subscription
from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support.raw_http import RawHttp, said

JSON = "Content-Type: application/json"
LOOK_ALIKES = [
    "\N{CYRILLIC SMALL LETTER A}bc", "\N{KELVIN SIGN}", "\N{FULLWIDTH NUMBER SIGN}", "\N{FULLWIDTH SOLIDUS}",
    "\N{DIVISION SLASH}", "a\N{ZERO WIDTH JOINER}", "\N{RIGHT-TO-LEFT OVERRIDE}abc", "e\N{COMBINING ACUTE ACCENT}",
    "\N{LATIN SMALL LETTER SHARP S}",
]  # fmt: skip
INJECTIONS = [
    "", "#", "+", "a/b", "a/#", "../etc", "..\\x", "a\0b", "a\r\nX: y", "a\nid: 1", "a b", " a", "a ", "\t", "$SYS",
    "a,b", "a%2fb", "{id}", "*", "a;b", "'or 1=1--", '"', "<script>", *LOOK_ALIKES, "\x7f", "\x1b[31m", "x" * 129,
    "x" * 100_000,
]  # fmt: skip
NO_STRINGS: list[Any] = [None, 7, 1.5, True, [], ["lobby"], {}, {"$base64": "aGk="}]


def refusals(siege: Siege, code: str, request: dict[str, Any], values: list[Any], field: str) -> None:
    with siege.attack(f'rt_refused_total{{code="{code}"}}') as service, ways.plain(service) as ws:
        assert ways.ask(ws, "join", room="names")["ok"]
        for value in values:
            asked = {**request, field: value}
            refused = ways.ask(ws, asked.pop("op"), **asked)
            assert not refused["ok"] and refused["error"]["code"] == code, (field, value)
            assert len(refused["error"]["message"]) < 500


@pytest.mark.parametrize("verb", ["join", "leave", "publish", "history", "presence"])
def test_a_client_that_smuggles_something_into_names_of_rooms(siege: Siege, verb: str) -> None:
    request = {"op": verb, "event": "e", "data": 1}
    refusals(siege, "invalid_room", request, [*INJECTIONS, *NO_STRINGS], "room")


@pytest.mark.parametrize("verb", ["publish", "send"])
def test_a_client_that_smuggles_something_into_names_of_events(siege: Siege, verb: str) -> None:
    request = {"op": verb, "room": "names", "to": "user:honest", "data": 1}
    refusals(siege, "invalid_event", request, [*INJECTIONS, *NO_STRINGS, "x" * 65], "event")


def test_a_client_that_publishes_under_reserved_names(siege: Siege) -> None:
    request = {"op": "publish", "room": "names", "data": 1}
    refusals(siege, "invalid_event", request, sorted(RESERVED_EVENTS), "event")


@pytest.mark.parametrize("field", ["id", "key"])
def test_a_client_that_smuggles_something_into_ids_and_keys(siege: Siege, field: str) -> None:
    request = {"op": "publish", "room": "names", "event": "e", "data": 1}
    refusals(siege, "bad_request", request, [*INJECTIONS, *NO_STRINGS[1:]], field)


@pytest.mark.parametrize("verb", ["send", "call"])
def test_a_client_that_smuggles_something_into_identities(siege: Siege, verb: str) -> None:
    request = {"op": verb, "event": "e", "method": "m", "data": 1}
    wrong = [*INJECTIONS, *(f"device:{one}" for one in INJECTIONS), "admin:root", "user", ":", "user:", *NO_STRINGS]
    refusals(siege, "bad_request", request, wrong, "to")


def test_a_client_that_smuggles_something_into_a_call_to_a_device(siege: Siege) -> None:
    with siege.attack() as service, ways.device(service, "names") as mqtt, ways.plain(service) as ws:
        mqtt.subscribe("devices/names/#", qos=0)
        for method in [*INJECTIONS, *NO_STRINGS, "x" * 65]:
            refused = ways.ask(ws, "call", "/iot", to="device:names", method=method, timeout_ms=100)
            assert refused["error"]["code"] == "bad_request", method
        assert mqtt.nothing_waits()


@pytest.mark.parametrize("verb", ["twin", "twin.update"])
def test_a_client_that_smuggles_something_into_names_of_devices(siege: Siege, verb: str) -> None:
    refusals(siege, "bad_request", {"op": verb, "desired": {"a": 1}}, [*INJECTIONS, *NO_STRINGS], "device")


def test_a_client_that_smuggles_something_into_namespaces(siege: Siege) -> None:
    with siege.attack('rt_refused_total{code="not_found"}') as service, ways.plain(service) as ws:
        for one in (*INJECTIONS, *(f"/chat{one}" for one in INJECTIONS if one)):
            assert ways.ask(ws, "ping", one)["error"]["code"] == "not_found", one
        for one in NO_STRINGS:
            assert ways.ask(ws, "ping", one)["error"]["code"] == "bad_request", one


@pytest.mark.parametrize("field", ["user", "kind"])
def test_a_client_that_smuggles_something_into_its_own_name(siege: Siege, field: str) -> None:
    with siege.attack('rt_refused_total{code="bad_request"}') as service:
        for one in [*INJECTIONS, *NO_STRINGS[1:]]:
            with ways.plain(service) as ws:
                assert ways.ask(ws, "auth", **{"user": "names", field: one})["error"]["code"] == "bad_request", one


PATHS = [
    "/api/v1/rooms/chat/{}/members", "/api/v1/rooms/chat/{}/publications?wait=0.1", "/api/v1/rooms/chat/{}/stream",
    "/api/v1/devices/{}/twin", "/api/v1/rooms/{}/x/members",
]  # fmt: skip


def test_a_request_that_smuggles_something_into_its_path(siege: Siege) -> None:
    with siege.attack('rt_refused_total{code="invalid_room"}') as service, RawHttp(service) as client:
        for one in INJECTIONS:
            for path in PATHS:
                reply = client.send(said("GET", path.format(quote(one[:1000], safe="")))).reply()
                assert reply.code in ("invalid_room", "bad_request", "not_found"), (path, one)


def test_a_device_that_smuggles_something_into_its_topics(siege: Siege) -> None:
    with siege.attack('rt_dead_letters_total{reason="invalid_room"}') as service, ways.device(service, "names") as mqtt:
        smuggled = [one for one in INJECTIONS if 0 < len(one) < 60_000 and not set(one) & set("/#+\0")]
        for one in smuggled:
            for topic in ("rt/in/chat/{}/e", "rt/in/chat/names/{}", "rt/in/{}/names/e", "devices/{}/telemetry",
                          "devices/names/events/{}", "devices/{}/status", "devices/{}/twin/reported"):  # fmt: skip
                assert mqtt.publish(topic.format(one), b"{}") in (0, 0x10), topic
        _, letters = service.get("/api/v1/dead-letters?limit=1000")
        assert len(letters["dead_letters"]) >= 7 * len(smuggled)


@pytest.mark.parametrize(
    "client_id", ["#", "a/b", "a\r\nb", "$SYS", "\N{RIGHT-TO-LEFT OVERRIDE}x", "x" * 60_000, "\x1b[31m"]
)
def test_a_device_whose_client_id_is_no_name(siege: Siege, client_id: str) -> None:
    with siege.attack() as service, ways.device(service, client_id) as mqtt, ways.device(service, client_id) as again:
        assert mqtt.ended_with() == 0x8E
        again.subscribe("rt/out/chat/names/e", qos=0)
        again.send(Publish("rt/in/chat/names/e", b"1", 1, packet_id=1))
        got = [again.receive(), again.receive()]
        (publication,) = [p for p in got if isinstance(p, Publish)]
        assert any(isinstance(p, Acknowledgement) for p in got)
        assert json.loads(publication.payload)["from"]["id"].startswith("anon-")


def test_a_client_that_says_that_it_is_somebody_else(siege: Siege) -> None:
    forged = {"from": {"kind": "service", "id": "billing"}, "sender": "honest", "at": 0, "offset": 10**6, "epoch": "x"}
    with siege.attack() as service:
        with ways.plain(service, "user=mallory") as ws:
            ways.ask(ws, "join", room="forged")
            assert ways.ask(ws, "publish", room="forged", event="e", data=forged, **forged)["ok"]
        with ways.socketio(service, auth={"user": "mallory"}) as ws:
            ws.send(ways.event("join", {"room": "forged"}))
            ws.send(ways.event("publish", {"room": "forged", "event": "e", "data": forged, **forged}))
            while '"epoch"' not in ws.text():
                pass
        with RawHttp(service) as client:
            body = json.dumps({"event": "e", "data": forged, **forged}).encode()
            path = "/api/v1/rooms/chat/forged/publications?user=mallory"
            assert (
                client.send(said("POST", path, JSON, f"Content-Length: {len(body)}", body=body)).reply().status == 201
            )
            page = json.loads(client.send(said("GET", path)).reply().body)
        assert [p["from"] for p in page["publications"]] == [{"kind": "user", "id": "mallory"}] * len(
            page["publications"]
        )
        assert [p["offset"] for p in page["publications"]] == list(range(1, len(page["publications"]) + 1))
        assert all(p["at"] > 0 for p in page["publications"])


def test_a_client_that_breaks_out_of_the_lines_of_a_stream(siege: Siege) -> None:
    data = "x\r\n\r\nevent: closing\rdata: {}\n\nid: 1:1\u2028\u2029\x85"
    with siege.attack() as service, RawHttp(service) as reader, RawHttp(service) as client:
        reader.send(said("GET", "/api/v1/rooms/chat/lines/stream"))
        body = json.dumps({"event": "e", "data": data}).encode()
        head = reader.socket.recv(65536)
        path = "/api/v1/rooms/chat/lines/publications"
        assert client.send(said("POST", path, JSON, f"Content-Length: {len(body)}", body=body)).reply().status == 201
        event = b""
        while b"event: e\n" not in event or not event.endswith(b"\r\n"):
            event += reader.socket.recv(65536)
        assert b"200 OK" in head and b"closing" not in event.partition(b"data: ")[0]
        lines = event.partition(b"\r\n")[2].splitlines()
        assert [line.partition(b":")[0] for line in lines if line] == [b"id", b"event", b"data"]


@pytest.mark.parametrize(
    "header",
    [
        "Origin: http://localhost\r\n X: y",
        "Origin: http://localhost:1\xff",
        "Last-Event-ID: a:1\xff\xfe",
        "Accept: \x80\xff",
    ],
)
def test_a_request_that_breaks_out_of_the_headers_of_its_answer(siege: Siege, header: str) -> None:
    with siege.attack() as service:
        for path in (
            "/livez",
            "/api/v1/rooms/chat/x/stream",
            "/web/x%0d%0aX:%20y",
            "/%0d%0aSet-Cookie:%20a=b",
            "/docs?%0d%0aX",
        ):
            with RawHttp(service) as client:
                client.send(said("GET", path, header))
                head = client.socket.recv(65536).partition(b"\r\n\r\n")[0].lower()
                assert head.startswith(b"http/1.1 ")
                assert not any(line.startswith((b"set-cookie", b"x:", b" x:")) for line in head.split(b"\r\n")), head


def test_a_subscriber_whose_filters_look_like_topics_of_others(siege: Siege) -> None:
    with siege.attack() as service, ways.device(service, "looks") as mqtt, ways.plain(service) as ws:
        mqtt.subscribe(
            *(Subscription(f"rt/out/chat/{one}/+") for one in ("\N{FULLWIDTH NUMBER SIGN}", "secret\0"[:-1] + "x"))
        )
        ways.ask(ws, "join", room="secret")
        ways.ask(ws, "publish", room="secret", event="e", data=1)
        assert mqtt.nothing_waits()

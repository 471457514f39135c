"""The verbs over HTTP, with a client that knows nothing but HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.raw_http import RawHttp, said
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


def ask(
    service: Service, method: str, path: str, body: Any = None, kind: str = "application/json"
) -> tuple[int, Any, Any]:
    """Status, JSON body and headers."""
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(service.http + path, data, {"Content-Type": kind}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply), reply.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


def test_what_is_posted_is_seen_in_the_room_and_in_its_history(service: Service) -> None:
    path = "/api/v1/rooms/chat/http-1/publications"
    with SocketIoClient(service.http) as page:
        page.ok("join", room="http-1")
        status, kept, _ = ask(service, "POST", f"{path}?user=curl", {"event": "say", "data": {"n": 1}})
        assert status == 201 and set(kept) == {"id", "epoch", "offset"}
        seen = page.sees("say", {"n": 1})
        assert (seen["offset"], seen["from"]) == (kept["offset"], {"kind": "user", "id": "curl"})
        status, page_, _ = ask(service, "GET", f"{path}?since={kept['epoch']}:0&limit=10")
        assert status == 200 and page_["publications"] == [seen] and page_["more"] is False
        members = ask(service, "GET", "/api/v1/rooms/chat/http-1/members")[1]["members"]
        assert len(members) == 1 and members[0]["kind"] == "user"
        assert ask(service, "GET", "/api/v1/rooms/chat?prefix=http-1")[1]["rooms"] == [{"room": "http-1", "members": 1}]


def test_a_list_is_kept_or_refused_one_by_one_in_order(service: Service) -> None:
    path = "/api/v1/rooms/iot/batch/publications"
    said = [{"event": "say", "data": 1}, {"event": "a b", "data": 2}, 7, {"event": "say", "data": 3}]
    status, answer, _ = ask(service, "POST", path, said)
    results = answer["results"]
    assert status == 200 and [one["ok"] for one in results] == [True, False, False, True]
    assert [one["offset"] for one in results if one["ok"]] == [1, 2]
    assert [one["error"]["code"] for one in results if not one["ok"]] == ["invalid_event", "bad_request"]
    assert [p["data"] for p in ask(service, "GET", path)[1]["publications"]] == [1, 3]


def test_what_is_in_a_list_may_be_of_every_class(service: Service) -> None:
    said = [{"event": "say", "data": n, "class": name} for n, name in enumerate(("kept", "latest", "volatile"))]
    results = ask(service, "POST", "/api/v1/rooms/chat/classes/publications", said)[1]["results"]
    assert [one["offset"] for one in results] == [1, None, None]


def test_an_id_that_is_repeated_inside_a_list_is_kept_once(service: Service) -> None:
    path = "/api/v1/rooms/chat/batch-ids/publications"
    said = [{"event": "say", "data": n, "id": id} for n, id in enumerate(("a", "b", "a"))]
    results = ask(service, "POST", f"{path}?user=curl", said)[1]["results"]
    assert [one["offset"] for one in results] == [1, 2, 1] and results[2] == results[0]
    assert [p["data"] for p in ask(service, "GET", path)[1]["publications"]] == [0, 1]
    again = ask(service, "POST", f"{path}?user=curl", said)[1]["results"]
    assert again == results


def test_a_list_has_a_thousand_publications_at_most_and_may_be_empty() -> None:
    path = "/api/v1/rooms/chat/long/publications"
    with Service("--set", "limits.publish_burst=2000") as large:
        said = [{"event": "say", "data": n} for n in range(1000)]
        results = ask(large, "POST", path, said)[1]["results"]
        assert [one["offset"] for one in results] == list(range(1, 1001))
        status, answer, _ = ask(large, "POST", path, [*said, {"event": "say", "data": 1000}])
        assert (status, answer["error"]["code"]) == (413, "too_large")
        assert ask(large, "GET", f"{path}?since={results[0]['epoch']}:1000")[1]["publications"] == []
        assert ask(large, "POST", path, [])[:2] == (200, {"results": []})


@pytest.mark.parametrize("namespace", ["chat", "game"])  # in the file, in memory
def test_what_memory_has_no_place_for_is_counted_and_who_comes_for_it_is_told(namespace: str) -> None:
    def room(n: int) -> str:
        return f"/api/v1/rooms/{namespace}/room-{n}/publications"

    with Service("--set", "history.memory_bytes=100000") as small:
        for n in range(5):
            assert ask(small, "POST", room(n), {"event": "say", "data": "x" * 30_000})[0] == 201
        assert small.metric("rt_rooms_forgotten_total") >= 1 and small.events("history_forgotten")
        first, last = ask(small, "GET", room(0))[1], ask(small, "GET", room(4))[1]
        assert (first["offset"], first["publications"]) == (1, []) and len(last["publications"]) == 1
        with SocketIoClient(small.http, f"/{namespace}") as late:
            joined = late.ok("join", room="room-0", since={"epoch": first["epoch"], "offset": 0})
            assert joined["recovered"] is False and joined["offset"] == 1


def test_past_the_rate_the_rest_of_a_list_is_refused_one_by_one() -> None:
    path = "/api/v1/rooms/chat/r/publications"
    with Service("--set", "limits.publish_burst=3", "--set", "limits.publishes_per_s=0.01") as small:
        status, answer, _ = ask(small, "POST", path, [{"event": "say", "data": n} for n in range(5)])
        assert status == 200 and [one["ok"] for one in answer["results"]] == [True] * 3 + [False] * 2
        for one in answer["results"][3:]:
            assert one["error"]["code"] == "too_many_requests" and one["error"]["retry_after_ms"] > 0
        assert [p["data"] for p in ask(small, "GET", path)[1]["publications"]] == [0, 1, 2]


def test_a_repeated_id_is_answered_with_the_first_position(service: Service) -> None:
    path = "/api/v1/rooms/chat/http-again/publications?user=curl"
    first = ask(service, "POST", path, {"event": "say", "data": 1, "id": "mine"})[1]
    assert ask(service, "POST", path, {"event": "say", "data": 1, "id": "mine"})[1] == first


def test_a_call_and_something_sent_reach_who_is_there(service: Service) -> None:
    with SocketIoClient(service.http, "/chat", "http-callee") as callee:
        callee.on_call = lambda body: {"double": body["data"] * 2}
        question = {"ns": "chat", "to": "user:http-callee", "method": "double", "data": 4}
        assert ask(service, "POST", "/api/v1/calls", question)[:2] == (200, {"data": {"double": 8}})
        sent = {"ns": "chat", "to": "user:http-callee", "event": "note", "data": 1}
        assert ask(service, "POST", "/api/v1/send", sent)[:2] == (200, {"delivered": 1})
        eventually(lambda: callee.pushed("note"))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/api/v1/rooms/chat/r/publications", b"no JSON", 400, "invalid_data"),
        ("POST", "/api/v1/rooms/chat/r/publications", b"", 400, "invalid_data"),
        ("POST", "/api/v1/rooms/chat/r/publications", 7, 400, "bad_request"),
        ("POST", "/api/v1/rooms/chat/r/publications", {"event": "say"}, 400, "bad_request"),
        ("POST", "/api/v1/rooms/chat/r/publications", {"event": "presence", "data": 1}, 400, "invalid_event"),
        ("POST", "/api/v1/rooms/chat/a%20b/publications", {"event": "say", "data": 1}, 400, "invalid_room"),
        ("POST", "/api/v1/rooms/chat/a%20b/publications", [{"event": "say", "data": 1}], 400, "invalid_room"),
        ("POST", "/api/v1/rooms/nowhere/r/publications", {"event": "say", "data": 1}, 404, "not_found"),
        ("POST", "/api/v1/rooms/chat/r/publications", {"event": "say", "data": "x" * 70_000}, 413, "too_large"),
        ("GET", "/api/v1/rooms/chat/r/publications?since=x", None, 400, "bad_request"),
        ("GET", "/api/v1/rooms/chat/r/publications?limit=x", None, 400, "bad_request"),
        ("GET", "/api/v1/rooms/chat/r/publications?limit=5000", None, 400, "bad_request"),
        ("GET", "/api/v1/rooms/chat/r/publications?since=e:%C2%B2", None, 400, "bad_request"),
        ("GET", "/api/v1/rooms/chat/r/publications?reverse=maybe", None, 400, "bad_request"),
        ("GET", "/api/v1/rooms/chat/r/members?user=a%20b", None, 400, "bad_request"),
        ("GET", "/api/v1/rooms/nowhere", None, 404, "not_found"),
        ("GET", "/api/v1/dead-letters?limit=x", None, 400, "bad_request"),
        ("POST", "/api/v1/send", [], 400, "bad_request"),
        ("POST", "/api/v1/send", {"ns": "chat", "to": "user:nobody", "event": "e", "data": 1}, 404, "not_online"),
        ("POST", "/api/v1/send", {"to": "user:nobody", "event": "e", "data": 1}, 400, "bad_request"),
        ("POST", "/api/v1/calls", {"ns": "chat", "to": "user:nobody", "method": "m"}, 404, "not_online"),
        ("PATCH", "/api/v1/devices/a%20b/twin", {}, 400, "bad_request"),
        ("PUT", "/api/v1/send", {}, 405, "bad_request"),
        ("GET", "/api/v1/nothing", None, 404, "not_found"),
    ],
)
def test_what_cannot_be_is_refused_with_the_fitting_status(
    service: Service, method: str, path: str, body: Any, status: int, code: str
) -> None:
    found, answer, _ = ask(service, method, path, body)
    assert (found, answer["error"]["code"]) == (status, code)


def test_a_body_that_is_not_said_to_be_json_is_refused(service: Service) -> None:
    answer = ask(service, "POST", "/api/v1/rooms/chat/r/publications", b"{}", "text/plain")
    assert answer[0] == 400 and "Content-Type" in answer[1]["error"]["message"]


def test_a_refusal_is_counted_once_whoever_makes_it(service: Service) -> None:
    path = "/api/v1/rooms/chat/counted/publications"
    for code, method, where, body in (
        ("invalid_event", "POST", path, {"event": "a b", "data": 1}),
        ("invalid_room", "GET", "/api/v1/rooms/chat/a%20b/publications", None),
        ("invalid_data", "POST", path, b"no JSON"),
        ("not_found", "GET", "/api/v1/rooms/nowhere", None),
    ):
        before = service.metric("rt_refused_total", code=code)
        ask(service, method, where, body)
        assert service.metric("rt_refused_total", code=code) == before + 1


def test_a_history_that_did_not_change_is_not_sent_again(service: Service) -> None:
    path = "/api/v1/rooms/chat/tagged/publications"
    ask(service, "POST", path, {"event": "say", "data": 1})
    tag = ask(service, "GET", path)[2]["ETag"]
    assert tag.startswith("W/")
    assert not_modified(service, path, tag)
    assert not not_modified(service, f"{path}?reverse=1&limit=1", '"another"')
    ask(service, "POST", path, {"event": "say", "data": 2})
    assert not not_modified(service, path, tag)


def test_publications_that_leave_the_history_change_its_tag() -> None:
    path = "/api/v1/rooms/chat/short/publications"

    def while_it_is_there(short: Service) -> str | None:
        ask(short, "POST", path, {"event": "say", "data": 1})
        _, history, headers = ask(short, "GET", path)
        return headers["ETag"] if history["publications"] else None

    with Service("--set", "history.publications=5", "--set", "history.age_s=1") as short:
        tag = eventually(lambda: while_it_is_there(short))
        eventually(lambda: ask(short, "GET", path)[1]["publications"] == [])
        assert not not_modified(short, path, tag)


def not_modified(service: Service, path: str, tag: str) -> bool:
    with RawHttp(service) as client:
        reply = client.send(said("GET", path, f"If-None-Match: {tag}")).reply()
    assert reply.status in (200, 304) and bool(reply.body) == (reply.status == 200)
    return reply.status == 304


def test_past_the_rate_an_address_is_told_when_to_try_again() -> None:
    with Service("--set", "limits.publish_burst=3", "--set", "limits.publishes_per_s=0.01") as small:
        path = "/api/v1/rooms/chat/r/publications"
        codes = [ask(small, "POST", path, {"event": "say", "data": n})[0] for n in range(4)]
        assert codes == [201, 201, 201, 429]
        assert int(ask(small, "POST", path, {"event": "say", "data": 9})[2]["Retry-After"]) >= 1

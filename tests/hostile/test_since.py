"""Positions that never were, or that ask for more than there is, on every way that takes one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from rt_service.gateways.grpc import realtime_pb2 as rt
from tests.hostile import ways
from tests.hostile.siege import Siege
from tests.support.grpc_client import GrpcChannel, error_of, refused
from tests.support.raw_http import RawHttp, said
from tests.support.raw_ws import RawWebSocket

MORE = {"arguments": ("--grpc-port", "0")}
BAD_REQUEST = 'rt_refused_total{code="bad_request"}'
HUGE = [2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 2**200]
NO_OFFSETS: list[Any] = [-1, 1.5, "1", None, [], {}, True, 1e300, "1e3", *HUGE[1:]]
NO_EPOCHS: list[Any] = [None, 7, [], {}, True]
NO_POSITIONS: list[Any] = [[], "x:1", 7, True, {}, {"epoch": "x"}, {"offset": 1}, ["x", 1]]
NO_TEXTS = [
    "x", ":", ":1", "x:", "x:-1", "x:1.0", "x:1e3", "x:+1", "x: 1", " x:1", "x:1:1:", "x\0:1", "x/y:1", "x#:1", "é:1",
    "x:" + "9" * 5000, "x" * 5000 + ":1", "x:\N{ARABIC-INDIC DIGIT ONE}", "x:1\r\nX: y", "x:0x1", "x:1_0",
]  # fmt: skip


@pytest.fixture
def epoch(siege: Siege) -> str:
    with ways.plain(siege.service) as ws:
        found = ways.ask(ws, "join", room="since")["epoch"]
        for n in range(3):
            assert ways.ask(ws, "publish", room="since", event="say", data=n)["ok"]
    return str(found)


@pytest.mark.parametrize("verb", ["join", "history"])
def test_a_client_whose_since_is_no_position(siege: Siege, verb: str, epoch: str) -> None:
    wrong = [{"epoch": epoch, "offset": one} for one in NO_OFFSETS]
    wrong += [{"epoch": one, "offset": 1} for one in NO_EPOCHS]
    with siege.attack(BAD_REQUEST) as service, ways.plain(service) as ws:
        for since in (*wrong, *NO_POSITIONS):
            refused_ = ways.ask(ws, verb, room="since", since=since)
            assert refused_["error"]["code"] in ("bad_request", "invalid_data"), since
        assert ways.ask(ws, verb, room="since", since=None)["ok"]


@pytest.mark.parametrize("since", [0, 1, 3, 4, 1000, 2**53])
def test_a_client_that_was_further_than_the_room_is(siege: Siege, since: int, epoch: str) -> None:
    with siege.attack() as service, ways.plain(service) as ws:
        position = {"epoch": epoch, "offset": since}
        offset = ways.ask(ws, "history", room="since", limit=1)["offset"]
        joined = ways.ask(ws, "join", room="since", since=position)
        assert joined["recovered"] is (since <= offset)
        assert len(joined["publications"]) == max(0, offset - since)
        for reverse in (False, True):
            assert ways.ask(ws, "history", room="since", since=position, reverse=reverse)["ok"]


@pytest.mark.parametrize("other", ["", "x", "0" * 100_000, "\N{SNOWMAN}", "' OR 1=1", "a\0b"])
def test_a_client_that_comes_from_an_epoch_that_never_was(siege: Siege, other: str, epoch: str) -> None:
    with siege.attack() as service, ways.plain(service) as ws:
        joined = ways.ask(ws, "join", room="since", since={"epoch": other, "offset": 1})
        assert (joined["recovered"], joined["publications"], joined["epoch"]) == (False, [], epoch)


def test_a_request_whose_since_is_no_position(siege: Siege, epoch: str) -> None:
    with siege.attack(BAD_REQUEST) as service, RawHttp(service) as client:
        for path in ("stream", "publications", "publications&wait=1"):
            for text in NO_TEXTS:
                name, _, more = path.partition("&")
                target = f"/api/v1/rooms/chat/since/{name}?since={quote(text[:4000])}&{more}"
                assert client.send(said("GET", target)).reply().code == "bad_request", text
        for text in NO_TEXTS:
            if text.isascii() and text.isprintable() and text.strip() == text:
                reply = client.send(said("GET", "/api/v1/rooms/chat/since/stream", f"Last-Event-ID: {text}")).reply()
                assert reply.code == "bad_request", text


NO_QUERIES = [
    "limit=0", "limit=-1", "limit=1001", "limit=x", "limit=" + "9" * 4000, "reverse=2", "reverse=x", "wait=-1",
    "wait=61", "wait=nan", "wait=inf", "wait=1e999", "wait=x",
]  # fmt: skip


@pytest.mark.parametrize("query", NO_QUERIES)
def test_a_request_that_asks_for_more_than_there_may_be(siege: Siege, query: str) -> None:
    with siege.attack(BAD_REQUEST) as service, RawHttp(service) as client:
        reply = client.send(said("GET", f"/api/v1/rooms/chat/since/publications?{query}")).reply()
        assert reply.code == "bad_request"


def test_a_stream_that_begins_where_nobody_was(siege: Siege, epoch: str) -> None:
    with siege.attack() as service:
        for since in (f"{epoch}:999999", "nobody:1", f"{epoch}:{10**14}"):
            with RawHttp(service) as client:
                client.send(said("GET", f"/api/v1/rooms/chat/since/stream?since={since}"))
                head = client.socket.recv(65536)
                assert b"200 OK" in head and b"Stream-Recovered: false" in head


def test_a_subscriber_over_grpc_whose_since_is_no_position(siege: Siege, epoch: str) -> None:
    with siege.attack(BAD_REQUEST) as service, GrpcChannel(service.grpc) as channel:
        for since in (rt.Position(epoch=epoch, offset=2**63 - 1), rt.Position(epoch=epoch, offset=2**53 + 1)):
            stream = channel.subscribe("since", since=since, user="since")
            assert refused(error_of(lambda stream=stream: next(stream)))[1] == "bad_request"
        joined = next(channel.subscribe("since", since=rt.Position(epoch="x" * 1000, offset=1), user="since")).joined
        assert not joined.recovered


def test_members_that_join_again_from_everywhere(siege: Siege, epoch: str) -> None:
    with siege.attack() as service, ways.plain(service) as ws:
        for n in range(100):
            position = {"epoch": epoch, "offset": n % 5}
            assert ways.ask(ws, "join", room="since", since=position)["ok"] or n > 40
        say_and_see(ws)


def say_and_see(ws: RawWebSocket) -> None:
    """A publication comes once, however often its room was joined."""
    ws.send(json.dumps({"op": "publish", "ns": "/chat", "room": "since", "event": "once", "data": 1, "ref": 2}))
    seen = []
    while True:
        said_ = json.loads(ws.text())
        if said_.get("ref") == 2:
            break
        seen.append(said_)
    assert [one["event"] for one in seen if one["push"] == "publication"] == ["once"]

"""Streams and long polling: what their clients may rely on besides the contract of all ways in."""

from __future__ import annotations

import json
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.http_client import HttpClient, Stream
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


def url(service: Service, room: str, what: str = "stream") -> str:
    return f"{service.http}/api/v1/rooms/chat/{room}/{what}"


def publish(service: Service, room: str, data: Any, **more: Any) -> dict[str, Any]:
    reply = requests.post(url(service, room, "publications"), json={"event": "say", "data": data, **more}, timeout=30)
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


class RawStream:
    """A stream whose bytes are read as they come, or not at all."""

    def __init__(self, service: Service, path: str, buffer: int | None = None, **headers: str) -> None:
        parts = urlsplit(service.http)
        self.socket = socket.socket()
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(30)
        self.socket.connect((parts.hostname, parts.port))
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{lines}\r\n".encode())
        self.data = b""

    def until(self, mark: bytes) -> bytes:
        """Everything up to `mark`, which is read once."""
        while mark not in self.data:
            more = self.socket.recv(65_536)
            assert more, self.data[-2000:]
            self.data += more
        found, _, self.data = self.data.partition(mark)
        return found + mark

    def rest(self) -> bytes:
        while more := self.socket.recv(65_536):
            self.data += more
        return self.data

    def close(self) -> None:
        self.socket.close()


def events(text: bytes) -> list[dict[str, str]]:
    """The fields of each event of an SSE body whose chunks are events."""
    body = b"\n".join(line for line in text.split(b"\r\n") if b"\n" in line).decode()
    blocks = [block for block in body.split("\n\n") if block.strip()]
    return [dict(line.split(": ", 1) for line in block.strip().split("\n")) for block in blocks]


def test_an_event_stream_is_what_a_browser_reads(service: Service) -> None:
    stream = RawStream(service, "/api/v1/rooms/chat/sse/stream")
    head = stream.until(b"\r\n\r\n").decode()
    assert head.startswith("HTTP/1.1 200") and "Content-Type: text/event-stream; charset=utf-8" in head
    assert "Cache-Control: no-store" in head
    kept = publish(service, "sse", {"text": "a\nb\u2028c"})
    publish(service, "sse", 2, **{"class": "volatile"})
    first, said, volatile = events(stream.until(b'"data":2') + stream.until(b"\n\n\r\n"))
    assert first == {"retry": "2000", "id": f"{kept['epoch']}:0"}
    assert (said["event"], said["id"]) == ("say", f"{kept['epoch']}:1")
    assert json.loads(said["data"])["data"] == {"text": "a\nb\u2028c"}
    assert "id" not in volatile
    stream.close()


def test_a_browser_that_reconnects_is_sent_what_it_missed_by_its_last_event_id(service: Service) -> None:
    kept = [publish(service, "again", n) for n in range(5)]
    last = f"{kept[1]['epoch']}:{kept[1]['offset']}"
    stream = RawStream(service, f"/api/v1/rooms/chat/again/stream?since={kept[0]['epoch']}:0", Last_Event_ID=last)
    assert b"Stream-Recovered: true" in stream.until(b"\r\n\r\n")
    publish(service, "again", 5)
    seen = events(stream.until(b'"data":5') + stream.until(b"\n\n\r\n"))
    assert [json.loads(event["data"])["data"] for event in seen if "data" in event] == [2, 3, 4, 5]
    stream.close()


def test_who_missed_too_much_is_told_where_the_stream_begins(service: Service) -> None:
    kept = publish(service, "lost", 1)
    stream = RawStream(service, "/api/v1/rooms/chat/lost/stream", Last_Event_ID="gone:3")
    assert b"Stream-Recovered: false" in stream.until(b"\r\n\r\n")
    start, told = events(stream.until(b"event: connect") + stream.until(b"\n\n\r\n"))
    assert start["id"] == f"{kept['epoch']}:1"
    assert json.loads(told["data"]) == {"epoch": kept["epoch"], "offset": 1, "recovered": False}
    stream.close()


@pytest.mark.parametrize("said", ["7", "a:b", ":3", "a b:1", "e:-1", "e:1e9", "e:" + "9" * 30, "x" * 100 + ":1", "e:٣"])
def test_a_last_event_id_that_is_none_is_refused(service: Service, said: str) -> None:
    for reply in (
        requests.get(url(service, "r"), headers={"Last-Event-ID": said.encode()}, timeout=30),
        requests.get(url(service, "r"), {"since": said}, timeout=30),
    ):
        assert reply.status_code == 400 and reply.json()["error"]["code"] == "bad_request"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/rooms/nowhere/r/stream", 404, "not_found"),
        ("/api/v1/rooms/chat/a%20b/stream", 400, "invalid_room"),
        ("/api/v1/rooms/chat/r/stream?user=a%20b", 400, "bad_request"),
        ("/api/v1/rooms/chat/r/publications?wait=1e9", 400, "bad_request"),
        ("/api/v1/rooms/chat/r/publications?wait=nan", 400, "bad_request"),
        ("/api/v1/rooms/chat/r/publications?wait=-1", 400, "bad_request"),
        ("/api/v1/rooms/chat/r/publications?wait=soon", 400, "bad_request"),
        ("/api/v1/rooms/chat/a%20b/publications?wait=1", 400, "invalid_room"),
    ],
)
def test_what_cannot_be_streamed_is_refused(service: Service, path: str, status: int, code: str) -> None:
    found, answer = service.get(path)
    assert (found, answer["error"]["code"]) == (status, code)


def test_a_request_of_http_1_0_is_told_what_a_stream_needs(service: Service) -> None:
    stream = RawStream(service, "/livez")
    stream.close()
    parts = urlsplit(service.http)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=30) as old:
        old.sendall(b"GET /api/v1/rooms/chat/r/stream HTTP/1.0\r\n\r\n")
        assert b"a stream needs HTTP/1.1" in b"".join(iter(lambda: old.recv(4096), b""))


def test_a_stream_is_a_member_of_its_room_until_it_ends(service: Service) -> None:
    with SocketIoClient(service.http, "/chat", "watcher") as watcher:
        watcher.ok("join", room="seen")
        with HttpClient(service.http, "Server-Sent Events", user="reader") as reader:
            reader.ok("join", room="seen")
            eventually(lambda: [p["action"] for p in watcher.pushed("presence")] == ["join"])
            assert watcher.ok("send", to="user:reader", event="note", data=1)["delivered"] == 1
            eventually(lambda: [p["data"] for p in reader.publications] == [1])
            assert watcher.refused("call", to="user:reader", method="m") == "not_online"
        eventually(lambda: [p["action"] for p in watcher.pushed("presence")] == ["join", "leave"])
        eventually(lambda: service.metric("rt_sessions", transport="sse") == 0)


def test_a_call_goes_to_the_session_that_can_answer_it(service: Service) -> None:
    with SocketIoClient(service.http, "/chat", "both") as callee, SocketIoClient(service.http, "/chat") as caller:
        callee.on_call = lambda call: call["data"]
        with HttpClient(service.http, "NDJSON", user="both") as reader:
            reader.ok("join", room="r")
            assert caller.ok("call", to="user:both", method="echo", data=7)["data"] == 7


def test_a_request_that_waits_is_nobody_and_answered_when_something_is_said(service: Service) -> None:
    answers: list[Any] = []
    with SocketIoClient(service.http, "/chat", "poller") as page:
        page.ok("join", room="poll")
        path = "/api/v1/rooms/chat/poll/publications?wait=30"
        waiting = threading.Thread(target=lambda: answers.append(service.get(path)))
        waiting.start()
        eventually(lambda: service.metric("rt_polls") == 1)
        assert [member["id"] for member in page.ok("presence", room="poll")["members"]] == ["poller"]
        page.ok("publish", room="poll", event="say", data=0, **{"class": "volatile"})
        began = time.monotonic()
        page.ok("publish", room="poll", event="say", data=1)
        waiting.join(30)
        assert time.monotonic() - began < 20 and [p["data"] for p in answers[0][1]["publications"]] == [1]
        eventually(lambda: service.metric("rt_polls") == 0)
        before = service.metric("rt_deliveries_total", namespace="/chat")
        page.ok("publish", room="poll", event="say", data=2)
        assert service.metric("rt_deliveries_total", namespace="/chat") == before + 1  # to the page alone


def test_what_is_there_already_is_answered_at_once(service: Service) -> None:
    kept = publish(service, "ready", 1)
    began = time.monotonic()
    _, answer = service.get(f"/api/v1/rooms/chat/ready/publications?since={kept['epoch']}:0&wait=30")
    assert [p["data"] for p in answer["publications"]] == [1] and time.monotonic() - began < 20


def test_a_request_that_waits_for_nothing_is_answered_when_its_time_is_over(service: Service) -> None:
    began = time.monotonic()
    status, answer = service.get("/api/v1/rooms/chat/quiet/publications?wait=0.5")
    assert status == 200 and answer["publications"] == [] and 0.4 < time.monotonic() - began < 20


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
def test_a_thousand_streams_on_one_process_all_hear_and_all_leave(accept: str) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with Service("--set", "limits.presence_members=1", "--engine", "memory") as service:
        streams = [RawStream(service, "/api/v1/rooms/chat/full/stream", Accept=accept) for _ in range(1000)]
        for stream in streams:
            assert stream.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        for n in range(3):
            publish(service, "full", n)
        for stream in streams:
            text = stream.until(b'"data":2')
            assert b'"data":0' in text and b'"data":1' in text
        assert service.process is not None and len(os.listdir(f"/proc/{service.process.pid}/task")) < 50
        for stream in streams:
            stream.close()
        eventually(lambda: service.get("/api/v1/rooms/chat/full/members")[1]["members"] == [])


def test_a_stream_that_is_not_read_is_ended_and_recovered_from_where_it_was() -> None:
    options = [
        "limits.waiting_bytes=200000",
        "limits.publishes_per_s=100000",
        "limits.publish_burst=100000",
        "history.publications=5000",
    ]
    with Service(*(part for option in options for part in ("--set", option))) as service:
        path = "/api/v1/rooms/chat/slow/stream?user=slow"
        stream = RawStream(service, path, buffer=4096)
        stream.until(b"\n\n")
        with SocketIoClient(service.http, "/chat", "loud") as loud:
            loud.ok("join", room="slow")
            said = 0
            while not service.metric("rt_sessions_closed_total", reason="slow"):
                assert said < 5000
                for n in range(said, said + 20):
                    loud.ok("publish", room="slow", event="say", data={"n": n, "pad": "x" * 10_000})
                said += 20
        seen = events(stream.rest())
        assert seen[-1]["event"] == "closing" and json.loads(seen[-1]["data"])["code"] == "slow"
        assert stream.data.endswith(b"0\r\n\r\n")
        numbers = [json.loads(event["data"])["data"]["n"] for event in seen if event.get("event") == "say"]
        assert numbers == list(range(len(numbers))) and len(numbers) < said
        last = [event["id"] for event in seen if "id" in event][-1]
        again = Stream("Server-Sent Events", url(service, "slow").removesuffix("/stream"), "slow", last)
        eventually(lambda: len(numbers) + len(again.publications) == said)
        assert again.recovered and again.publications[0]["data"]["n"] == len(numbers)
        again.close()


def test_who_recovers_more_than_may_wait_gets_all_of_it() -> None:
    options = ["limits.waiting_bytes=100000", "limits.publishes_per_s=100000", "limits.publish_burst=100000"]
    with Service(*(part for option in options for part in ("--set", option))) as service:
        first = publish(service, "much", {"n": 0})
        with SocketIoClient(service.http, "/chat", "loud") as loud:
            loud.ok("join", room="much")
            for n in range(1, 300):
                loud.ok("publish", room="much", event="say", data={"n": n, "pad": "x" * 10_000})
            base = url(service, "much").removesuffix("/stream")
            stream = Stream("NDJSON", base, "much", f"{first['epoch']}:0")
            eventually(lambda: len(stream.publications) == 300)
            assert [p["data"]["n"] for p in stream.publications] == list(range(300))
            stream.close()


def test_a_service_that_stops_says_so_and_answers_who_waits() -> None:
    with Service() as service:
        lines = Stream("NDJSON", url(service, "end").removesuffix("/stream"), "a")
        events = Stream("Server-Sent Events", url(service, "end").removesuffix("/stream"), "b")
        answers: list[Any] = []
        path = "/api/v1/rooms/chat/end/publications?wait=60"
        waiting = threading.Thread(target=lambda: answers.append(service.get(path)))
        waiting.start()
        eventually(lambda: service.metric("rt_polls") == 1)
        assert service.stop() == 0
        waiting.join(30)
        assert answers[0][0] == 200 and answers[0][1]["publications"] == []
        for stream in (lines, events):
            eventually(lambda stream=stream: stream.over)
            (closing,) = [body for name, body in stream.others if name == "closing"]
            assert closing["code"] == "shutdown" and closing["reconnect"] is True


def test_within_a_heartbeat_a_quiet_stream_gets_a_comment_and_a_poller_that_left_is_noticed(service: Service) -> None:
    poller = RawStream(service, "/api/v1/rooms/chat/quiet/publications?wait=60")
    eventually(lambda: service.metric("rt_polls") == 1)
    poller.close()
    stream = RawStream(service, "/api/v1/rooms/chat/quiet/stream")
    stream.until(b"\n\n\r\n")
    stream.socket.settimeout(30)
    assert stream.until(b": \n\n")
    eventually(lambda: service.metric("rt_polls") == 0)
    stream.close()

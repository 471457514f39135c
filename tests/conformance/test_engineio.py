"""Engine.IO protocol v4 on the wire: every behaviour that the protocol's own suite looks at, and those around it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.raw_ws import BINARY, CLOSE, Http, RawWebSocket, masked
from tests.support.waiting import eventually

POLL = "/engine.io/?EIO=4&transport=polling"
WS = "/engine.io/?EIO=4&transport=websocket"
PINGED_POLL = "/pings.io/?EIO=4&transport=polling"
PINGED_WS = "/pings.io/?EIO=4&transport=websocket"
PING_S, ANSWER_S = 0.3, 4.0  # there: between pings, and to answer one


@pytest.fixture
def http(app: str) -> Iterator[Callable[[], Http]]:
    opened: list[Http] = []

    def connect() -> Http:
        opened.append(Http(app))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.fixture
def ws(app: str) -> Iterator[Callable[..., RawWebSocket]]:
    opened: list[RawWebSocket] = []

    def connect(path: str = WS, **options: Any) -> RawWebSocket:
        opened.append(RawWebSocket(app, path, **options))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def open_polling(http: Http, path: str = POLL) -> tuple[str, dict[str, Any]]:
    """The path of a new session, and what the server told about it."""
    status, body = http.ask("GET", path)
    assert status == 200 and body[0] == "0"
    told = json.loads(body[1:])
    return f"{path}&sid={told['sid']}", told


# -- handshake


def test_polling_opens_a_session_and_says_its_times_as_they_are(http: Any) -> None:
    _, told = open_polling(http(), PINGED_POLL)
    sid = told.pop("sid")
    assert isinstance(sid, str) and len(sid) >= 16
    assert told == {"upgrades": ["websocket"], "pingInterval": 300, "pingTimeout": 4000, "maxPayload": 1_000_000}


def test_a_websocket_opens_a_session_with_nothing_to_upgrade_to(ws: Any) -> None:
    told = json.loads(ws(PINGED_WS).text()[1:])
    assert set(told) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}
    assert (told["upgrades"], told["pingInterval"], told["pingTimeout"]) == ([], 300, 4000)


@pytest.mark.parametrize(
    "query",
    [
        "transport=polling", "EIO=abc&transport=polling", "EIO=3&transport=polling", "EIO=4", "EIO=4&transport=abc",
        "EIO=4&transport=", "", "EIO=4&transport=polling&sid=unknown", "EIO=4&transport=websocket",
        "transport=polling&sid=unknown", "EIO=4&EIO=3&transport=polling",
    ],
)  # fmt: skip
def test_a_wrong_handshake_is_a_bad_request(http: Any, query: str) -> None:
    status, body = http().ask("GET", f"/engine.io/?{query}")
    assert status == 400 and set(json.loads(body)) == {"code", "message"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD"])
def test_another_method_is_a_bad_request(http: Any, method: str) -> None:
    assert http().ask(method, POLL)[0] == 400


@pytest.mark.parametrize(
    "query", ["transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"]
)
def test_a_wrong_websocket_handshake_gets_no_websocket(ws: Any, query: str) -> None:
    assert ws(f"/engine.io/?{query}").status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-WebSocket-Version": "8"}, {"Sec-WebSocket-Key": "short"}, {"Sec-WebSocket-Key": "!" * 24},
        {"Upgrade": "h2c"}, {"Connection": "keep-alive"}, {"Sec-WebSocket-Key": None},
    ],
)  # fmt: skip
def test_a_websocket_handshake_with_wrong_headers_is_a_bad_request(ws: Any, headers: dict[str, str]) -> None:
    assert ws(headers=headers).status == 400


# -- messages over polling


@pytest.mark.parametrize("sent", ["4hello", "4test1\x1e4test2\x1e4test3", "4hello\x1ebAQIDBA==", "4ä€😀", "4"])
def test_packets_over_polling_come_back_as_they_were(http: Any, sent: str) -> None:
    client = http()
    path, _ = open_polling(client)
    assert client.ask("POST", path, sent.encode()) == (200, "ok")
    assert client.ask("GET", path) == (200, sent)


def test_many_packets_in_one_post_are_all_handled(http: Any) -> None:
    client = http()
    path, _ = open_polling(client)
    assert client.ask("POST", path, "\x1e".join(f"4{n}" for n in range(500)).encode()) == (200, "ok")
    got: list[str] = []
    while len(got) < 500:
        status, body = client.ask("GET", path)
        packets = body.split("\x1e")
        assert status == 200 and len(packets) <= 16  # python-engineio's client takes no more at once
        got += [packet for packet in packets if packet != "2"]
    assert got == [f"4{n}" for n in range(500)]


@pytest.mark.parametrize("body", [b"abc", b"9", b"", b"4ok\x1eabc", b"4\xff", b"b!!!", b"0{}", b"5", b"2probe", b"2"])
def test_what_is_no_payload_is_a_bad_request_and_ends_the_session(http: Any, body: bytes) -> None:
    client = http()
    path, _ = open_polling(client)
    assert client.ask("POST", path, body)[0] == 400
    assert client.ask("GET", path)[0] == 400


def test_a_payload_larger_than_announced_is_refused_and_ends_the_session(http: Any) -> None:
    client = http()
    path, _ = open_polling(client)
    assert client.ask("POST", path, b"4" + b"x" * 1_000_001)[0] == 400
    assert http().ask("GET", path)[0] == 400


def test_a_second_parallel_poll_ends_the_session(http: Any) -> None:
    path, _ = open_polling(http())
    answers: list[tuple[int, str]] = []
    polls = [threading.Thread(target=lambda: answers.append(http().ask("GET", path))) for _ in range(2)]
    for poll in polls:
        poll.start()
    for poll in polls:
        poll.join(30)
    assert sorted(status for status, _ in answers) == [200, 400]
    assert dict(answers)[200] == "1"
    assert http().ask("GET", path)[0] == 400


# -- messages over a WebSocket


def test_text_and_binary_over_a_websocket_come_back(ws: Any) -> None:
    client = ws()
    client.text()
    client.send("4hello", masked(BINARY, b"\x01\x02\x03\x04"))
    assert client.text() == "4hello"
    assert client.frame() == (BINARY, b"\x01\x02\x03\x04")


def test_a_message_that_reads_like_a_number_or_a_literal_stays_text(ws: Any) -> None:
    client = ws()
    client.text()
    for sent in ("4true", "4null", "4123", '4{"a":1}'):
        client.send(sent)
        assert client.text() == sent


@pytest.mark.parametrize("sent", ["abc", "", "9", "0{}", "2", "5", "2probe", "7"])
def test_what_is_no_packet_closes_the_websocket_with_a_close_frame(ws: Any, sent: str) -> None:
    client = ws()
    client.text()
    client.send(sent)
    assert client.ended() == 1002


def test_garbage_instead_of_frames_closes_the_websocket_and_is_never_answered_in_http(ws: Any) -> None:
    client = ws()
    client.text()
    client.send(b"GET / HTTP/1.1\r\n\r\n" * 10)
    frame = client.frame()
    assert frame is not None and frame[0] == CLOSE
    assert client.frame() is None


# -- heartbeat


def test_polling_is_pinged_and_kept_as_long_as_it_answers(http: Any) -> None:
    client = http()
    path, _ = open_polling(client, PINGED_POLL)
    opened = time.monotonic()
    while time.monotonic() < opened + PING_S + ANSWER_S + 1:
        assert client.ask("GET", path) == (200, "2")
        assert client.ask("POST", path, b"3") == (200, "ok")


def test_a_polling_session_that_does_not_answer_ends_at_its_timeout(http: Any) -> None:
    client = http()
    began = time.monotonic()
    path, _ = open_polling(client, PINGED_POLL)
    assert client.ask("GET", path) == (200, "2")
    status, body = client.ask("GET", path)  # nothing is sent any more, until the session ends
    assert (status, body) == (200, "1") and time.monotonic() - began > ANSWER_S
    assert client.ask("GET", path)[0] == 400


def test_a_websocket_is_pinged_and_kept_as_long_as_it_answers(ws: Any) -> None:
    client = ws(PINGED_WS)
    client.text()
    opened = time.monotonic()
    while time.monotonic() < opened + PING_S + ANSWER_S + 1:
        assert client.frame() == (1, b"2")
        client.send("3")


def test_a_websocket_that_does_not_answer_is_closed_at_its_timeout(ws: Any) -> None:
    began = time.monotonic()
    client = ws(PINGED_WS)
    client.text()
    assert client.ended() is not None
    assert time.monotonic() - began > ANSWER_S


# -- close


def test_a_client_ends_its_polling_session_and_its_poll_is_answered(http: Any) -> None:
    path, _ = open_polling(http())
    answers: list[tuple[int, str]] = []
    polling = threading.Thread(target=lambda: answers.append(http().ask("GET", path)))
    polling.start()
    time.sleep(0.05)  # the poll has to be there first; the test holds too if it is not
    assert http().ask("POST", path, b"1") == (200, "ok")
    polling.join(30)
    assert answers[0] in ((200, "6"), (400, answers[0][1]))
    assert http().ask("GET", path)[0] == 400


def test_a_client_ends_its_websocket_session(ws: Any) -> None:
    client = ws()
    client.text()
    client.send("1")
    assert client.ended() is not None


# -- upgrade


def upgraded(http: Any, ws: Any) -> tuple[str, Any]:
    path, told = open_polling(http())
    client = ws(f"{WS}&sid={told['sid']}")
    client.send("2probe")
    assert client.text() == "3probe"
    return path, client


def test_polling_upgrades_to_a_websocket(http: Any, ws: Any) -> None:
    path, client = upgraded(http, ws)
    assert http().ask("GET", path) == (200, "6")
    client.send("5", "4hello")
    assert client.text() == "4hello"


def test_a_poll_that_waits_is_ended_by_the_probe(http: Any, ws: Any) -> None:
    path, told = open_polling(http())
    answers: list[tuple[int, str]] = []
    polling = threading.Thread(target=lambda: answers.append(http().ask("GET", path)))
    polling.start()
    client = ws(f"{WS}&sid={told['sid']}")
    client.send("2probe")
    polling.join(30)
    assert answers == [(200, "6")]


def test_what_waits_for_the_next_poll_comes_over_the_websocket_without_a_noop(http: Any, ws: Any) -> None:
    path, client = upgraded(http, ws)
    assert http().ask("POST", path, b"4one\x1e4two") == (200, "ok")
    client.send("5", "4three")
    assert [client.text() for _ in range(3)] == ["4one", "4two", "4three"]


def test_http_is_refused_after_the_upgrade_and_the_session_lives_on(http: Any, ws: Any) -> None:
    path, client = upgraded(http, ws)
    client.send("5", "4a")
    assert client.text() == "4a"
    assert http().ask("GET", path)[0] == 400
    assert http().ask("POST", path, b"4x")[0] == 400
    client.send("4hello")
    assert client.text() == "4hello"


def test_a_second_websocket_for_a_session_is_accepted_and_closed(http: Any, ws: Any) -> None:
    path, client = upgraded(http, ws)
    client.send("5", "4a")
    assert client.text() == "4a"
    second = ws(f"{WS}&sid={path.rpartition('=')[2]}")
    assert second.status == 101 and second.ended() is not None
    client.send("4hello")
    assert client.text() == "4hello"


@pytest.mark.parametrize("sent", ["2wrong", "5", "4hello", "garbage"])
def test_a_failed_probe_leaves_the_polling_session_as_it_was(http: Any, ws: Any, sent: str) -> None:
    client = http()
    path, told = open_polling(client)
    probe = ws(f"{WS}&sid={told['sid']}")
    probe.send(sent)
    assert probe.ended() is not None
    assert client.ask("POST", path, b"4still") == (200, "ok")
    assert client.ask("GET", path) == (200, "4still")


def test_a_probe_that_goes_away_leaves_the_polling_session_as_it_was(http: Any, ws: Any) -> None:
    client = http()
    path, told = open_polling(client)
    probe = ws(f"{WS}&sid={told['sid']}")
    probe.send("2probe")
    assert probe.text() == "3probe"
    probe.close()
    assert client.ask("POST", path, b"4still") == (200, "ok")
    eventually(lambda: "4still" in client.ask("GET", path)[1])  # "6" until the server knows that it is gone


def test_an_unknown_session_cannot_be_upgraded(ws: Any) -> None:
    assert ws(f"{WS}&sid=unknown").status == 400


# -- browsers


def test_a_preflight_is_answered(http: Any) -> None:
    assert http().ask("OPTIONS", POLL, headers={"Access-Control-Request-Headers": "x"})[0] == 200


def test_a_long_poll_is_compressed_for_those_who_take_it(app: str, http: Any) -> None:
    import gzip
    from http.client import HTTPConnection
    from urllib.parse import urlsplit

    client = http()
    path, _ = open_polling(client)
    client.ask("POST", path, b"4" + b"x" * 5000)
    connection = HTTPConnection(urlsplit(app).netloc, timeout=30)
    connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
    reply = connection.getresponse()
    body = reply.read()
    assert reply.getheader("Content-Encoding") == "gzip" and gzip.decompress(body).startswith(b"4xxx")
    connection.close()

"""rt_client when the network breaks, the service is killed, or too much comes: nothing is lost, nothing told twice."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rt_client import Client, Closing, Publication, RtError
from rt_client.link import Link
from rt_client.room import WAITING_MOST
from tests.support import tokens
from tests.support.proxy import Proxy
from tests.support.python_client import (
    VAIN_S,
    fast_service,
    hears,
    lose_answers,
    post,
    returns,
    through,
    wait_in_vain_longer,
)
from tests.support.service import Service
from tests.support.token_mode import TOKEN_MODE
from tests.support.waiting import eventually

_numbers = itertools.count()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with fast_service() as running:
        yield running


@pytest.fixture
def name() -> str:
    """A room of the test's own."""
    return f"recovery-{next(_numbers)}"


@pytest.fixture
def other(service: Service, name: str) -> Iterator[Client]:
    """Somebody whose network is well."""
    with Client(service.http, user=f"other-{name}") as client:
        yield client


# -- when it breaks


def test_nothing_is_lost_or_repeated_when_the_service_is_killed(name: str) -> None:
    with Service() as service, Client(service.http, user="bob") as bob, Client(service.http, user="alice") as alice:
        heard, joined = hears(bob.join(name)), returns(bob.join(name))
        room, enough = alice.join(name), threading.Event()
        offsets: list[int | None] = []

        def talk() -> None:
            while not enough.is_set():
                offsets.append(room.publish("say", len(offsets)).offset)

        talker = threading.Thread(target=talk)
        talker.start()
        for _ in range(3):
            already = len(heard)
            eventually(lambda more=already + 20: len(heard) >= more)
            service.kill()  # amidst them
            service.restart()
        enough.set()
        talker.join(30)
        eventually(lambda: len(heard) >= len(offsets), 30)
        assert heard == list(range(len(offsets)))
        assert offsets == list(range(1, len(offsets) + 1))
        assert [one.recovered for one in joined] == [True] * 3


@pytest.mark.parametrize("user", ["alice", None])
def test_what_is_published_while_the_service_is_down_arrives_once(name: str, user: str | None) -> None:
    with Service() as service, Client(service.http, user="bob") as bob, Client(service.http, user=user) as alice:
        heard, room = hears(bob.join(name)), alice.join(name)
        service.kill()
        eventually(lambda: alice._link is None)
        with pytest.raises(RtError, match="unavailable: not connected"):
            alice.ping()
        began = time.monotonic()
        with pytest.raises(RtError, match="timeout"):
            room.publish("cursor", 1, class_="volatile")  # now or never
        assert time.monotonic() - began < 10  # of the thirty seconds that another one waits
        with pytest.raises(RtError, match="timeout"):
            room.publish("late", 1, timeout_s=0.2)
        with pytest.raises(RtError, match="timeout"):
            alice.join(name, timeout_s=0.1)  # it does not leave the room that it had joined before
        receipts: list[int | None] = []
        talker = threading.Thread(target=lambda: receipts.append(room.publish("say", 1).offset))
        talker.start()
        service.restart()
        talker.join(30)
        eventually(lambda: heard == [1])
        assert receipts == [1] and room.publish("say", 2).offset == 2  # what was late did not come after all
        eventually(lambda: heard == [1, 2])


@pytest.mark.parametrize("user", ["alice", None])
def test_a_publication_whose_answer_is_lost_is_there_once(
    service: Service, other: Client, name: str, user: str | None
) -> None:
    heard = hears(other.join(name))
    with Proxy(service.port) as proxy, Client(through(proxy), user=user and f"{user}-{name}") as alice:
        room = alice.join(name)
        for n in range(3):
            lose_answers(proxy)
            talker = threading.Thread(target=room.publish, args=("say", n))
            talker.start()
            eventually(lambda now=n: heard == list(range(now + 1)))  # it is kept
            proxy.cut()
            proxy.mend()
            talker.join(30)
            assert not talker.is_alive()
        assert room.publish("say", 3).offset == 4
        eventually(lambda: heard[3:] == [3])


def test_what_was_missed_is_told_before_what_is_new(service: Service, other: Client, name: str) -> None:
    alice = other.join(name)
    with Proxy(service.port) as proxy, Client(through(proxy)) as bob:
        room = bob.join(name)
        heard, joined = hears(room), returns(room)
        alice.publish("say", 0)
        eventually(lambda: heard == [0])
        proxy.cut()
        eventually(lambda: bob._link is None)
        post(service, name, range(1, 200))
        talker = threading.Thread(target=post, args=(service, name, range(200, 600)))
        talker.start()  # while it comes back
        proxy.mend()
        talker.join(10)
        eventually(lambda: len(heard) >= 600)
        assert heard == list(range(600))
        assert [one.recovered for one in joined] == [True]
        assert room.position.offset == 600


def test_a_call_whose_connection_breaks_raises_at_once(service: Service, other: Client, name: str) -> None:
    called, go_on = threading.Event(), threading.Event()
    other.on_call("wait", lambda data: called.set() or go_on.wait(10))
    with Proxy(service.port) as proxy, Client(through(proxy)) as alice:
        threading.Thread(target=lambda: called.wait(10) and proxy.cut()).start()
        began = time.monotonic()
        with pytest.raises(RtError, match="unavailable: the connection was lost"):
            alice.call(f"user:other-{name}", "wait", timeout_s=30)
        assert time.monotonic() - began < 15
        go_on.set()


def test_a_client_whose_network_is_gone_closes_at_once(
    service: Service, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(service.port) as proxy:
        with Client(through(proxy)) as alice:
            alice.join(name)
            proxy.lose()
            wait_in_vain_longer(monkeypatch)
            began = time.monotonic()
        assert time.monotonic() - began < VAIN_S


def test_a_gap_is_told(name: str) -> None:
    with (
        Service("--set", "history.publications=50") as service,
        Proxy(service.port) as proxy,
        Client(through(proxy)) as bob,
    ):
        room = bob.join(name)
        heard, joined = hears(room), returns(room)
        proxy.cut()
        eventually(lambda: bob._link is None)
        post(service, name, range(60))
        proxy.mend()
        eventually(lambda: joined)
        assert (joined[0].recovered, joined[0].missed, joined[0].position.offset) == (False, [], 60)
        post(service, name, range(60, 62))
        eventually(lambda: heard == [60, 61])


def test_a_room_in_memory_starts_again_with_the_service_and_goes_on_from_there(name: str) -> None:
    with Service() as service, Client(service.http, namespace="/game") as bob:
        room = bob.join(name)
        heard, joined = hears(room), returns(room)
        room.publish("say", 0)
        eventually(lambda: heard == [0])
        service.kill()
        service.restart()
        assert room.publish("say", 1).offset == 1
        eventually(lambda: heard == [0, 1])
        assert [one.recovered for one in joined] == [False]


def test_a_shutdown_is_told_and_followed_by_a_return_when_it_is_time(name: str) -> None:
    with Service() as service, Client(service.http) as alice:
        closings: list[Closing] = []
        room = alice.join(name)
        alice.on_closing(closings.append)
        told_at = time.monotonic()  # or a moment later
        assert service.stop() == 0
        with socket.create_server(("127.0.0.1", service.port)) as listener:
            listener.settimeout(30)
            listener.accept()[0].close()
            came_at = time.monotonic()
        (closing,) = eventually(lambda: closings)
        assert (closing.code, closing.reconnect) == ("shutdown", True)
        assert came_at - told_at > closing.retry_after_ms / 1000 - 0.1
        service.restart()
        assert room.publish("say", 1).offset == 1


def test_who_is_not_let_in_again_is_told(name: str) -> None:
    namespaces = 'server.namespaces=["/chat", "/game", "/extra"]'
    refused: list[RtError] = []
    closings: list[Closing] = []
    with (
        Service("--set", namespaces) as service,
        Client(service.http) as alice,
        Client(service.http, namespace="/extra") as bob,
    ):
        rooms = [alice.join(f"{name}-{n}") for n in range(2)]
        rooms[1].on_refused(refused.append)
        bob.on_closing(lambda closing: None if closing.reconnect else closings.append(closing))
        service.stop()
        with Service("--set", "limits.rooms_per_session=1", port=service.port):
            assert rooms[0].publish("say", 1).offset == 1
            eventually(lambda: refused and closings)
            with pytest.raises(RtError, match="too_many_requests: this session is in 1 rooms"):
                rooms[1].publish("say", 1)
            with pytest.raises(RtError, match="not_found: there is no namespace /extra"):
                bob.ping()
    assert [error.code for error in refused] == ["too_many_requests"]
    assert [closing.code for closing in closings] == ["not_found"]


def test_what_is_pushed_while_a_join_is_repeated_comes_after_what_was_missed(
    service: Service, other: Client, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = other.join(name)
    with Proxy(service.port) as proxy, Client(through(proxy)) as bob:
        heard = hears(bob.join(name))
        alice.publish("say", 0)
        eventually(lambda: heard == [0])
        proxy.cut()
        eventually(lambda: bob._link is None)
        alice.publish("say", 1)
        refused, original = threading.Event(), Link._handle_ack

        def once(link: Link, namespace: str | None, id: int, data: list[Any]) -> None:
            if link is bob._link and not refused.is_set():  # its join: it is a member, but hears that it is not
                data = [{"ok": False, "error": {"code": "unavailable", "message": "-", "retry_after_ms": 500}}]
                refused.set()
            original(link, namespace, id, data)

        def twice(link: Link, *event: Any) -> None:
            pushed(link, *event)
            pushed(link, *event)

        pushed = Link._handle_event
        monkeypatch.setattr(Link, "_handle_ack", once)
        monkeypatch.setattr(Link, "_handle_event", twice)
        proxy.mend()
        assert refused.wait(30)
        alice.publish("say", 2)
        eventually(lambda: len(heard) >= 3)
        alice.publish("say", 3)
        eventually(lambda: len(heard) >= 4)
        assert heard == [0, 1, 2, 3]


def test_a_token_function_that_fails_is_asked_again(name: str) -> None:
    asked: list[str] = []

    def token() -> str:
        asked.append(tokens.make(f"alice-{name}"))
        if len(asked) in (2, 3):
            raise OSError("whoever makes tokens is away")
        return asked[-1]

    with Service(*TOKEN_MODE) as service, Proxy(service.port) as proxy, Client(through(proxy), token=token) as alice:
        room = alice.join(name)
        proxy.cut()
        proxy.mend()  # before it asks for the fourth time
        assert room.publish("say", 1).offset == 1
        assert len(asked) == 4
    with pytest.raises(RtError, match="unavailable: no new token"):
        Client(service.http, token=[].pop).connect()


# -- when it is too much


def test_publications_that_are_refused_for_a_while_are_said_again_in_order(name: str) -> None:
    limits = ("--set", "limits.publishes_per_s=5", "--set", "limits.publish_burst=20")
    with Service(*limits) as service, Client(service.http) as alice:
        room = alice.join(name)
        heard = hears(room)
        count = 0
        while count < 20 or not service.metric("rt_refused_total", code="too_many_requests"):
            assert count < 1000
            room.publish("say", count)
            count += 1
        eventually(lambda: heard == list(range(count)))


def test_handlers_that_are_too_slow_get_the_rest_later_once_and_in_order(
    service: Service, other: Client, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    count, room, go_on = WAITING_MOST + 2000, other.join(name), threading.Event()
    heard: list[Any] = []

    @room.on("say")
    def slow(publication: Publication) -> None:
        go_on.wait(30)
        if publication.data == 0:
            room.publish("answer", None)  # while too much waits
        heard.append(publication.data)

    post(service, name, range(count))
    eventually(lambda: "too slow" in caplog.text)
    with Client(service.http) as caller, pytest.raises(RtError, match="too much waits here"):
        caller.call(f"user:other-{name}", "add")
    go_on.set()
    eventually(lambda: len(heard) >= count, 30)
    assert heard == list(range(count))
    assert room.publish("say", count).offset == count + 2
    eventually(lambda: heard[-1] == count)
    assert room.joined.recovered and room.joined.missed

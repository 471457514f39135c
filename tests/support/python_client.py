"""What tests of rt_client share: what a room's handlers hear, and networks that break."""

from __future__ import annotations

import contextlib
import json
import socket
import urllib.request
from typing import Any

import pytest

from rt_client import Joined, Room
from tests.support.proxy import Proxy
from tests.support.service import Service

VAIN_S = 20.0
FAST = (
    "limits.publishes_per_s=100000", "limits.publish_burst=100000", "history.publications=20000",
    "limits.new_room_burst=100000", "limits.presence_grace_s=60",
)  # fmt: skip


def fast_service() -> Service:
    """One that takes publications as fast as they come, and keeps many."""
    return Service(*(part for one in FAST for part in ("--set", one)))


def wait_in_vain_longer(patch: pytest.MonkeyPatch) -> None:
    """What a client waits for in vain when it closes takes longer than `VAIN_S`, and nothing else does."""
    patch.setattr("rt_client.link.GOODBYE_S", VAIN_S)
    patch.setattr("rt_client.client.CLOSE_S", 2 * VAIN_S)


def hears(room: Room, event: str = "say") -> list[Any]:
    """The data of what is published from now on."""
    heard: list[Any] = []
    room.on(event, lambda publication: heard.append(publication.data))
    return heard


def returns(room: Room) -> list[Joined]:
    joined: list[Joined] = []
    room.on_joined(joined.append)
    return joined


def post(service: Service, room: str, numbers: range) -> None:
    """Publish all of them at once in /chat, as somebody else."""
    for start in range(numbers.start, numbers.stop, 1000):
        body = [{"event": "say", "data": n} for n in range(start, min(start + 1000, numbers.stop))]
        url = f"{service.http}/api/v1/rooms/chat/{room}/publications?user=poster"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            assert all(result["ok"] for result in json.load(reply)["results"])


def through(proxy: Proxy) -> str:
    return f"http://127.0.0.1:{proxy.port}"


class NoWebSockets(Proxy):
    """A network through which no WebSocket comes: only long polling does."""

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if b"upgrade: websocket" in source.recv(65536, socket.MSG_PEEK).lower():
                source.shutdown(socket.SHUT_RDWR)
        super()._copy(source, sink)


def lose_answers(proxy: Proxy) -> None:
    """What is said still comes through; what is answered does not."""
    for sock in list(proxy._open):
        with contextlib.suppress(OSError):  # it is being closed
            if sock.getpeername() == proxy._target:
                proxy._lost.add(sock)

"""The socket.io clients that publish: one number at a time, with an id, again with the same id until it is answered.

One at a time because a client that wants its order kept has to wait: behind a publication that is refused for a moment
(`unavailable`), the next one may be taken.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tests.chaos.child import NAMESPACE, keep_up, main, ticks
from tests.chaos.socket_wire import SocketLink, open_link


class Talker:
    def __init__(self, id: str, room: str, port: int) -> None:
        self.id = id
        self.acked = 0
        self.connects = 0
        self.repeats = 0
        self.codes: Counter[str] = Counter()
        self.stopped = False
        self._room = room
        self._port = port
        self._due = 0.0
        self._wake = asyncio.Event()
        self._asked_before = False

    @property
    def idle(self) -> bool:
        """Whether nothing that was begun is unanswered."""
        return not self._asked_before

    def make(self, due: float) -> None:
        self._due = min(self._due + due, 2.0)
        if self._due >= 1:
            self._wake.set()

    async def live(self) -> None:
        link = await open_link(self._port, NAMESPACE, self.id, lambda name, body: None)
        self.connects += 1
        try:
            await self._join(link)
            while True:
                if not self._asked_before:
                    await self._next(link)
                await self._publish(link)
        finally:
            link.close()

    async def _next(self, link: SocketLink) -> None:
        """Wait until the next number is due."""
        while self.stopped or self._due < 1:
            self._wake.clear()
            waiting = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait((waiting, link.gone), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if link.gone.done():
                raise ConnectionError("gone")
        self._due -= 1

    async def _join(self, link: SocketLink) -> None:
        while not (answer := await link.answer("join", {"room": self._room}))["ok"]:
            await self._pause(answer)

    async def _publish(self, link: SocketLink) -> None:
        n = self.acked + 1
        self.repeats += self._asked_before
        self._asked_before = True
        data = {"talker": self.id, "n": n}
        request = {"room": self._room, "event": "count", "data": data, "id": f"{self.id}-{n}"}
        answer = await link.answer("publish", request)
        if answer["ok"]:
            self.acked, self._asked_before = n, False
        else:
            await self._pause(answer)

    async def _pause(self, answer: dict[str, Any]) -> None:
        """It was refused: wait as long as we are told."""
        self.codes[answer["error"]["code"]] += 1
        await asyncio.sleep(answer["error"].get("retry_after_ms", 100) / 1000)


class Talkers:
    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._talkers: list[Talker] = []
        self._stopped = False

    async def run(self) -> None:
        ids, rooms = self._settings["ids"], self._settings["rooms"]
        self._talkers = [
            Talker(id, rooms[number % len(rooms)], self._settings["http_port"]) for number, id in enumerate(ids)
        ]
        await asyncio.gather(*(keep_up(talker.live) for talker in self._talkers), ticks(self._step))

    def _step(self, seconds: float) -> None:
        for talker in self._talkers:
            talker.make(seconds * self._settings["rate"] / len(self._talkers))

    def stop(self) -> None:
        self._stopped = True
        for talker in self._talkers:
            talker.stopped = True

    def counts(self) -> dict[str, int]:
        acked, begun = sum(t.acked for t in self._talkers), sum(not t.idle for t in self._talkers)
        refused = sum(sum(t.codes.values()) for t in self._talkers)
        connects = sum(t.connects for t in self._talkers)
        return {
            "acked": acked,
            "made": acked + begun,
            "connects": connects,
            "refused": refused,
            "stopped": self._stopped,
        }

    def report(self, order: dict[str, Any]) -> dict[str, Any]:
        return {
            talker.id: {
                "made": talker.acked + (not talker.idle),
                "unacked": [] if talker.idle else [talker.acked + 1],
                "repeats": talker.repeats,
                "codes": talker.codes,
            }
            for talker in self._talkers
        }


if __name__ == "__main__":
    main(Talkers)

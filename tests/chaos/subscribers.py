"""The subscribers: they keep what they get, and after a reconnect catch up from their last position.

Nothing is forgiven: by the protocol a publication comes once, in the answer to a join or after it, and a room's offsets
have no gap. So each publication must be the one behind the last, and its sender's number one that was not seen yet.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tests.chaos.child import NAMESPACE, keep_up, main
from tests.chaos.socket_wire import SocketLink, open_link

DETAILS = 20  # of what went wrong, written out


class Subscriber:
    def __init__(self, id: str, rooms: list[str], port: int, buffer: int) -> None:
        self.id = id
        self.joined = 0  # rooms joined on this connection
        self.seen = {"device": 0, "talker": 0}  # different numbers, by who says them
        self.counts = dict.fromkeys(("recovered", "unrecovered", "out_of_order", "gaps", "unexpected"), 0)
        self.duplicates: list[tuple[str, int]] = []
        self.details: list[str] = []
        self.positions: dict[str, list[Any]] = {}  # room: epoch, offset
        self._marks: dict[str, bytearray] = {}  # sender: how often each number was seen
        self._highest: dict[str, int] = {}
        self._rooms = rooms
        self._port = port
        self._buffer = buffer
        self._here: set[str] = set()
        self._connects = 0

    async def live(self) -> None:
        link = await open_link(self._port, NAMESPACE, self.id, self._pushed, self._buffer)
        self._connects += 1
        self._here.clear()
        try:
            for room in self._rooms:
                await self._join(link, room)
            await link.gone
        finally:
            self.joined = 0
            link.close()

    async def _join(self, link: SocketLink, room: str) -> None:
        while True:
            position = self.positions.get(room)
            since = {"epoch": position[0], "offset": position[1]} if position else None
            request = {"room": room} | ({"since": since} if since else {})
            done: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

            def answered(answer: dict[str, Any], done: Any = done) -> None:
                if answer["ok"]:
                    self._entered(room, answer)
                done.set_result(answer)

            link.ask("join", request, answered)
            await asyncio.wait((done, link.gone), timeout=20, return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                raise ConnectionError("no answer to a join")
            if done.result()["ok"]:
                return
            self._note("unexpected", f"join {room} refused: {done.result()['error']}")
            await asyncio.sleep(0.1)

    def _entered(self, room: str, answer: dict[str, Any]) -> None:
        """Take the answer to a join; what follows it is pushed."""
        self.joined += 1
        self._here.add(room)
        position = self.positions.get(room)
        if position is None:
            self.positions[room] = [answer["epoch"], answer["offset"]]
            return
        if not answer["recovered"]:
            self._note("unrecovered", f"{room} from {position} to {answer['epoch']}:{answer['offset']}")
            self.positions[room] = [answer["epoch"], answer["offset"]]
            return
        self.counts["recovered"] += 1
        for publication in answer["publications"]:
            self._saw(publication, "answered")
        if position[1] != answer["offset"]:
            self._note("gaps", f"{room} answered up to {position[1]}, but says {answer['offset']}")
            position[1] = answer["offset"]

    def _pushed(self, name: str, body: Any) -> None:
        if name != "count":
            return
        if body["room"] not in self._here:
            self._note("unexpected", f"pushed before the join was answered: {body}")
        self._saw(body, "pushed")

    def _saw(self, publication: dict[str, Any], how: str) -> None:
        position = self.positions[publication["room"]]
        offset, sender, n = publication["offset"], publication["from"]["id"], publication["data"]["n"]
        if offset != position[1] + 1:
            self._note("gaps", f"{how} {sender} {n} at {offset} after {position[1]}")
        position[1] = max(offset, position[1])
        marks = self._marks.setdefault(sender, bytearray())
        if n >= len(marks):
            marks.extend(bytes(n + 1024 - len(marks)))
        if marks[n]:
            self.duplicates.append((sender, n))
            self._note(None, f"again: {how} {sender} {n} at {offset}, highest {self._highest[sender]}")
        else:
            self.seen["device" if publication["from"]["kind"] == "device" else "talker"] += 1
            if n < self._highest.get(sender, 0):
                self._note("out_of_order", f"{how} {sender} {n} at {offset} after {self._highest[sender]}")
        marks[n] = min(marks[n] + 1, 255)
        self._highest[sender] = max(n, self._highest.get(sender, 0))

    def _note(self, count: str | None, what: str) -> None:
        if count is not None:
            self.counts[count] += 1
        if len(self.details) < DETAILS:
            self.details.append(f"{self.id} on connection {self._connects}: {what}")

    def missing(self, sender: str, made: int) -> list[tuple[int, int]]:
        """Numbers up to `made` that it did not see, as ranges with both ends."""
        marks = self._marks.get(sender, bytearray()).ljust(made + 2, b"\0")
        found, at = [], 1
        while (start := marks.find(0, at, made + 1)) >= 0:
            end = next((n for n in range(start, made + 1) if marks[n]), made + 1)
            found.append((start, end - 1))
            at = end
        return found


class Subscribers:
    def __init__(self, settings: dict[str, Any]) -> None:
        rooms, port, buffer = settings["rooms"], settings["http_port"], settings["buffer"]
        self._bound = settings["history"]
        self._rooms = rooms
        self._subscribers = [Subscriber(id, rooms, port, buffer) for id in settings["ids"]]

    async def run(self) -> None:
        await asyncio.gather(*(keep_up(one.live) for one in self._subscribers))

    def stop(self) -> None:
        pass

    def counts(self) -> dict[str, int]:
        those = self._subscribers
        kept = sum(min(offset, self._bound) for _, offset in those[0].positions.values())
        return {
            "joined": sum(one.joined == len(self._rooms) for one in those),
            "least_of_devices": min(one.seen["device"] for one in those),
            "least_of_talkers": min(one.seen["talker"] for one in those),
            "seen": sum(sum(one.seen.values()) for one in those),
            "kept": kept,
        }

    def report(self, order: dict[str, Any]) -> dict[str, Any]:
        return {
            one.id: {
                **one.counts,
                "duplicates": one.duplicates,
                "details": one.details,
                "missing": {sender: one.missing(sender, made) for sender, made in order["made"].items()},
            }
            for one in self._subscribers
        }


if __name__ == "__main__":
    main(Subscribers)

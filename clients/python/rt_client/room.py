"""One room: each kept publication once and in order, also across reconnects, and publishing until it is answered."""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from rt_client.link import Answer, Link, answer_of
from rt_client.model import History, Joined, Member, Position, PresenceChange, Publication, Receipt, RtError

if TYPE_CHECKING:
    from rt_client.client import Client

Handler = Callable[[Any], object]
H = TypeVar("H", bound=Handler)
log = logging.getLogger("rt_client")

WAITING_MOST = 10_000  # publications and other events that wait to be told
ANSWER_S = 10.0  # an answer that takes longer is not waited for
REPEAT_S = 240.0  # the service knows a repeated id for five minutes
PAUSE_S, PAUSE_MOST_S = 0.25, 5.0
NEVER_S = 1e6


def pause_s(tries: int, error: RtError | None = None) -> float:
    """Before trying again: what the service asks for, and a random part that grows; not all come at once."""
    asked_ms = error.retry_after_ms if error else None
    return (asked_ms or 0) / 1000 + random.random() * min(PAUSE_MOST_S, PAUSE_S * 2 ** min(tries, 20))


class Handlers:
    """What the application wants to be told, by name. Names of our own begin with *, which no event does."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[Handler]] = {}

    def add(self, name: str, handler: Handler | None = None) -> Callable[[H], H]:
        def added(handler: H) -> H:
            self._by_name.setdefault(name, []).append(handler)
            return handler

        if handler is not None:
            added(handler)
        return added

    def newest(self, name: str) -> Handler | None:
        return self._by_name.get(name, [None])[-1]

    def tell(self, name: str, what: object) -> None:
        for handler in list(self._by_name.get(name, ())):
            try:
                handler(what)
            except BaseException:  # whatever it is, also a sys.exit(): the next one is told
                log.exception("a handler of %s failed", name)


class Room:
    """Made by `Client.join`. Handlers run one after the other, in a thread of the client's own."""

    joined: Joined  # how it was entered last
    position: Position  # the last kept publication that was told: `since` for a later visit

    def __init__(self, client: Client, name: str, since: Position | None) -> None:
        self.name = name
        self._due = 0.0  # when to ask to be let in
        self._refusal: RtError | None = None  # why it is over
        self._client = client
        self._handlers = Handlers()
        self._inside = False
        self._since = since  # the last kept publication that was told, or waits to be
        self._held: list[Publication] = []  # pushed while a join is repeated; what the answer tells comes before them
        self._attempt = self._tries = 0  # an answer to an earlier attempt comes too late

    def on(self, event: str, handler: Callable[[Publication], object] | None = None) -> Callable[[H], H]:
        """Call `handler` with each publication of an event. Without one it is a decorator; the other ones are, too."""
        return self._handlers.add(event, handler)

    def on_joined(self, handler: Callable[[Joined], object]) -> Callable[[Joined], object]:
        """Told at every return, before what was missed. Unless `recovered`, there is a gap."""
        return self._handlers.add("*joined")(handler)

    def on_presence(self, handler: Callable[[PresenceChange], object]) -> Callable[[PresenceChange], object]:
        return self._handlers.add("*presence")(handler)

    def on_refused(self, handler: Callable[[RtError], object]) -> Callable[[RtError], object]:
        """Told when the service does not let us in again after a reconnect."""
        return self._handlers.add("*refused")(handler)

    def publish(
        self, event: str, data: Any, *, class_: Literal["kept", "latest", "volatile"] = "kept",
        key: str | None = None, id: str | None = None, timeout_s: float = 30.0,
    ) -> Receipt:  # fmt: skip
        """Returns once it is answered; until then it is sent again with the same id. Volatile is sent once.

        Raises:
            RtError: refused; `timeout`, or what was temporary, where that lasts longer than `timeout_s`.
        """
        if not timeout_s <= REPEAT_S:
            raise RtError("bad_request", f"timeout_s is at most {REPEAT_S:g}")
        request = {"room": self.name, "event": event, "data": data, "id": id or secrets.token_hex(16), "class": class_}
        request |= {} if key is None else {"key": key}
        until, tries = time.monotonic() + timeout_s, 0
        while True:
            try:
                return self._publish(request, until)
            except RtError as error:
                wait_s = pause_s(tries, error)
                if not error.temporary or class_ == "volatile" or time.monotonic() + wait_s > until:
                    raise
                if self._client._ended is not None:
                    raise
            with self._client._changed:
                self._client._changed.wait_for(lambda: self._client._ended, wait_s)
            tries += 1

    def history(self, limit: int = 100, since: Position | None = None, reverse: bool = False) -> History:
        more = {"since": since._asdict()} if since else {}
        answer = self._client.ask("history", {"room": self.name, "limit": limit, "reverse": reverse, **more})
        return History(_position(answer), _publications(answer["publications"]), answer["more"])

    def members(self) -> list[Member]:
        return [*map(Member.of, self._client.ask("presence", {"room": self.name})["members"])]

    def leave(self) -> None:
        """Nothing more is told, and the client does not come back to it."""
        with self._client._changed:
            if self._client._rooms.get(self.name) is self:
                self._over(RtError("not_member", f"the room {self.name} was left"))
                if self._client._link is not None:
                    self._client._link.ask("leave", {"room": self.name})

    # -- for the client, which holds its lock

    def _enter(self, link: Link) -> None:
        """Ask to be let in. The answer is handled where it is read, before what is pushed next."""
        self._attempt += 1
        self._due = time.monotonic() + ANSWER_S
        more = {"since": self._since._asdict()} if self._since else {}
        asked = link.ask("join", {"room": self.name, **more})
        asked.add_done_callback(partial(self._answered, self._attempt))

    def _lost(self) -> None:
        self._attempt += 1
        self._tries, self._due = 0, 0.0
        self._held.clear()
        self._inside = False

    def _pushed(self, publication: Publication) -> None:
        if publication.offset is None:
            self._client._take(partial(self._tell, publication.event, publication))
        elif self._inside:
            self._keep(publication)
        elif len(self._held) < WAITING_MOST:
            self._held.append(publication)
        else:
            self._client._fall_behind()

    def _presence(self, change: PresenceChange) -> None:
        self._client._take(partial(self._tell, "*presence", change))

    def _wait_inside(self, until: float) -> Link:
        """Raises RtError where it is over, or does not come until then."""
        while not (self._inside and self._client._link):
            over, wait_s = self._refusal or self._client._ended, until - time.monotonic()
            if over is not None:
                raise RtError(*over.args)
            if wait_s <= 0:
                raise RtError("timeout", f"not in the room {self.name} in time")
            self._client._changed.wait(wait_s)
        return self._client._link

    # -- inside

    def _publish(self, request: dict[str, Any], until: float) -> Receipt:
        with self._client._changed:
            asked = self._wait_inside(0.0 if request["class"] == "volatile" else until).ask("publish", request)
        answer = answer_of(asked, min(ANSWER_S, until - time.monotonic()))
        return Receipt(answer["id"], answer["epoch"], answer["offset"])

    def _answered(self, attempt: int, asked: Future[Answer]) -> None:
        with self._client._changed:
            if attempt != self._attempt:
                return
            try:
                self._entered(answer_of(asked, 0))
            except RtError as error:
                if error.temporary:
                    self._due = time.monotonic() + pause_s(self._tries, error)
                    self._tries += 1
                else:
                    self._over(error)
                    self._client._take(partial(self._handlers.tell, "*refused", error))
            self._client._changed.notify_all()

    def _entered(self, answer: Answer) -> None:
        returned, before, now = hasattr(self, "joined"), self._since, _position(answer)
        recovered = before is None or answer["recovered"]
        missed, latest = _publications(answer["publications"]), _publications(answer["latest"])
        self.joined = Joined(now, recovered, missed, latest, [*map(Member.of, answer["members"])])
        self._inside, self._due = True, time.monotonic() + NEVER_S
        start = before if before and recovered else now
        if not returned:
            self.position = self._since = start
        elif self._client._take(partial(self._tell, "*joined", self.joined, start)):
            self._since = start
        held, self._held = self._held, []
        for publication in (*missed, *held):
            self._keep(publication)

    def _keep(self, publication: Publication) -> None:
        """What cannot be taken now is missed, like all that comes after it, until it is recovered."""
        since, offset = self._since, publication.offset
        if since is not None and offset is not None and offset > since.offset:
            position = Position(since.epoch, offset)
            if self._client._take(partial(self._tell, publication.event, publication, position)):
                self._since = position

    def _over(self, refusal: RtError) -> None:
        self._lost()
        self._refusal = refusal
        del self._client._rooms[self.name]
        self._client._changed.notify_all()

    def _tell(self, name: str, what: object, position: Position | None = None) -> None:
        """In the thread of the handlers."""
        if self._refusal is None:
            self.position = position or self.position
            self._handlers.tell(name, what)
            self._client._handlers.tell(name, what)


def _position(answer: Answer) -> Position:
    return Position(answer["epoch"], answer["offset"])


def _publications(shown: list[dict[str, Any]]) -> list[Publication]:
    return [*map(Publication.of, shown)]

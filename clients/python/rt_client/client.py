"""A client of rt-service: one namespace of one connection, which comes back by itself."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any

from rt_client.link import Answer, Link, Trust, answer_of
from rt_client.model import Closing, Identity, Member, Position, PresenceChange, Publication, RtError, Twin
from rt_client.room import ANSWER_S, NEVER_S, WAITING_MOST, H, Handler, Handlers, Room, log, pause_s

Token = str | Callable[[], str]
CLOSE_S = 5.0  # for a handler to finish


class Client:
    """Everything may be called from any thread, handlers included.

    >>> with Client("http://127.0.0.1:5000", namespace="/chat", user="alice") as chat:  # doctest: +SKIP
    ...     chat.on("say", lambda publication: print(publication.data))
    ...     chat.join("lobby").publish("say", {"text": "hi"})
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "/chat",
        user: str | None = None,
        token: Token | None = None,
        info: Any = None,
        ca_file: str | None = None,
    ) -> None:
        """`token` may be a function, which is asked before each connect; `info` is shown in presence; `ca_file` has the
        authority that signed the certificate of https://, where the system does not trust it.

        Raises:
            RtError: `url`, `namespace` or `ca_file` cannot be one.
        """
        if not url.startswith(("http://", "https://")):
            raise RtError("bad_request", f"a url is like http://127.0.0.1:5000, not {url}")
        if not namespace.startswith("/"):
            raise RtError("bad_request", f"a namespace starts with /: did you mean /{namespace}?")
        self.url, self._namespace = url, namespace
        # Whoever has no name gets one here, so that the service knows a repeated publish after a reconnect.
        name = user or (None if token else f"anon-{secrets.token_hex(6)}")
        self._auth = {name: value for name, value in (("user", name), ("info", info)) if value is not None}
        self._token = token
        self._trust = Trust(url, ca_file)
        self._answers = Handlers()
        self._inbox: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._stay, self._tell)]
        self._handlers = Handlers()
        self._changed = threading.Condition()  # guards what follows, and the rooms
        self._rooms: dict[str, Room] = {}
        self._link: Link | None = None
        self._ended: RtError | None = None  # why it does not come back
        self._closed = False
        self._behind = False  # nothing more is taken on this connection
        self._tries = 0
        self._again = 0.0  # when to connect again

    def __enter__(self) -> Client:
        self.connect()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def connect(self) -> None:
        """Connect, and stay connected until `close`. Raises RtError where the service is not there now, or refuses."""
        if self._threads[0].ident is not None:
            raise RtError("conflict", "a client is connected once; make another one")
        self._open()
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Leave. A handler that runs may finish; what still waits is not told."""
        with self._changed:
            self._closed = True
            self._end(RtError("not_online", "this client was closed"))
        self._inbox.put(None)
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(CLOSE_S)

    def join(self, room: str, since: Position | None = None, timeout_s: float = 30.0) -> Room:
        """The room, once it is entered. What was published after `since`, the `Room.position` of an earlier visit, goes
        to the handlers of `Client.on`. Raises RtError where it is refused, or not entered within `timeout_s`."""
        with self._changed:
            known = self._rooms.get(room)
            entering = self._rooms[room] = known or Room(self, room, since)
            self._changed.notify_all()
            try:
                entering._wait_inside(time.monotonic() + timeout_s)
            except RtError:
                if known is None:
                    entering.leave()
                raise
        return entering

    def on(self, event: str, handler: Callable[[Publication], object] | None = None) -> Callable[[H], H]:
        """Call `handler` with each publication of an event, of any room or to us alone. Without one, a decorator."""
        return self._handlers.add(event, handler)

    def on_closing(self, handler: Callable[[Closing], object]) -> Callable[[Closing], object]:
        """Told when the service ends the session; unless it is to `reconnect`, everything raises from then on."""
        return self._handlers.add("*closing")(handler)

    def on_call(self, method: str, handler: Handler | None = None) -> Callable[[H], H]:
        """Answer calls of `method` with what `handler(data)` returns, or with the RtError that it raises."""
        return self._answers.add(method, handler)

    def send(self, to: str | Identity, event: str, data: Any) -> int:
        """To every session of `user:alice`; how many there were. Raises RtError, `not_online` where there is none."""
        return int(self.ask("send", {"to": str(to), "event": event, "data": data})["delivered"])

    def call(self, to: str | Identity, method: str, data: Any = None, timeout_s: float = 5.0) -> Any:
        """What `user:alice` or `device:lamp-1` answers. Raises RtError, also what it answered with."""
        request = {"to": str(to), "method": method, "data": data, "timeout_ms": int(timeout_s * 1000)}
        return self.ask("call", request, timeout_s + ANSWER_S)["data"]

    def rooms(self, prefix: str = "") -> dict[str, int]:
        """The rooms, and how many members each has."""
        found: dict[str, int] = {}
        more = True
        while more:
            answer = self.ask("rooms", {"prefix": prefix, "after": next(reversed(found), "")})
            found |= {room["room"]: room["members"] for room in answer["rooms"]}
            more = answer["more"]
        return found

    def twin(self, device: str) -> Twin:
        return _twin(self.ask("twin", {"device": device}))

    def update_twin(self, device: str, desired: dict[str, Any], version: int | None = None) -> Twin:
        """Merge `desired` as RFC 7396 says. Raises RtError, `conflict` where it is not at `version` any more."""
        return _twin(self.ask("twin.update", {"device": device, "desired": desired, "version": version}))

    def ping(self) -> int:
        """The service's clock: Unix time in milliseconds."""
        return int(self.ask("ping", {})["at"])

    def ask(self, verb: str, request: dict[str, Any], timeout_s: float = ANSWER_S) -> Answer:
        """The answer of any verb, asked once. Raises RtError."""
        with self._changed:
            if self._ended is not None:
                raise RtError(*self._ended.args)
            if self._link is None:
                raise RtError("unavailable", f"not connected to {self.url} now")
            asked = self._link.ask(verb, request)
        return answer_of(asked, timeout_s)

    # -- for rooms

    def _take(self, tell: Callable[[], None]) -> bool:
        """Queue something for the handlers. False where too much waits for them."""
        if self._inbox.qsize() >= WAITING_MOST:
            self._fall_behind()
        if not self._behind:
            self._inbox.put(tell)
        return not self._behind

    def _fall_behind(self) -> None:
        """Take nothing more on this connection. When the handlers are done, the next one recovers the rest."""
        if not self._behind:
            log.warning("handlers are too slow: %d wait for them, the rest is recovered later", WAITING_MOST)
        self._behind = True
        self._changed.notify_all()

    # -- staying connected

    def _open(self) -> None:
        link = Link(self.url, self._namespace, self._trust, self._received, self._lost)
        link.open(self._login())
        with self._changed:
            if link.over:
                raise self._ended or RtError("unavailable", f"{self.url} ended the connection")
            self._link, self._tries = link, 0

    def _login(self) -> dict[str, Any]:
        try:
            token = self._token() if callable(self._token) else self._token
        except Exception:  # noqa: BLE001  whatever it is, it is asked again later
            log.exception("no new token")
            raise RtError("unavailable", "no new token; the log says why") from None
        return self._auth if token is None else {**self._auth, "token": token}

    def _stay(self) -> None:
        while True:
            with self._changed:
                while (wait_s := self._idle_s()) > 0:
                    self._changed.wait(wait_s)
                link = self._link
            if link is not None:
                link.end()
            if self._ended is not None:
                return
            if link is None:
                self._reconnect()

    def _idle_s(self) -> float:
        """Ask rooms to let us in where that is due. Seconds to wait; none when to connect, or to end the connection."""
        now = time.monotonic()
        if self._ended is not None or (self._link and self._behind and self._inbox.empty()):
            return 0.0
        if self._link is None:
            return self._again - now
        for room in list(self._rooms.values()):
            if room._due <= now:
                room._enter(self._link)
        return max(0.01, min([room._due - now for room in self._rooms.values()], default=NEVER_S))

    def _reconnect(self) -> None:
        try:
            self._open()
        except RtError as error:
            with self._changed:
                self._tries += 1
                self._again = time.monotonic() + pause_s(self._tries, error)
                if not error.temporary:
                    self._closing(Closing(error.code, error.message, False, 0))

    def _lost(self, link: Link) -> None:
        with self._changed:
            if link is not self._link:
                return
            self._again = max(self._again, time.monotonic()) + pause_s(0)
            self._link, self._behind = None, False
            for room in self._rooms.values():
                room._lost()
            self._changed.notify_all()

    def _end(self, why: RtError) -> None:
        self._ended = self._ended or why
        self._changed.notify_all()

    # -- what is pushed; in the thread that reads

    def _received(self, link: Link, event: str, body: Any, number: int | None) -> None:
        with self._changed:
            if event == "call" and number is not None:
                if not self._take(partial(self._answer, link, body, number)):
                    link.answer(number, _failure("unavailable", "too much waits here"))
            elif event == "closing":
                self._again = time.monotonic() + body["retry_after_ms"] / 1000
                self._closing(Closing(body["code"], body["message"], body["reconnect"], body["retry_after_ms"]))
            elif event == "presence" and body["room"] in self._rooms:
                change = PresenceChange(body["room"], body["action"], Member.of(body["member"]))
                self._rooms[body["room"]]._presence(change)
            elif isinstance(body, dict) and "offset" in body:
                self._published(Publication.of(body))

    def _closing(self, closing: Closing) -> None:
        if not closing.reconnect:
            self._end(RtError(closing.code, closing.message))
        self._inbox.put(partial(self._handlers.tell, "*closing", closing))

    def _published(self, publication: Publication) -> None:
        if publication.room is None:
            self._take(partial(self._handlers.tell, publication.event, publication))
        elif publication.room in self._rooms:
            self._rooms[publication.room]._pushed(publication)

    # -- in the thread of the handlers

    def _tell(self) -> None:
        while (tell := self._inbox.get()) is not None and not self._closed:
            try:
                tell()
            except BaseException:  # noqa: BLE001  also a sys.exit() in a handler: the next one is told
                log.exception("a handler failed")
            if self._behind and self._inbox.empty():
                with self._changed:
                    self._changed.notify_all()

    def _answer(self, link: Link, call: dict[str, Any], number: int) -> None:
        method = call["method"]
        try:
            handler = self._answers.newest(method)
            if handler is None:
                raise RtError("not_found", f"there is no method {method}")
            link.answer(number, handler(call["data"]))
        except RtError as error:
            link.answer(number, _failure(error.code, error.message))
        except BaseException:  # noqa: BLE001  also a sys.exit(): the caller is told, and the next one answered
            log.exception("what answers calls of %s failed", method)
            link.answer(number, _failure("internal", f"{method} failed"))


def _failure(code: object, message: object) -> Answer:
    """A handler may have raised its RtError with anything."""
    return {"error": {"code": str(code), "message": str(message)}}


def _twin(answer: Answer) -> Twin:
    return Twin(answer["desired"], answer["reported"], answer["version"])

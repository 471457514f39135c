"""Rooms, and what is sent or asked in a namespace, over HTTP (CONTRACT.md section 4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Response, request
from msgspec import UNSET

from rt_service import runtime
from rt_service.api import Api
from rt_service.core import names
from rt_service.core.errors import BadRequest, RtError, TooLarge, Unavailable
from rt_service.core.ports import Receipt
from rt_service.core.session import Session
from rt_service.gateways import http_types as types
from rt_service.gateways.asked import PUBLISH_S
from rt_service.gateways.http_requests import Requests, json, query, tagged
from rt_service.gateways.operations import BATCH
from rt_service.gateways.polls import Polls
from rt_service.gateways.positions import position
from rt_service.verbs import Publish, convert

PER_TURN = 50  # publications of one list before the others get their turn

Outcome = dict[str, Any] | RtError


class RoomsHttp:
    def __init__(self, api: Api, requests: Requests, polls: Polls) -> None:
        self._api = api
        self._requests = requests
        self._polls = polls

    # -- rooms

    def rooms(self, ns: str) -> Response:
        said = query(types.RoomsQuery)
        asked = {"prefix": said.prefix, "after": said.after, "limit": said.limit}
        return json(self._requests.ask(ns, "rooms", asked))

    def history(self, ns: str, room: str) -> Response:
        said = query(types.HistoryQuery)
        asked: dict[str, Any] = {"room": room, "limit": said.limit, "reverse": said.reverse}
        if said.since is not UNSET:
            asked["since"] = position(said.since, "since")._asdict()
        if said.wait:
            return tagged(json(self._when_there(ns, asked, said.wait)))
        return tagged(json(self._requests.ask(ns, "history", asked)))

    def _when_there(self, ns: str, asked: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Long polling: the history, once there is something in it."""
        answer = self._requests.ask(ns, "history", asked)  # who may not read may not wait either
        if answer["publications"]:
            return answer
        session = self._requests.session(ns)
        self._api.publishing.check_new(session.who, session.namespace, asked["room"])
        with self._polls.open(session, asked["room"]) as poll:
            answer = self._requests.ask(ns, "history", asked)
            if not answer["publications"]:
                poll.wait(seconds, request.environ)
                answer = self._requests.ask(ns, "history", asked)
        return answer

    def members(self, ns: str, room: str) -> Response:
        return json(self._requests.ask(ns, "presence", {"room": room}))

    # -- publishing

    def publish(self, ns: str, room: str) -> Response:
        """One publication, or a list of them: then each is kept or refused by itself, and answered in order."""
        said = self._requests.body()
        session = self._requests.session(ns)
        names.room_name(room)
        if not isinstance(said, list):
            (outcome,) = self._publish_all(session, room, [said])
            if isinstance(outcome, RtError):
                raise outcome
            return json(outcome, 201)
        if len(said) > BATCH:
            raise TooLarge(f"a list has at most {BATCH} publications")
        outcomes = self._publish_all(session, room, said)
        return json({"results": [self._result(outcome) for outcome in outcomes]})

    def _result(self, outcome: Outcome) -> dict[str, Any]:
        return self._api.refusal(outcome) if isinstance(outcome, RtError) else {"ok": True, **outcome}

    def _publish_all(self, session: Session, room: str, said: list[Any]) -> list[Outcome]:
        """What became of each, in order."""
        late = Unavailable(f"not kept within {PUBLISH_S:g} s", retry_after_ms=1000)
        outcomes: list[Outcome | None] = [None] * len(said)
        left = len(said)
        over = runtime.Waiter()

        def settle(n: int, outcome: Outcome) -> None:
            nonlocal left
            outcomes[n] = outcome
            left -= 1
            if not left:
                over.resolve()

        for n, one in enumerate(said):
            try:
                self._publish_one(session, room, one, partial(settle, n))
            except RtError as error:
                settle(n, error.with_traceback(None))  # which would hold on to all that was said
            if n % PER_TURN == PER_TURN - 1:
                runtime.sleep(0)
        try:
            if said:
                over.wait(PUBLISH_S)
        except TimeoutError:
            pass  # each that is not kept by now says so
        return [late if outcome is None else outcome for outcome in outcomes]

    def _publish_one(self, session: Session, room: str, said: Any, done: Callable[[Outcome], None]) -> None:
        if not isinstance(said, dict):
            raise BadRequest("a publication is an object with `event` and `data`")
        asked = convert("publish", {**said, "room": room}, Publish)
        self._api.publishing.take_token(session)
        publication = self._api.publishing.made(session, asked)

        def kept(receipt: Receipt | RtError) -> None:
            if isinstance(receipt, RtError):
                done(receipt)
            else:
                done({"id": publication.id, "epoch": receipt.epoch, "offset": receipt.offset})

        self._api.publishing.keep(publication, kept)

    # -- one identity alone

    def send(self) -> Response:
        said = self._requests.object()
        return json(self._requests.ask(_namespace(said), "send", said))

    def call(self) -> Response:
        said = self._requests.object()
        return json(self._requests.ask(_namespace(said), "call", said))


def _namespace(said: dict[str, Any]) -> str:
    namespace = said.pop("ns", None)
    if not isinstance(namespace, str):
        raise BadRequest("`ns` names the namespace, such as chat")
    return namespace.removeprefix("/")

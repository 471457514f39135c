"""The verbs over HTTP (CONTRACT.md section 4): JSON in and out, the error table's status codes."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response, request

from rt_service import runtime
from rt_service.api import Answer, Api
from rt_service.auth.policy import Policy
from rt_service.core import names
from rt_service.core.errors import ERRORS, BadRequest, InvalidData, RtError, Timeout, TooLarge, Unavailable
from rt_service.core.limits import Buckets
from rt_service.core.ports import Clock, Receipt
from rt_service.core.session import Session
from rt_service.gateways import credentials
from rt_service.gateways.polls import Polls
from rt_service.gateways.positions import position
from rt_service.verbs import Publish, convert

BATCH = 1000
BODY_S = 60.0
WAIT_S = 60.0  # the most that a request waits for something new
PUBLISH_S = 30.0  # for a publication to be kept


class RoomsHttp:
    def __init__(
        self, api: Api, policy: Policy, clock: Clock, polls: Polls, body_bytes: int, publishes_per_s: float,
        publish_burst: int,
    ) -> None:  # fmt: skip
        self._api = api
        self._polls = polls
        self._policy = policy
        self._clock = clock
        self._body_bytes = body_bytes
        self._rates = Buckets(publishes_per_s, publish_burst)  # by address

    def blueprint(self) -> Blueprint:
        routes = Blueprint("rooms", __name__, url_prefix="/api/v1")
        for rule, method, function in (
            ("/rooms/<ns>", "GET", self.rooms),
            ("/rooms/<ns>/<room>/publications", "GET", self.history),
            ("/rooms/<ns>/<room>/publications", "POST", self.publish),
            ("/rooms/<ns>/<room>/members", "GET", self.members),
            ("/send", "POST", self.send),
            ("/calls", "POST", self.call),
            ("/devices/<device>/twin", "GET", self.twin),
            ("/devices/<device>/twin", "PATCH", self.update_twin),
        ):
            routes.add_url_rule(rule, f"{method} {rule}", function, methods=[method])
        return routes

    # -- rooms

    def rooms(self, ns: str) -> Response:
        return self._answer(ns, "rooms", {"prefix": request.args.get("prefix", "")})

    def history(self, ns: str, room: str) -> Response:
        asked: dict[str, Any] = {"room": room, "reverse": request.args.get("reverse", "") in ("1", "true")}
        if "limit" in request.args:
            asked["limit"] = _number("limit")
        if "since" in request.args:
            asked["since"] = position(request.args["since"], "since")._asdict()
        if "wait" not in request.args:
            return self._answer(ns, "history", asked)
        return self._when_there(ns, asked, _seconds("wait"))

    def _when_there(self, ns: str, asked: dict[str, Any], seconds: float) -> Response:
        """Long polling: the history, once there is something in it."""
        with self._polls.open(self._session(ns), names.room_name(asked["room"])) as poll:
            answer = self._asked(ns, "history", asked)
            if not answer["publications"]:
                poll.wait(seconds, request.environ)
                answer = self._asked(ns, "history", asked)
        return _json(answer)

    def members(self, ns: str, room: str) -> Response:
        return self._answer(ns, "presence", {"room": room})

    def publish(self, ns: str, room: str) -> Response:
        """One publication, or a list of them: then each is kept or refused by itself, and answered in order."""
        said = self._body()
        session = self._session(ns)
        if not isinstance(said, list):
            outcome = self._publish_all(session, room, [said])[0]
            if isinstance(outcome, RtError):
                raise outcome
            return _json(outcome, 201)
        if len(said) > BATCH:
            raise TooLarge(f"a list has at most {BATCH} publications")
        outcomes = self._publish_all(session, room, said)
        results = [
            self._api.refusal(outcome) if isinstance(outcome, RtError) else {"ok": True, **outcome}
            for outcome in outcomes
        ]
        return _json({"results": results})

    def _publish_all(self, session: Session, room: str, said: list[Any]) -> list[dict[str, Any] | RtError]:
        outcomes: list[dict[str, Any] | RtError | None] = [None] * len(said)
        left = len(said)
        over = runtime.Waiter()

        def settle(n: int, outcome: dict[str, Any] | RtError) -> None:
            nonlocal left
            outcomes[n] = outcome
            left -= 1
            if not left:
                over.resolve()

        for n, one in enumerate(said):
            try:
                self._publish_one(session, room, one, lambda outcome, n=n: settle(n, outcome))
            except RtError as error:
                settle(n, error)
        try:
            if said:
                over.wait(PUBLISH_S)
        except TimeoutError:
            raise Unavailable(f"not kept within {PUBLISH_S:g} s", retry_after_ms=1000) from None
        return [outcome for outcome in outcomes if outcome is not None]

    def _publish_one(self, session: Session, room: str, said: Any, done: Any) -> None:
        if not isinstance(said, dict):
            raise BadRequest("a publication is an object with `event` and `data`")
        asked = convert("publish", {**said, "room": room}, Publish)
        self._api.take_token(session)
        publication = self._api.made(session, asked)

        def kept(receipt: Receipt | RtError) -> None:
            if isinstance(receipt, RtError):
                done(receipt)
            else:
                done({"id": publication.id, "epoch": receipt.epoch, "offset": receipt.offset})

        self._api.keep(publication, kept)

    # -- one identity alone

    def send(self) -> Response:
        said = self._object()
        return self._answer(_namespace(said), "send", said)

    def call(self) -> Response:
        said = self._object()
        return self._answer(_namespace(said), "call", said)

    def twin(self, device: str) -> Response:
        return self._answer("iot", "twin", {"device": device})

    def update_twin(self, device: str) -> Response:
        said = self._object()
        version = request.args.get("version")
        asked = {"device": device, "desired": said} | ({} if version is None else {"version": _number("version")})
        return self._answer("iot", "twin.update", asked)

    # -- every request

    def _answer(self, ns: str, verb: str, asked: dict[str, Any]) -> Response:
        return _json(self._asked(ns, verb, asked))

    def _asked(self, ns: str, verb: str, asked: dict[str, Any]) -> dict[str, Any]:
        answers: list[Answer] = []
        there = runtime.Waiter()

        def reply(answer: Answer) -> None:
            answers.append(answer)
            there.resolve()

        self._api.answer(self._session(ns), verb, asked, reply)
        there.wait(None)
        answer = answers[0]
        if answer["ok"]:
            return {name: value for name, value in answer.items() if name != "ok"}
        error = answer["error"]
        raise ERRORS[error["code"]](error["message"], retry_after_ms=error.get("retry_after_ms"))

    def _session(self, ns: str) -> Session:
        """Whoever asks, in a namespace; not one that others see."""
        namespace = f"/{ns}"
        self._api.check_namespace(namespace)
        who = self._policy.identify(credentials.of_request(request.environ))
        bucket = self._rates.of(request.remote_addr or "", self._clock.monotonic())
        return Session("http", namespace, who, _NOWHERE, bucket)

    def _object(self) -> dict[str, Any]:
        said = self._body()
        if not isinstance(said, dict):
            raise BadRequest("the body is a JSON object")
        return said

    def _body(self) -> Any:
        if request.content_length is None:
            raise BadRequest("say how long the body is: send Content-Length")
        if request.content_length > self._body_bytes:
            raise TooLarge(f"a body is at most {self._body_bytes} bytes")
        if request.mimetype not in ("application/json", "application/merge-patch+json"):
            raise BadRequest("the body is JSON: send Content-Type: application/json")
        try:
            with runtime.deadline(BODY_S):
                body = request.get_data(cache=False)
            return orjson.loads(body)
        except TimeoutError:
            raise Timeout(f"the body did not come within {BODY_S:g} s") from None
        except orjson.JSONDecodeError as error:
            raise InvalidData(f"the body is not JSON: {error}") from None


_NOWHERE: Any = None  # a request has no transport: nothing is pushed to it


def _namespace(said: dict[str, Any]) -> str:
    namespace = said.pop("ns", None)
    if not isinstance(namespace, str):
        raise BadRequest("`ns` names the namespace, such as chat")
    return namespace.removeprefix("/")


def _number(name: str) -> int:
    try:
        return int(request.args[name])
    except ValueError:
        raise BadRequest(f"{name} is a whole number") from None


def _seconds(name: str) -> float:
    try:
        seconds = float(request.args[name])
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= WAIT_S:
        raise BadRequest(f"{name} is 0 to {WAIT_S:g} seconds")
    return seconds


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value, default=_base64), status, content_type="application/json")


def _base64(value: Any) -> Any:
    import base64

    return {"$base64": base64.b64encode(value).decode()}

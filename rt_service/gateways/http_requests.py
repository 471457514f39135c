"""What every request over HTTP has in common: who asks, what it says, what the verb answers, and how errors look."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import orjson
from flask import Response, request

from rt_service.api import Api
from rt_service.auth.policy import Policy, allow
from rt_service.core.encoding import in_base64
from rt_service.core.errors import ERRORS, BadRequest, InvalidData, Timeout, TooLarge
from rt_service.core.limits import Buckets
from rt_service.core.model import Identity, Who
from rt_service.core.ports import Clock
from rt_service.core.session import Session
from rt_service.gateways import asked, credentials
from rt_service.gateways.addresses import counted
from rt_service.gateways.engineio.body import BrokenBody, SlowBody
from rt_service.gateways.operations import JSON, MERGE_PATCH
from rt_service.verbs import plainly

Q = TypeVar("Q", bound=msgspec.Struct)


class Refused(Exception):
    """A verb said no, which is counted already: the error object of its answer, a status other than the code's."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["code"])
        self.error = error
        self.status: int | None = None


class Requests:
    """`body_bytes` is the most that one may say; an address may publish as fast as a session."""

    def __init__(
        self, api: Api, policy: Policy, clock: Clock, body_bytes: int, publishes_per_s: float, publish_burst: int
    ) -> None:
        self._api = api
        self._policy = policy
        self._clock = clock
        self._body_bytes = body_bytes
        self._rates = Buckets(publishes_per_s, publish_burst)

    def ask(self, ns: str, verb: str, question: dict[str, Any]) -> dict[str, Any]:
        """What a verb answers, for whoever sent this request. Raises Refused, RtError."""
        answer = asked.answer(self._api, self.session(ns), verb, question)
        if not answer.pop("ok"):
            raise Refused(answer["error"])
        return answer

    def session(self, ns: str) -> Session:
        """Whoever asks, in a namespace; not a session that others see. Raises RtError."""
        namespace = f"/{ns}"
        self._api.publishing.check_namespace(namespace)
        who = self._policy.identify(credentials.of_request(request.environ))
        bucket = self._rates.of(_sender(who.identity), self._clock.monotonic())
        return Session("http", namespace, who, _NOWHERE, bucket)

    def operator(self, verb: str) -> Who:
        """Whoever asks, if it may do `verb`, one of those of who runs the service. Raises RtError."""
        who = self.who()
        allow(self._policy, who, verb, "", None, None)
        return who

    def who(self) -> Who:
        """Whoever asks. Raises RtError."""
        return self._policy.identify(credentials.of_request(request.environ))

    def object(self) -> dict[str, Any]:
        """The body, a JSON object. Raises RtError."""
        said = self.body()
        if not isinstance(said, dict):
            raise BadRequest("the body is a JSON object")
        return said

    def body(self) -> Any:
        """The body, JSON. Raises RtError where it is none, too large or too slow."""
        if (request.content_length or 0) > self._body_bytes:
            raise TooLarge(f"a body is at most {self._body_bytes} bytes")
        if request.mimetype not in (JSON, MERGE_PATCH):
            raise BadRequest(f"the body is JSON: send Content-Type: {JSON}")
        try:
            body = request.environ["wsgi.input"].read(self._body_bytes + 1)
        except SlowBody as error:
            raise Timeout(f"the body is too slow: {error}") from None
        except BrokenBody as error:
            raise BadRequest(f"the body is broken: {error}") from None
        if len(body) > self._body_bytes:
            raise TooLarge(f"a body is at most {self._body_bytes} bytes")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise InvalidData(f"the body is not JSON: {error}") from None


def _sender(identity: Identity) -> str:
    """Whose rate counts: many users may come from one address, such as that of the gRPC process or a proxy."""
    anonymous = identity.id.startswith("anon-")
    return f"{counted(request.remote_addr or '')} {'' if anonymous else identity}"


_NOWHERE: Any = None  # a request has no transport: nothing is pushed to it


def query(kind: type[Q]) -> Q:
    """The query as this type; what it does not name is passed over. Raises BadRequest."""
    try:
        return msgspec.convert(request.args.to_dict(), kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(plainly(error)) from None


def json(value: Any, status: int = 200) -> Response:
    """Raises InvalidData where somebody's data is nested too deep."""
    try:
        return Response(orjson.dumps(value, default=in_base64), status, content_type=JSON)
    except orjson.JSONEncodeError as error:
        raise InvalidData(f"the answer cannot be sent as JSON: {error}") from None


def failure(error: dict[str, Any], status: int | None = None) -> Response:
    """An error object with the status that fits."""
    response = json({"error": error}, status or ERRORS[error["code"]].http_status)
    if "retry_after_ms" in error:
        response.headers["Retry-After"] = str(-(-error["retry_after_ms"] // 1000))
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, section 11.6.1
    return response


def tagged(response: Response, tag: str | None = None) -> Response:
    """With an ETag (none: of its body), and 304 where that is what the client has."""
    if tag is None:
        response.add_etag(weak=True)
    else:
        response.set_etag(tag)
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)
    return response

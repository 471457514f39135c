"""The verbs over plain WebSocket (CONTRACT.md section 3): JSON text frames, one connection for all namespaces."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import orjson

from rt_service import log, runtime
from rt_service.api import Api
from rt_service.core import encoding
from rt_service.core.encoding import in_base64
from rt_service.core.errors import BadRequest, Conflict, InvalidData, NotFound, NotOnline, RtError, TooManyRequests
from rt_service.core.hub import Hub
from rt_service.core.session import Session
from rt_service.gateways.codecs import JsonWire
from rt_service.gateways.engineio import frames
from rt_service.gateways.engineio.heartbeat import Heartbeats
from rt_service.gateways.engineio.loop import Loop
from rt_service.gateways.ws.connection import Answered, PlainConnection
from rt_service.metrics import Metrics

REF_CHARACTERS = 128
_REQUEST = 'a request is an object with an `op`, such as {"op":"join","ns":"/chat","room":"lobby"}'


class JsonTransport:
    """How one session, a namespace of a connection, is spoken to."""

    __slots__ = ("_asked", "_closing", "_gateway", "_numbers", "connection", "namespace", "outbox")

    def __init__(self, gateway: WsGateway, connection: JsonConnection, namespace: str) -> None:
        self._gateway = gateway
        self.connection = connection
        self.namespace = namespace
        self.outbox = connection.out
        self._closing = False
        self._asked: dict[str, Answered] = {}
        self._numbers = 0

    @property
    def answers_calls(self) -> bool:
        return self.connection.answers_calls

    @property
    def wire(self) -> JsonWire:
        return self._gateway.wire

    @property
    def waiting(self) -> int:
        return self.connection.waiting

    def ask(self, body: dict[str, Any], answered: Answered) -> Callable[[], object]:
        self._asked[body["id"]] = answered
        self.connection.send_frame(self.wire.push(self.namespace, "call", body))
        return lambda: self._asked.pop(body["id"], None)

    def answer(self, call_id: str, said: Any) -> bool:
        """Whether such a call waits."""
        answered = self._asked.pop(call_id, None)
        if answered is not None:
            answered(said)
        return answered is not None

    def close(self, code: str, message: str, *, reconnect: bool, retry_after_ms: int = 0) -> None:
        if self._closing:
            return
        self._closing = True
        self.say_closing(code, message, reconnect=reconnect, retry_after_ms=retry_after_ms)
        self._gateway.end(self.connection, code)

    def say_closing(self, code: str, message: str, *, reconnect: bool, retry_after_ms: int = 0) -> None:
        body = {"code": code, "message": message, "reconnect": reconnect, "retry_after_ms": retry_after_ms}
        self.connection.send_frame(self.wire.push(self.namespace, "closing", body))

    def gone(self) -> None:
        """Nobody is going to answer any more."""
        self._closing = True
        asked, self._asked = self._asked, {}
        for answered in asked.values():
            answered({"error": {"code": NotOnline.code, "message": "it went offline"}})


class JsonConnection(PlainConnection):
    """`sessions` are opened with the first request in a namespace, as who `credentials` say; each has a transport."""

    def __init__(self, host: WsGateway, credentials: dict[str, Any]) -> None:
        super().__init__(host)
        self.credentials = credentials
        self.answers_calls = credentials.get("calls") != "no"
        self.sessions: dict[str, Session] = {}
        self.transports: dict[str, JsonTransport] = {}


class WsGateway:
    """The `Host` of its connections."""

    def __init__(
        self, hub: Hub, api: Api, metrics: Metrics, namespaces: list[str], loop: Loop, heartbeats: Heartbeats,
        max_waiting: int, join_first_s: float,
    ) -> None:  # fmt: skip
        self.loop = loop
        self.heartbeats = heartbeats
        self.max_waiting = max_waiting
        self.wire = JsonWire(loop)
        self.connections: set[JsonConnection] = set()
        self._hub = hub
        self._api = api
        self._metrics = metrics
        self._namespaces = namespaces
        self._join_first_s = join_first_s
        self._quiet = log.Seldom(log.get("ws"), runtime.SystemClock())

    @property
    def flushed(self) -> bool:
        """Whether nothing waits to be sent any more."""
        return all(not connection.waiting for connection in self.connections)

    def stop(self) -> None:
        """Close those in which nothing was asked yet; the others are closed as their sessions are."""
        for connection in [one for one in self.connections if not one.sessions]:
            runtime.spawn(connection.close, frames.GOING_AWAY, "shutdown")

    def new(self, credentials: dict[str, Any]) -> JsonConnection:
        """A connection that may now be opened."""
        connection = JsonConnection(self, credentials)
        self.connections.add(connection)
        runtime.after(self._join_first_s, lambda: self._check_joined(connection))
        return connection

    # -- see connection.Host

    def took(self, connection: JsonConnection, text: bytes | None, binary: bytes) -> None:
        """One request."""
        ref: Any = None
        try:
            if text is None:
                raise BadRequest("requests are JSON text, not binary")
            request, error = _parsed(text)
            ref = _checked(request.pop("ref", None))
            if error is not None:
                raise error
            self._do(connection, request, ref)
        except RtError as error:
            self._say(connection, ref, self._api.refusal(error))

    def too_slow(self, connection: JsonConnection) -> None:
        self._metrics.closed.labels("slow").inc()
        for transport in connection.transports.values():
            transport.say_closing("slow", "too much waits; reconnect and recover", reconnect=True)
        connection.close(frames.POLICY, "slow")

    def dropped(self, reason: str) -> None:
        self._metrics.dropped.labels(reason).inc()

    def broke(self, connection: JsonConnection, reason: str) -> None:
        self._metrics.closed.labels("violation").inc()
        self._quiet.info("connection_closed", reason="violation", what=reason)

    def ended(self, connection: JsonConnection) -> None:
        self.connections.discard(connection)
        for namespace, session in connection.sessions.items():
            session.may_return = not connection.said_goodbye
            connection.transports[namespace].gone()
            self._hub.close(session)
            self._metrics.sessions.labels("ws").dec()

    def end(self, connection: JsonConnection, code: str) -> None:
        """Soon: whoever closes it may be walking through the tables that this changes."""
        self._metrics.closed.labels(code).inc()
        runtime.spawn(connection.close, frames.GOING_AWAY if code == "shutdown" else frames.POLICY, code)

    # -- requests

    def _check_joined(self, connection: JsonConnection) -> None:
        if not connection.sessions and not connection.closed:
            self._metrics.closed.labels("join_timeout").inc()
            connection.close(frames.POLICY, "nothing was asked in any namespace in time")

    def _do(self, connection: JsonConnection, request: dict[str, Any], ref: Any) -> None:
        op = request.pop("op")
        if op == "auth":
            self._authenticate(connection, request)
            self._say(connection, ref, {"ok": True})
            return
        session = self._session(connection, request.pop("ns", None))
        if op == "answer":
            self._answer(connection.transports[session.namespace], request)
            self._say(connection, ref, {"ok": True})
            return

        def reply(answer: dict[str, Any]) -> None:
            if ref is not None or not answer["ok"]:
                self._say(connection, ref, answer)

        if op == "call":  # waits for somebody else; what the client says meanwhile goes on
            runtime.spawn(self._api.answer, session, op, request, reply)
        else:
            self._api.answer(session, op, request, reply)

    def _say(self, connection: JsonConnection, ref: Any, answer: dict[str, Any]) -> None:
        whole = answer if ref is None else {"ref": ref, **answer}
        connection.send_frame(frames.text(orjson.dumps(whole, default=in_base64)))

    def _authenticate(self, connection: JsonConnection, request: dict[str, Any]) -> None:
        if connection.sessions:
            raise Conflict("who you are is said before anything else")
        self._api.check(request)
        connection.credentials = request

    def _session(self, connection: JsonConnection, namespace: Any) -> Session:
        session = connection.sessions.get(namespace) if type(namespace) is str else None
        if session is not None:
            return session
        if type(namespace) is not str:
            raise BadRequest("`ns` names the namespace, such as /chat")
        if namespace not in self._namespaces:
            raise NotFound(f"there is no namespace {namespace[:64]}; there are {', '.join(self._namespaces)}")
        transport = JsonTransport(self, connection, namespace)
        try:
            session = self._api.connect(secrets.token_hex(10), namespace, connection.credentials, transport)
        except TooManyRequests as error:
            runtime.spawn(self._over_limit, connection, transport, error)  # when it was answered
            raise
        connection.sessions[namespace], connection.transports[namespace] = session, transport
        self._metrics.sessions.labels("ws").inc()
        return session

    def _over_limit(self, connection: JsonConnection, transport: JsonTransport, error: TooManyRequests) -> None:
        """The connection ends, unless it has sessions in other namespaces."""
        tell = transport.say_closing if connection.sessions else transport.close
        tell(error.code, error.message, reconnect=False, retry_after_ms=error.retry_after_ms or 0)

    def _answer(self, transport: JsonTransport, request: dict[str, Any]) -> None:
        said = {"error": request["error"]} if "error" in request else request.get("data")
        call = request.get("id")
        if type(call) is not str:
            raise BadRequest("`id` is the call's, a string")
        if not transport.answer(call, said):
            raise NotFound(f"no call {call[:64]!r} waits for an answer of yours")


def _parsed(text: bytes) -> tuple[dict[str, Any], RtError | None]:
    """A request with its `ref`, and why it cannot be carried out. Raises InvalidData or BadRequest: it is none."""
    refusal: RtError | None = None
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        refusal = InvalidData(f"not JSON: {error}")
        try:
            request = encoding.grammatical(text)
            encoding.encode(request.get("ref") if type(request) is dict else None)  # or it could not be said again
        except InvalidData:
            raise refusal from None
    if type(request) is not dict:
        raise refusal or BadRequest(_REQUEST)
    if type(request.get("op")) is not str:
        refusal = refusal or BadRequest(_REQUEST)
    return request, refusal


def _checked(ref: Any) -> Any:
    """What comes back with an answer: short, since it is the client's and not looked at otherwise."""
    if ref is None or type(ref) is int or (type(ref) is str and len(ref) <= REF_CHARACTERS):
        return ref
    raise BadRequest(f"`ref` is a whole number or a string of at most {REF_CHARACTERS} characters")

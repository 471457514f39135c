"""grpcio's client: the stub, and a session with what it received in lists."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc

from rt_service.gateways.grpc import realtime_pb2 as rt
from rt_service.gateways.grpc.realtime_pb2_grpc import RealtimeStub
from tests.support.binary import to_json, with_bytes
from tests.support.verbs import Verbs
from tests.support.waiting import eventually

Metadata = list[tuple[str, str]]


def who(user: str | None) -> Metadata:
    return [("user", user)] if user else []


def refused(error: grpc.RpcError) -> tuple[grpc.StatusCode, str]:
    """The status, and the contract's code."""
    return error.code(), str(dict(error.trailing_metadata() or ()).get("rt-code", ""))


def error_of(ask: Callable[[], Any]) -> grpc.RpcError:
    """What `ask` fails with."""
    try:
        answer = ask()
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"it did not fail, but answered {answer}")


class GrpcChannel:
    """Leaving a `with` block closes it."""

    def __init__(self, address: str, ca: Path | None = None) -> None:
        """`ca` signed the certificate of the server; without, there is no TLS."""
        # Without backoff of a second, so that a test that starts a server again does not wait for it.
        options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]
        options.append(("grpc.use_local_subchannel_pool", 1))
        if ca is None:
            self.channel = grpc.insecure_channel(address, options=options)
        else:
            self.channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(ca.read_bytes()), options=options)
        self.stub: Any = RealtimeStub(self.channel)  # type: ignore[no-untyped-call]

    def __enter__(self) -> GrpcChannel:
        return self

    def __exit__(self, *exc: object) -> None:
        self.channel.close()

    def publish(self, room: str, data: Any, user: str | None = None, **more: Any) -> Any:
        request = rt.PublishRequest(ns="/chat", room=room, event="say", data=json.dumps(data), **more)
        return self.stub.Publish(request, metadata=who(user), timeout=30)

    def subscribe(self, room: str, since: Any = None, user: str | None = None) -> Any:
        """The stream; its first message is `joined`."""
        return self.stub.Subscribe(rt.SubscribeRequest(ns="/chat", room=room, since=since), metadata=who(user))


class GrpcClient(Verbs):
    """One namespace of a `Session`. Leaving a `with` block ends it."""

    def __init__(
        self, address: str, namespace: str = "/chat", user: str | None = None, metadata: Metadata | None = None
    ) -> None:
        self.namespace = namespace
        self.on_call: Callable[[dict[str, Any]], Any] | None = None
        self.pushes: list[tuple[str, dict[str, Any]]] = []
        self.ended: grpc.RpcError | None = None
        self._answers: dict[str, dict[str, Any]] = {}
        self._refs = itertools.count(1)
        self._requests: SimpleQueue[rt.SessionRequest | None] = SimpleQueue()
        self._channel = GrpcChannel(address)
        self.stream = self._channel.stub.Session(iter(self._requests.get, None), metadata=metadata or who(user))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> GrpcClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.no_more()
        self._reader.join(10)
        self._channel.channel.close()

    def no_more(self) -> None:
        """Say that nothing more is asked."""
        self._requests.put(None)

    def send(self, op: str, request: Any = None, ref: str = "", data: str | None = None) -> None:
        data = json.dumps(request or {}, default=to_json) if data is None else data
        self._requests.put(rt.SessionRequest(ref=ref, op=op, ns=self.namespace, data=data))

    def ask(self, verb: str, request: Any = None) -> dict[str, Any]:
        ref = str(next(self._refs))
        self.send(verb, request, ref)
        return self.answer(ref)

    def answer(self, ref: str = "") -> dict[str, Any]:
        """The answer to a request; without `ref`: to one without, which only a refusal has."""
        eventually(lambda: ref in self._answers)
        return self._answers.pop(ref)

    @property
    def publications(self) -> list[dict[str, Any]]:
        return [body for kind, body in self.pushes if kind == "publication"]

    def pushed(self, name: str) -> list[dict[str, Any]]:
        """Publications by their event, everything else by what it is. With the service a session ends by its status."""
        if name == "closing" and self.ended is not None:
            return [_closing(self.ended)]
        own = [body for kind, body in self.pushes if kind == name]
        return own or [body for body in self.publications if body["event"] == name]

    def _read(self) -> None:
        try:
            for response in self.stream:
                self._take(response.WhichOneof("kind"), response)
        except grpc.RpcError as error:
            self.ended = error

    def _take(self, kind: str, response: Any) -> None:
        if kind == "answer":
            self._answers[response.answer.ref] = _answer(response.answer)
            return
        body = _SHAPES[kind](getattr(response, kind))
        self.pushes.append((kind, body))
        if kind == "call" and self.on_call is not None:
            self.send("answer", {"id": body["id"], "data": self.on_call(body)})


def _closing(error: grpc.RpcError) -> dict[str, Any]:
    said = dict(error.trailing_metadata() or ())
    again = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
    about = {"code": said.get("rt-code"), "message": error.details(), "reconnect": again}
    return {**about, "retry_after_ms": int(said.get("retry-after-ms", 0))}


def publication(message: Any) -> dict[str, Any]:
    """As the contract has it."""
    return {
        "room": message.room or None,
        "event": message.event,
        "data": _json(message.data),
        "from": _identity(message.sender),
        "id": message.id,
        "offset": message.offset if message.HasField("offset") else None,
        "at": message.at,
    } | ({"key": message.key} if message.key else {})


def member(message: Any) -> dict[str, Any]:
    return {**_identity(message.identity), "info": _json(message.info), "sessions": message.sessions}


def _answer(message: Any) -> dict[str, Any]:
    if message.ok:
        return {"ok": True, **_json(message.data)}
    error = {"code": message.error.code, "message": message.error.message}
    if message.error.HasField("retry_after_ms"):
        error["retry_after_ms"] = message.error.retry_after_ms
    return {"ok": False, "error": error}


def _identity(message: Any) -> dict[str, Any]:
    return {"kind": message.kind, "id": message.id}


def _json(text: str) -> Any:
    return with_bytes(json.loads(text))


_SHAPES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "publication": publication,
    "presence": lambda m: {"room": m.room, "action": m.action, "member": member(m.member)},
    "call": lambda m: {"id": m.id, "method": m.method, "data": _json(m.data), "from": _identity(m.sender)},
    "closing": lambda m: {"code": m.code, "reconnect": m.reconnect, "retry_after_ms": m.retry_after_ms},
}

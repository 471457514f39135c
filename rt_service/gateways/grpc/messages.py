"""What the service says as JSON, and the same as protobuf; what stands in `data` goes through as it is."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from msgspec import Raw, Struct

from rt_service.core import names
from rt_service.core.errors import BadRequest, InvalidData, NotFound
from rt_service.gateways.grpc import realtime_pb2 as rt


class Identity(Struct):
    kind: str
    id: str

    def message(self) -> rt.Identity:
        return rt.Identity(kind=self.kind, id=self.id)


class Member(Struct):
    kind: str
    id: str
    info: Raw
    sessions: int

    def message(self) -> rt.Member:
        who = rt.Identity(kind=self.kind, id=self.id)
        return rt.Member(identity=who, info=text(self.info), sessions=self.sessions)


class Publication(Struct):
    room: str | None
    event: str
    data: Raw
    sender: Identity = msgspec.field(name="from")
    id: str
    offset: int | None
    at: int
    key: str = ""
    ns: str = ""  # of what is pushed

    def message(self, namespace: str) -> rt.Publication:
        return rt.Publication(
            ns=namespace, room=self.room or "", event=self.event, data=text(self.data), sender=self.sender.message(),
            id=self.id, offset=self.offset, at=self.at, key=self.key,
        )  # fmt: skip


class History(Struct):
    epoch: str
    offset: int
    publications: list[Publication]
    more: bool


class Members(Struct):
    members: list[Member]


class Called(Struct):
    data: Raw


class Frame(Struct):
    """What a frame of `/ws` is: something pushed, or the answer to `ref`."""

    push: str = ""
    ref: str = ""
    ok: bool = False


class Joined(Struct):
    epoch: str
    offset: int
    recovered: bool
    publications: list[Publication]


class PresenceChange(Struct):
    ns: str
    room: str
    action: str
    member: Member

    def message(self) -> rt.PresenceChange:
        return rt.PresenceChange(ns=self.ns, room=self.room, action=self.action, member=self.member.message())


class Call(Struct):
    ns: str
    id: str
    method: str
    data: Raw
    sender: Identity = msgspec.field(name="from")

    def message(self) -> rt.Call:
        return rt.Call(
            ns=self.ns, id=self.id, method=self.method, data=text(self.data), sender=self.sender.message()
        )  # fmt: skip


class Closing(Struct):
    ns: str
    code: str
    message_: str = msgspec.field(name="message")
    reconnect: bool
    retry_after_ms: int = 0

    def message(self) -> rt.Closing:
        return rt.Closing(
            ns=self.ns, code=self.code, message=self.message_, reconnect=self.reconnect,
            retry_after_ms=self.retry_after_ms,
        )  # fmt: skip


def answer(frame: bytes) -> rt.Answer:
    """The answer to a request of a session."""
    said: dict[str, Any] = orjson.loads(frame)
    ref, ok = str(said.pop("ref", "")), bool(said.pop("ok", False))
    return rt.Answer(ref=ref, ok=True, data=orjson.dumps(said).decode()) if ok else refused(ref, said["error"])


def refused(ref: str, error: dict[str, Any]) -> rt.Answer:
    """The answer that says no, with the contract's error object."""
    told = rt.Error(code=error["code"], message=error["message"], retry_after_ms=error.get("retry_after_ms"))
    return rt.Answer(ref=ref, ok=False, error=told)


def text(raw: Raw) -> str:
    return bytes(raw).decode()


def parsed(json: str) -> Any:
    """The value of a field `data`. Raises InvalidData."""
    try:
        return orjson.loads(json)
    except orjson.JSONDecodeError as error:
        raise InvalidData(f"`data` is JSON text, and a string in it stands in quotes: {error}") from None


def fragment(json: str) -> orjson.Fragment:
    """The JSON text of a field `data`, looked at once and put into a request as it is. Raises InvalidData."""
    parsed(json)
    return orjson.Fragment(json)


def namespace(name: str) -> str:
    """As it stands in a path, without its slash. Raises BadRequest or NotFound."""
    bare = name.removeprefix("/")
    if not bare:
        raise BadRequest("`ns` names the namespace, such as /chat")
    if not names.is_name(bare):
        raise NotFound(f"there is no namespace {name[:64]}")
    return bare

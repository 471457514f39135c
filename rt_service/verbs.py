"""What each verb takes (CONTRACT.md section 2), as types that are checked when a request comes in.

Names are `Any` with a schema for the documents: `core.names` checks them, with errors of their own. `data` is anything.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from rt_service.core import names
from rt_service.core.errors import BadRequest
from rt_service.core.model import KINDS, Position, PublicationClass


def _text(pattern: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{pattern}$", **more}


RoomName = Annotated[Any, Meta(extra_json_schema=_text(names.NAME), examples=["lobby"])]
EventName = Annotated[
    Any,
    Meta(extra_json_schema=_text(names.EVENT, **{"not": {"enum": sorted(names.RESERVED_EVENTS)}}), examples=["say"]),
]
MethodName = Annotated[Any, Meta(extra_json_schema=_text(names.EVENT), examples=["set"])]
DeviceId = Annotated[Any, Meta(extra_json_schema=_text(names.NAME), examples=["greenhouse-1"])]
AccountName = Annotated[Any, Meta(extra_json_schema=_text(names.NAME), examples=["alice"])]
Address = Annotated[
    Any, Meta(extra_json_schema=_text(f"({'|'.join(KINDS)}):{names.NAME}"), examples=["device:greenhouse-1"])
]
Name = Annotated[str, Meta(extra_json_schema=_text(names.NAME))]


class Since(Struct):
    epoch: str
    offset: Annotated[int, Meta(ge=0, le=2**53)]

    def position(self) -> Position:
        return Position(self.epoch, self.offset)


class Room(Struct):
    room: RoomName


class Join(Struct):
    room: RoomName
    since: Since | None = None


class NewPublication(Struct):
    event: EventName
    data: Any
    id: Name | None = None
    class_: PublicationClass = msgspec.field(default=PublicationClass.KEPT, name="class")
    key: Name | None = None


class Publish(NewPublication, kw_only=True):
    room: RoomName


class Send(Struct):
    to: Address
    event: EventName
    data: Any


class Call(Struct):
    to: Address
    method: MethodName
    data: Any = None
    timeout_ms: Annotated[int, Meta(gt=0)] = 5000


class History(Struct):
    room: RoomName
    since: Since | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    reverse: bool = False


class Rooms(Struct):
    prefix: Annotated[str, Meta(max_length=128)] = ""
    after: Annotated[str, Meta(max_length=128)] = ""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 1000


class Twin(Struct):
    device: DeviceId


class TwinUpdate(Struct):
    device: DeviceId
    desired: Any
    version: int | None = None


class Refresh(Struct):
    token: Any


class Ping(Struct):
    pass


_PLAIN = {"object": "an object", "str": "a string", "int": "a whole number", "float": "a number"} | {
    "bool": "true or false",
    "array": "a list",
    "null": "null",
    "bytes": "binary",
}
_ONE = "|".join(_PLAIN)
_TYPES = re.compile(rf"`((?:{_ONE})(?: \| (?:{_ONE}))*)`")

K = TypeVar("K")


def convert(verb: str, request: Any, kind: type[K]) -> K:
    """`request` as the type of its verb. Raises BadRequest where it does not fit."""
    try:
        return msgspec.convert(request, kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{verb}: {plainly(error)}") from None


def plainly(error: msgspec.ValidationError) -> str:
    """What msgspec found wrong, in the words of JSON."""
    text = str(error).replace(" - at `$.", " at `").replace(" - at `$`", "")
    text = _TYPES.sub(lambda found: " or ".join(_PLAIN[one] for one in found[1].split(" | ")), text)
    if "Invalid enum value" in text:
        text = "class is kept, latest or volatile, not " + text.partition("Invalid enum value ")[2].partition(" at ")[0]
    return text[0].lower() + text[1:]

"""What requests over HTTP are answered with, as types: /openapi.json shows them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from rt_service.auth.policy import ROLES
from rt_service.core.errors import ERRORS
from rt_service.core.model import KINDS
from rt_service.gateways.http_types import AccountRole

Offset = Annotated[int | None, Meta(description="null for what is not in the history")]
Total = Annotated[int, Meta(description="how many there are that fit")]
Time = Annotated[int, Meta(description="Unix time in milliseconds")]
Kind = Annotated[str, Meta(extra_json_schema={"enum": list(KINDS)})]
Code = Annotated[str, Meta(extra_json_schema={"enum": list(ERRORS)})]


class Account(Struct):
    name: str
    role: AccountRole
    created_at: Time


class LoggedIn(Struct):
    token: str
    expires_at: Annotated[float, Meta(description="Unix time in seconds")]


class Error(Struct):
    code: Code
    message: Annotated[str, Meta(description="for the client's developer")]
    retry_after_ms: Annotated[int, Meta(description="when to try again")] | UnsetType = UNSET


class Failure(Struct):
    error: Error


class Published(Struct):
    id: str
    epoch: str
    offset: Offset


class Result(Struct):
    """Of one publication of a list: `ok` with where it is, or not and why."""

    ok: bool
    id: str | UnsetType = UNSET
    epoch: str | UnsetType = UNSET
    offset: Offset | UnsetType = UNSET
    error: Error | UnsetType = UNSET


class Results(Struct):
    """In the order of what was published."""

    results: list[Result]


class Identity(Struct):
    kind: Kind
    id: str


class Publication(Struct):
    room: str | None
    event: str
    data: Any
    from_: Identity = field(name="from")
    id: str
    offset: Offset
    at: Time
    key: str | UnsetType = UNSET


class History(Struct):
    epoch: str
    offset: int
    publications: list[Publication]
    more: Annotated[bool, Meta(description="whether the limit cut it")]


class Member(Struct):
    kind: Kind
    id: str
    info: Any
    sessions: int


class Members(Struct):
    members: list[Member]


class Room(Struct):
    room: str
    members: int


class Rooms(Struct):
    rooms: list[Room]
    more: Annotated[bool, Meta(description="whether the limit cut it: ask for those `after` the last one")]


class Delivered(Struct):
    delivered: Annotated[int, Meta(description="how many sessions")]


class Answer(Struct):
    data: Any


class Twin(Struct):
    desired: dict[str, Any]
    reported: dict[str, Any]
    version: int


class Device(Struct):
    id: str
    online: bool
    since: Time
    seen: Annotated[int | None, Meta(description="when it last said something, in Unix ms; null: not since the start")]


class Devices(Struct):
    """Those that came or went last first."""

    devices: list[Device]
    total: Total


class Letter(Struct):
    reason: str
    message: str
    topic: str
    payload: Annotated[str, Meta(description="its beginning")]
    size: int
    at: Time
    from_: str | None = field(name="from")


class Letters(Struct):
    dead_letters: list[Letter]


class Alive(Struct):
    ok: bool


class Ready(Struct):
    ok: bool
    checks: Annotated[dict[str, str], Meta(description="`ok`, or what is wrong")]


class Session(Struct):
    sid: str
    kind: Kind
    id: str
    role: Annotated[str, Meta(extra_json_schema={"enum": list(ROLES)})]
    namespace: Annotated[str | None, Meta(description="null over MQTT, where there is none")]
    rooms: list[str]
    transport: Annotated[str, Meta(extra_json_schema={"enum": ["socketio", "ws", "sse", "ndjson", "mqtt"]})]
    waiting: Annotated[int, Meta(description="bytes that its client has not taken yet")]
    since: Time


class Sessions(Struct):
    """Those for whom most waits first."""

    sessions: list[Session]
    total: Total


class RoomState(Struct):
    namespace: str
    room: str
    members: int
    offset: Annotated[int | None, Meta(description="of the newest kept publication; null where nobody is in it")]


class AllRooms(Struct):
    """Those with most members first."""

    rooms: list[RoomState]
    total: Total


class Explained(Struct):
    lines: list[str]


class Effective(Struct):
    settings: Annotated[dict[str, dict[str, Any]], Meta(description="by section and name; secrets are masked")]


class Revoked(Struct):
    ended: Annotated[int, Meta(description="how many sessions that ended")]

"""What requests over HTTP take besides what verbs take, and what is answered, as types: /openapi.json shows them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from rt_service import verbs
from rt_service.auth.accounts import PASSWORD_LENGTH
from rt_service.auth.accounts import ROLES as ACCOUNT_ROLES
from rt_service.auth.policy import ROLES
from rt_service.core import names
from rt_service.core.errors import ERRORS
from rt_service.core.model import KINDS
from rt_service.gateways.positions import EPOCH_CHARACTERS, OFFSET_DIGITS
from rt_service.mqtt.topics import MAX_LEVELS

_LEVEL = "[^+#/\\u0000]*"
_POSITION = {"type": "string", "pattern": f"^[A-Za-z0-9]{{1,{EPOCH_CHARACTERS}}}:[0-9]{{1,{OFFSET_DIGITS}}}$"}

User = Annotated[
    str,
    Meta(
        description="who asks; somebody anonymous where it is missing",
        extra_json_schema={"pattern": f"^{names.NAME}$"},
    ),
]
Since = Annotated[str, Meta(description="a position, `epoch:offset`: what comes after it", extra_json_schema=_POSITION)]
EventId = Annotated[str, Meta(description="as `since`: browsers send it by themselves", extra_json_schema=_POSITION)]
Limit = Annotated[int, Meta(description="how many at most", ge=1, le=1000)]
Reverse = Annotated[bool, Meta(description="backward, from before `since` or else from the newest")]
Wait = Annotated[float, Meta(description="seconds to wait for something after `since`", ge=0, le=60)]
Prefix = Annotated[str, Meta(description="what the names begin with", max_length=128)]
Filter = Annotated[
    str, Meta(description="what stands in those that are shown, in large or small letters", max_length=256)
]
Version = Annotated[int, Meta(description="refused as a conflict if the twin is at another one")]
KnownTags = Annotated[str, Meta(description="ETags that the client has; 304 if one is still right")]
WantedTags = Annotated[str, Meta(description="the ETag of the twin that is patched; 412 if it is another one")]
Namespace = Annotated[str, Meta(description="the namespace", examples=["iot"])]
Offset = Annotated[int | None, Meta(description="null for what is not in the history")]
Total = Annotated[int, Meta(description="how many there are that fit")]
Time = Annotated[int, Meta(description="Unix time in milliseconds")]
Kind = Annotated[str, Meta(extra_json_schema={"enum": list(KINDS)})]
AccountRole = Annotated[str, Meta(extra_json_schema={"enum": list(ACCOUNT_ROLES)})]
Password = Annotated[
    Any,
    Meta(extra_json_schema={"type": "string", "minLength": PASSWORD_LENGTH[0], "maxLength": PASSWORD_LENGTH[1]}),
]
Code = Annotated[str, Meta(extra_json_schema={"enum": list(ERRORS)})]

# -- in the query


class Query(Struct):
    user: User | UnsetType = UNSET


class HistoryQuery(Query):
    since: Since | UnsetType = UNSET
    limit: Limit = 100
    reverse: Reverse = False
    wait: Wait = 0.0


class StreamQuery(Query):
    since: Since | UnsetType = UNSET


class RoomsQuery(Query):
    prefix: Prefix = ""


class TwinQuery(Query):
    version: Version | UnsetType = UNSET


class LettersQuery(Struct):
    limit: Annotated[int, Meta(description="how many at most", ge=0)] = 100


class Finding(Struct):
    filter: Filter = ""
    limit: Limit = 1000


class Nothing(Struct):
    pass


class Revocation(Struct):
    of: Annotated[
        str,
        Meta(
            description="an identity, for every token that it was given until now, or one token: `token:<its jti>`",
            extra_json_schema={"pattern": f"^({'|'.join((*KINDS, 'token'))}):{names.NAME}$"},
        ),
    ]


# -- in headers


class Fetching(Struct):
    if_none_match: KnownTags | UnsetType = field(default=UNSET, name="If-None-Match")


class Patching(Struct):
    if_match: WantedTags | UnsetType = field(default=UNSET, name="If-Match")


class Streaming(Struct):
    last_event_id: EventId | UnsetType = field(default=UNSET, name="Last-Event-ID")


# -- bodies


class Send(verbs.Send, kw_only=True):
    ns: Namespace


class Call(verbs.Call, kw_only=True):
    ns: Namespace


class Explaining(Struct):
    topic: Annotated[
        str,
        Meta(
            description="an MQTT topic",
            min_length=1,
            max_length=1024,
            extra_json_schema={"pattern": f"^{_LEVEL}(/{_LEVEL}){{0,{MAX_LEVELS - 1}}}$"},
        ),
    ]


class NewAccount(Struct):
    name: verbs.AccountName
    password: Password
    role: AccountRole = "user"


class LoggingIn(Struct):
    name: verbs.AccountName
    password: Password


class NewPassword(Struct):
    new: Password
    password: Annotated[str | None, Meta(description="the one there was; an admin may leave it out")] = None


# -- answers


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

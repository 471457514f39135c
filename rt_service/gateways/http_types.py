"""What requests over HTTP take besides what verbs take, as types: /openapi.json shows them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from rt_service import verbs
from rt_service.auth.accounts import PASSWORD_LENGTH
from rt_service.auth.accounts import ROLES as ACCOUNT_ROLES
from rt_service.core import names
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
After = Annotated[str, Meta(description="the name of a room: those behind it, in the order of names", max_length=128)]
Prefix = Annotated[str, Meta(description="what the names begin with", max_length=128)]
Filter = Annotated[
    str, Meta(description="what stands in those that are shown, in large or small letters", max_length=256)
]
Version = Annotated[int, Meta(description="refused as a conflict if the twin is at another one")]
KnownTags = Annotated[str, Meta(description="ETags that the client has; 304 if one is still right")]
WantedTags = Annotated[str, Meta(description="the ETag of the twin that is patched; 412 if it is another one")]
Namespace = Annotated[str, Meta(description="the namespace", examples=["iot"])]
AccountRole = Annotated[str, Meta(extra_json_schema={"enum": list(ACCOUNT_ROLES)})]
Password = Annotated[
    Any,
    Meta(extra_json_schema={"type": "string", "minLength": PASSWORD_LENGTH[0], "maxLength": PASSWORD_LENGTH[1]}),
]
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
    after: After = ""
    limit: Limit = 1000


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

"""MQTT 3.1.1 and 5.0 control packets as values (MQTT 5.0 chapter 3); `codec` turns them into bytes and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from rt_service.mqtt.wire import Reason

V5 = 5


class Kind(IntEnum):
    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


@dataclass(slots=True)
class Will:
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Connect:
    client_id: str
    version: int = V5
    clean_start: bool = True
    keepalive: int = 0
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Connack:
    session_present: bool
    reason: int
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Publish:
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Acknowledgement:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""

    kind: Kind
    packet_id: int
    reason: int = Reason.SUCCESS


@dataclass(slots=True)
class Subscription:
    """One filter of a SUBSCRIBE with its options (section 3.8.3.1)."""

    filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(slots=True)
class Subscribe:
    packet_id: int
    subscriptions: list[Subscription]
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Unsubscribe:
    packet_id: int
    filters: list[str]
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Suback:
    """SUBACK, or UNSUBACK (which has no reasons in 3.1.1)."""

    kind: Kind
    packet_id: int
    reasons: list[int]


@dataclass(slots=True)
class Ping:
    """PINGREQ or PINGRESP."""

    kind: Kind


@dataclass(slots=True)
class Disconnect:
    reason: int = Reason.SUCCESS
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Auth:
    reason: int
    properties: dict[str, Any] = field(default_factory=dict)


Packet = Connect | Connack | Publish | Acknowledgement | Subscribe | Unsubscribe | Suback | Ping | Disconnect | Auth

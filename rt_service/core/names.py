"""The grammar of names (CONTRACT.md section 1): none can smuggle an MQTT wildcard, a path or a control character."""

from __future__ import annotations

import re

from rt_service.core.errors import BadRequest, InvalidEvent, InvalidRoom
from rt_service.core.model import KINDS, Identity

NAME = "[A-Za-z0-9_.:@-]{1,128}"  # a room; ids of identities, publications and calls follow the same grammar
EVENT = "[A-Za-z0-9_.:@-]{1,64}"  # an event; a method too
_is_room = re.compile(NAME).fullmatch
_is_event = re.compile(EVENT).fullmatch

# Names that clients already use for something else: the service's own pushes (CONTRACT.md section 2) and the
# events that Socket.IO libraries emit locally (socket.io-client's RESERVED_EVENTS, python-socketio's).
RESERVED_EVENTS = frozenset(
    {
        "presence", "call", "closing",
        "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener",
    }
)  # fmt: skip


def room_name(value: object) -> str:
    """`value` if it is a room name: 1-128 of `A-Za-z0-9_.:@-`.

    Raises:
        InvalidRoom: it is not a string or has another character or length.
    """
    if type(value) is not str or not _is_room(value):
        raise InvalidRoom(f"a room name is 1-128 of A-Za-z0-9_.:@-, not {_shown(value)}")
    return value


def event_name(value: object) -> str:
    """`value` if it is an event name that clients can listen for: 1-64 of `A-Za-z0-9_.:@-`, not reserved.

    Raises:
        InvalidEvent: it is not a string, has another character or length, or is reserved.
    """
    if type(value) is not str or not _is_event(value):
        raise InvalidEvent(f"an event name is 1-64 of A-Za-z0-9_.:@-, not {_shown(value)}")
    if value in RESERVED_EVENTS:
        raise InvalidEvent(f"the event name {value!r} is reserved")
    return value


def method_name(value: object) -> str:
    """`value` if it is a name that a call may have: 1-64 of `A-Za-z0-9_.:@-`.

    Raises:
        BadRequest: it is not.
    """
    if type(value) is not str or not _is_event(value):
        raise BadRequest(f"a method name is 1-64 of A-Za-z0-9_.:@-, not {_shown(value)}")
    return value


def is_name(value: object) -> bool:
    """Whether `value` could be a room name; ids of identities, calls and publications follow the same grammar."""
    return type(value) is str and _is_room(value) is not None


def device_id(value: object) -> str:
    """`value` if a device can be called so: 1-128 of `A-Za-z0-9_.:@-`.

    Raises:
        BadRequest: it cannot.
    """
    if type(value) is not str or not _is_room(value):
        raise BadRequest("a device id is 1-128 of A-Za-z0-9_.:@-")
    return value


def address(value: object) -> Identity:
    """The identity that `user:alice`, `device:lamp-1` or `service:billing` names.

    Raises:
        BadRequest: it is not of that form.
    """
    kind, colon, name = value.partition(":") if type(value) is str else ("", "", "")
    if not colon or kind not in KINDS or not is_name(name):
        raise BadRequest(f"an identity is user:<id>, device:<id> or service:<id>, not {_shown(value)}")
    return Identity(kind, name)


def _shown(value: object) -> str:
    """A short, printable form of what a client sent, for an error message."""
    if type(value) is not str:
        return f"a value of type {_JSON_TYPES.get(type(value), 'unknown')}"
    return repr(value if len(value) <= 40 else value[:40] + "…")


_JSON_TYPES: dict[type, str] = {
    int: "number", float: "number", bool: "boolean", type(None): "null",
    list: "array", tuple: "array", dict: "object", bytes: "binary",
}  # fmt: skip

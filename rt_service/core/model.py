"""The nouns: identity, position, publication. Shapes as CONTRACT.md section 1 gives them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

import orjson

from rt_service.core import encoding

KINDS = ("user", "device", "service")


class Identity(NamedTuple):
    """Who speaks: `kind` is one of `KINDS`, `id` follows the grammar of room names."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Grant(NamedTuple):
    """`rooms` are patterns such as `/chat:lobby`, `/iot:device:*` or `/chat:*`; `verbs` names, `publish:say` or `*`."""

    rooms: tuple[str, ...]
    verbs: tuple[str, ...]


class Who(NamedTuple):
    """Somebody who was let in; `info` is shown in presence. `grants` None: the policy's rules alone decide."""

    identity: Identity
    info: Any = None
    role: str = "user"
    grants: tuple[Grant, ...] | None = None
    expires_at: float | None = None  # Unix time in seconds
    token_id: str = ""


def known_as(identity: Identity) -> Who:
    """Somebody of whom nothing is known but the name: a device, an application."""
    return Who(identity, role=identity.kind)


class Position(NamedTuple):
    """How far somebody has read a room: all a client needs to catch up. A new epoch means a new history."""

    epoch: str
    offset: int


class PublicationClass(StrEnum):
    KEPT = "kept"  # has an offset, can be recovered
    LATEST = "latest"  # only the newest of its key is kept
    VOLATILE = "volatile"  # kept nowhere; the first thing dropped for a slow reader


class Token(NamedTuple):
    """`name` is unique for its sender while it counts. One that is used again for something else, as MQTT packet ids
    are, has a `check` that differs, or comes with `again` False: then nothing is looked up."""

    name: str
    check: str = ""
    again: bool = True


class Publication:
    """What is said in a room; `room` is None for what is sent to one identity.

    `epoch` and `offset` are given by the engine; `offset` stays None for what is not kept. `at` is Unix time in
    milliseconds. `token` is how the engine recognises it when its sender publishes it again: an id that a client chose,
    or what tells a device's message from others. The JSON form is made once and shared by every wire format.
    """

    __slots__ = (
        "_data", "_json", "at", "class_", "encoded", "epoch", "event", "id", "key", "namespace", "offset",
        "room", "sender", "token",
    )  # fmt: skip

    def __init__(
        self,
        namespace: str,
        room: str | None,
        event: str,
        data: Any,
        sender: Identity,
        id: str,
        at: int,
        class_: PublicationClass = PublicationClass.KEPT,
        key: str | None = None,
        token: Token | None = None,
        epoch: str = "",
        offset: int | None = None,
    ) -> None:
        self.namespace = namespace
        self.room = room
        self.event = event
        self.sender = sender
        self.id = id
        self.at = at
        self.class_ = class_
        self.key = key
        self.token = token
        self.epoch = epoch
        self.offset = offset
        self.encoded = encoding.encode(data)
        self._data = data
        self._json: bytes | None = None

    @property
    def data(self) -> Any:
        """What was said, as Python values; binary as bytes."""
        if self._data is _ONLY_ENCODED:
            return encoding.loads(self.encoded.json)
        return self._data

    @property
    def binary(self) -> bool:
        """Whether there is binary somewhere inside `data`."""
        return self.encoded.binary

    @property
    def size(self) -> int:
        """Bytes of its data as JSON."""
        return len(self.encoded.json)

    @property
    def json(self) -> bytes:
        """The publication as one JSON object; binary inside `data` as `{"$base64": "…"}`."""
        if self._json is None:
            self._json = self._written()
        return self._json

    def as_dict(self) -> dict[str, Any]:
        """The publication as clients see it."""
        shown: dict[str, Any] = {
            "room": self.room,
            "event": self.event,
            "data": self.data,
            "from": {"kind": self.sender.kind, "id": self.sender.id},
            "id": self.id,
            "offset": self.offset,
            "at": self.at,
        }
        if self.key is not None:
            shown["key"] = self.key
        return shown

    def shown(self) -> Any:
        """The publication as part of an answer: JSON that is not encoded again, unless there is binary in it."""
        return self.as_dict() if self.binary else orjson.Fragment(self._json or self._written())

    def compact(self) -> None:
        """Let go of all forms but one: it was delivered, and is only kept from now on."""
        if not self.encoded.binary:
            self._data = _ONLY_ENCODED
        # orjson's result may occupy 4 KiB whatever its length; a copy has its own size.
        text, binary = self.encoded
        self.encoded = encoding.Encoded(bytes(memoryview(text)), binary)
        self._json = None

    def _written(self) -> bytes:
        # Every name here is of the grammar of names, so none needs escaping: a tenth of a JSON encoder's time.
        room = "null" if self.room is None else f'"{self.room}"'
        offset = "null" if self.offset is None else self.offset
        key = "" if self.key is None else f',"key":"{self.key}"'
        kind, sender = self.sender
        return (
            f'{{"room":{room},"event":"{self.event}","data":{self.encoded.json.decode()},'
            f'"from":{{"kind":"{kind}","id":"{sender}"}},"id":"{self.id}","offset":{offset},"at":{self.at}{key}}}'
        ).encode()


_ONLY_ENCODED = object()

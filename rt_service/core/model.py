"""The nouns: identity, position, publication. Shapes as CONTRACT.md section 1 gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from rt_service.core import encoding

KINDS = ("user", "device", "service")


class Identity(NamedTuple):
    """Who speaks: `kind` is one of `KINDS`, `id` follows the grammar of room names."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Position(NamedTuple):
    """How far somebody has read a room: all a client needs to catch up. A new epoch means a new history."""

    epoch: str
    offset: int


class PublicationClass(StrEnum):
    KEPT = "kept"  # has an offset, can be recovered
    LATEST = "latest"  # only the newest of its key is kept
    VOLATILE = "volatile"  # kept nowhere; the first thing dropped for a slow reader


@dataclass(slots=True, eq=False)
class Publication:
    """What is said in a room; `room` is None for what is sent to one identity.

    `epoch` and `offset` are given by the engine; `offset` stays None for what is not kept.
    `at` is Unix time in milliseconds. `may_repeat` says that somebody chose the id and may publish it again, so that
    the engine has to remember it. The JSON form is made once and shared by every wire format.
    """

    namespace: str
    room: str | None
    event: str
    data: Any
    sender: Identity
    id: str
    at: int
    class_: PublicationClass = PublicationClass.KEPT
    key: str | None = None
    may_repeat: bool = False
    epoch: str = ""
    offset: int | None = None
    encoded_data: encoding.Encoded | None = None
    _json: bytes | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The publication as clients see it; `data` as Python values, binary as bytes."""
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

    @property
    def encoded(self) -> encoding.Encoded:
        """`data` as JSON, made once."""
        if self.encoded_data is None:
            self.encoded_data = encoding.encode(self.data)
        return self.encoded_data

    @property
    def json(self) -> bytes:
        """The publication as one JSON object, made once; binary inside `data` as `{"$base64": "…"}`."""
        if self._json is None:
            self._json = self._written()
        return self._json

    def _written(self) -> bytes:
        # Every name here is of the grammar of names, so that none needs escaping: this is a tenth of a JSON encoder's time.
        room = "null" if self.room is None else f'"{self.room}"'
        offset = "null" if self.offset is None else self.offset
        key = "" if self.key is None else f',"key":"{self.key}"'
        head = f'{{"room":{room},"event":"{self.event}","data":'
        tail = (
            f',"from":{{"kind":"{self.sender.kind}","id":"{self.sender.id}"}},'
            f'"id":"{self.id}","offset":{offset},"at":{self.at}{key}}}'
        )
        return b"".join((head.encode(), self.encoded.json, tail.encode()))

    @property
    def binary(self) -> bool:
        """Whether there is binary somewhere inside `data`."""
        return self.encoded.binary

"""The shapes of docs/protocol.md as Python has them, and the one error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class RtError(Exception):
    """A refusal: `code` is one of docs/protocol.md. What an `on_call` handler raises is what its caller is told.

    A service that cannot be reached is `unavailable`, an answer that does not come `timeout`.
    """

    def __init__(self, code: str, message: str, retry_after_ms: int | None = None) -> None:
        super().__init__(code, message, retry_after_ms)
        self.code, self.message, self.retry_after_ms = code, message, retry_after_ms

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @classmethod
    def of(cls, failure: dict[str, Any]) -> RtError:
        return cls(failure["code"], failure["message"], failure.get("retry_after_ms"))

    @property
    def temporary(self) -> bool:
        """Whether the same may be tried again. More than a limit allows is, where the service says for how long."""
        return self.retry_after_ms is not None or self.code in ("unavailable", "timeout")


class Identity(NamedTuple):
    """`kind` is user, device or service. As text it is what `send` and `call` take: `user:alice`."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Member(NamedTuple):
    kind: str
    id: str
    info: Any
    sessions: int

    @classmethod
    def of(cls, shown: dict[str, Any]) -> Member:
        return cls(shown["kind"], shown["id"], shown["info"], shown["sessions"])


class PresenceChange(NamedTuple):
    """`action` is join, leave, online or offline."""

    room: str
    action: str
    member: Member


class Position(NamedTuple):
    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Publication:
    """`room` is None for what was sent to us alone, `offset` for what is not kept. `at`: Unix time in milliseconds."""

    room: str | None
    event: str
    data: Any
    sender: Identity
    id: str
    offset: int | None
    at: int
    key: str | None = None

    @classmethod
    def of(cls, shown: dict[str, Any]) -> Publication:
        fields = {name: shown[name] for name in cls.__slots__ if name in shown}
        return cls(sender=Identity(shown["from"]["kind"], shown["from"]["id"]), **fields)


class Receipt(NamedTuple):
    """Where a publication stands; `offset` is None for one that is not in the history."""

    id: str
    epoch: str
    offset: int | None


class Joined(NamedTuple):
    """How a room was entered. Unless `recovered`, something may be missing since the last publication that was told.
    `missed` goes to the handlers too; `latest` is the newest of each key."""

    position: Position
    recovered: bool
    missed: list[Publication]
    latest: list[Publication]
    members: list[Member]


class History(NamedTuple):
    """`position` is the room's newest; `more` says that the limit cut it."""

    position: Position
    publications: list[Publication]
    more: bool


class Twin(NamedTuple):
    desired: dict[str, Any]
    reported: dict[str, Any]
    version: int


class Closing(NamedTuple):
    """Why the service ends the session. With `reconnect` the client comes back by itself when it is time."""

    code: str
    message: str
    reconnect: bool
    retry_after_ms: int

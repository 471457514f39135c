"""A room that is in memory, and how it is read from the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rt_service.core.model import Identity
from rt_service.core.ports import Kept, Receipt
from rt_service.core.stream import Seen, Stream, StreamBounds
from rt_service.engines.sqlite import rows
from rt_service.engines.sqlite.database import Database


@dataclass(slots=True, eq=False)
class Room:
    """A room that is in memory."""

    id: int
    namespace: str
    name: str
    stream: Stream
    used: int  # Unix time in ms
    stored: bool = False  # the file knows it
    writing: int = 0  # publications on their way to the file
    trimmed: int = 0  # no offset up to this one is in the file
    pending: dict[tuple[Identity, str], list[Kept]] = field(default_factory=dict)  # who repeats what is being written


def load(
    database: Database, namespace: str, name: str, bounds: StreamBounds, now: int, weigh: Callable[[int], None]
) -> Room | None:
    """The room as the file has it, with as much history as is kept in memory. Raises sqlite3.Error."""
    read = database.read
    row = next(read("SELECT id, epoch, offset FROM room WHERE namespace = ? AND name = ?", namespace, name), None)
    if row is None:
        return None
    id, epoch, offset = row
    stream = Stream(epoch, bounds, weigh)
    history = read(
        "SELECT at, binary, body FROM publication WHERE room = ? ORDER BY offset DESC LIMIT ?",
        id, bounds.publications,
    )  # fmt: skip
    latest = list(read("SELECT at, binary, body FROM latest WHERE room = ? ORDER BY at DESC LIMIT ?", id, bounds.keys))
    stream.restore(
        offset,
        (rows.publication(namespace, epoch, *kept) for kept in history),
        (rows.publication(namespace, epoch, *kept) for kept in reversed(latest)),
    )
    repeats = read(
        'SELECT sender, token, "check", offset, at FROM repeat WHERE room = ? AND at > ? ORDER BY at',
        id, now - bounds.repeat_ms,
    )  # fmt: skip
    for sender, token, check, at_offset, at in repeats:
        kind, _, who = sender.partition(":")
        stream.recall(Identity(kind, who), token, Seen(Receipt(epoch, at_offset), at, check))
    return Room(id, namespace, name, stream, now, stored=True)

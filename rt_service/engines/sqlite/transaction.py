"""What one transaction writes: rooms with their new positions, publications, and everything else that is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from rt_service.core.model import Publication, PublicationClass
from rt_service.core.ports import Kept
from rt_service.core.stream import StreamBounds
from rt_service.engines.sqlite.database import Batch, Row
from rt_service.engines.sqlite.room import Room

TRIM_SLACK = 256  # so many publications more than the bound may be in the file


class Entry(NamedTuple):
    room: Room
    publication: Publication
    done: Kept


def add_rooms(
    batch: Batch, entries: list[Entry], opened: list[Room], now: int, bounds_of: Callable[[str], StreamBounds]
) -> int:
    """Give each publication its position, as it is going to be; how many rooms are new in the file."""
    offsets = {room: room.stream.offset for room in (*opened, *(entry.room for entry in entries))}
    for room, publication, _ in entries:
        publication.epoch = room.stream.epoch
        if publication.class_ is PublicationClass.KEPT:
            offsets[room] += 1
            publication.offset = offsets[room]
    new = 0
    for room, offset in offsets.items():
        batch.rows["room"].append((room.id, room.namespace, room.name, room.stream.epoch, offset, now))
        new += not room.stored
        room.stored = True
        oldest = max(offset - bounds_of(room.namespace).publications, room.stream.left)
        if oldest - room.trimmed >= TRIM_SLACK:
            room.trimmed = oldest
            batch.deletes.append(("DELETE FROM publication WHERE room = ? AND offset <= ?", (room.id, oldest)))
    return new


def add_publications(batch: Batch, entries: Iterable[Entry], now: int) -> None:
    """Their rows; of a key and of a token the newest."""
    latest: dict[tuple[int, str], Row] = {}
    repeats: dict[tuple[int, str, str], Row] = {}
    for room, publication, _ in entries:
        at, binary, body = publication.at, int(publication.binary), publication.json.decode()
        if publication.class_ is PublicationClass.KEPT:
            batch.rows["publication"].append((room.id, publication.offset, at, binary, body))
        if publication.key is not None:
            latest[room.id, publication.key] = (room.id, publication.key, at, binary, body)
        token = publication.token
        if token is not None:
            repeat = (room.id, str(publication.sender), token.name)
            repeats[repeat] = (*repeat, token.check, publication.offset, now)
    batch.rows["latest"] += latest.values()
    batch.rows["repeat"] += repeats.values()


def add_values(batch: Batch, puts: Mapping[tuple[str, str], bytes | None]) -> None:
    """What was put on shelves, or taken from them."""
    for (shelf, key), value in puts.items():
        if value is None:
            batch.deletes.append(("DELETE FROM kept WHERE shelf = ? AND key = ?", (shelf, key)))
        else:
            batch.rows["kept"].append((shelf, key, value))

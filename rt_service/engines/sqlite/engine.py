"""Rooms on disk. A publication is announced and answered once the transaction that it is part of is.

Publications that arrive while one transaction is written make up the next one. The newest history of rooms that are in
use is in memory too, so that reading costs nothing; other rooms are read from the file when somebody comes.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence

from rt_service import log, runtime
from rt_service.core.errors import RtError, TooManyRequests, Unavailable
from rt_service.core.model import Position, Publication, PublicationClass
from rt_service.core.ports import Clock, Kept, Page
from rt_service.core.stream import Memory, Stream, StreamBounds
from rt_service.engines.memory import MemoryEngine, forget
from rt_service.engines.sqlite import transaction
from rt_service.engines.sqlite.database import Batch, CannotOpen, Database, explained
from rt_service.engines.sqlite.room import Room, load
from rt_service.engines.sqlite.transaction import Entry

WAITING, WAITING_BYTES = 20_000, 64 << 20  # publications that wait to be written; past it they are refused
PER_TRANSACTION = 512
RETRY_S = 1.0  # after a transaction that failed
IDLE_MS = 60_000  # a room that nobody is in leaves memory after that time
STOP_S = 10.0


class SqliteEngine:
    """An `Engine`, and the `Store` of everything else that survives. `in_memory` are namespaces that do not."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bounds: StreamBounds,
        by_namespace: Mapping[str, StreamBounds],
        in_memory: Sequence[str] = (),
        forgot: Callable[[int], object] = lambda rooms: None,
    ) -> None:
        """`forgot` is told of how many rooms memory had no place any more.

        Raises CannotOpen: what is in the file cannot be read.
        """
        self._forgot = forgot
        self._database = database
        self._clock = clock
        self._bounds = bounds
        self._by_namespace = by_namespace
        self._in_memory = frozenset(in_memory)
        self._memory = MemoryEngine(clock, bounds, by_namespace, forgot)
        self._rooms: dict[tuple[str, str], Room] = {}  # that which was used longest ago stands first
        self._kept = Memory(bounds.memory_bytes)
        self._seldom = log.Seldom(log.get("history"), clock)
        self._deliver: Callable[[Publication], None] = lambda publication: None
        self._queue: list[Entry] = []
        self._queued = 0  # bytes
        self._opened: list[Room] = []  # whose position was told before anything was published
        self._puts: dict[tuple[str, str], bytes | None] = {}
        self._waiting: list[Callable[[RtError | None], None]] = []
        self._deletes: list[tuple[str, tuple[object, ...]]] = []
        self._forgotten: set[int] = set()  # ids of rooms that are about to be deleted
        self._running = False
        self._trouble: str | None = None
        self._refusing: RtError | None = None  # while those are told whose publications could not be written
        self._no_epoch = secrets.token_hex(6)  # of rooms that are not there
        self._log = log.get("sqlite")
        try:
            self._next_id, self._count = next(database.read("SELECT COALESCE(MAX(id), 0) + 1, COUNT(*) FROM room"))
        except sqlite3.DatabaseError as error:
            raise CannotOpen(explained(error, database.path)) from None

    def start(self, deliver: Callable[[Publication], None]) -> None:
        self._deliver = deliver
        self._memory.start(deliver)

    def stop(self) -> None:
        """Write what waits, then close the file."""
        until = self._clock.monotonic() + STOP_S
        while (self._running or self._work) and self._trouble is None and self._clock.monotonic() < until:
            self._wake()
            runtime.sleep(0.005)
        self._memory.stop()
        self._database.close()

    # -- publishing

    def publish(self, publication: Publication, done: Kept) -> None:
        if publication.namespace in self._in_memory:
            self._memory.publish(publication, done)
            return
        assert publication.room is not None
        room = self._room(publication.namespace, publication.room)
        if self._answered_before(room, publication, done):
            return
        if publication.class_ is PublicationClass.VOLATILE:
            receipt = room.stream.append(publication)
            if publication.token is not None:
                room.stream.remember(publication, receipt, self._clock.ms())
            self._deliver(publication)
            done(receipt)
            return
        refusal = self._refusal(room)
        if refusal is not None:
            done(refusal)
            return
        if publication.token is not None:
            room.pending[publication.sender, publication.token.name] = []
        room.writing += 1
        self._queue.append(Entry(room, publication, done))
        self._queued += publication.size
        self._wake()

    def _answered_before(self, room: Room, publication: Publication, done: Kept) -> bool:
        token = publication.token
        if token is None or not token.again:
            return False
        pending = room.pending.get((publication.sender, token.name))
        if pending is not None:
            pending.append(done)
            return True
        earlier = room.stream.receipt_of(publication, self._clock.ms())
        if earlier is not None:
            done(earlier)
        return earlier is not None

    def _refusal(self, room: Room) -> RtError | None:
        if self._refusing is not None:
            return self._refusing
        if len(self._queue) >= WAITING or self._queued >= WAITING_BYTES:
            return Unavailable("more waits to be written than may; try later", retry_after_ms=500)
        if not room.stored and self._count >= self._bounds.rooms:
            return TooManyRequests(f"{self._bounds.rooms} rooms are kept, the most there may be")
        return None

    # -- keeping everything else; see `ports.Store`

    def load(self, shelf: str) -> Iterator[tuple[str, bytes]]:
        """Raises CannotOpen: what is in the file cannot be read."""
        try:
            yield from self._database.read("SELECT key, value FROM kept WHERE shelf = ? ORDER BY key", shelf)
        except sqlite3.DatabaseError as error:
            raise CannotOpen(explained(error, self._database.path)) from None

    def put(self, shelf: str, key: str, value: bytes | None) -> None:
        self._puts[shelf, key] = value
        self._wake()

    def kept(self, done: Callable[[RtError | None], None]) -> None:
        if not self._puts and not self._running:
            done(None)
            return
        self._waiting.append(done)
        self._wake()

    # -- writing

    @property
    def _work(self) -> bool:
        return bool(self._queue or self._opened or self._puts or self._waiting or self._deletes)

    def _wake(self) -> None:
        if not self._running:
            self._running = True
            runtime.spawn(self._run)

    def _run(self) -> None:
        try:
            while self._work:
                self._transaction()
                if self._trouble is not None:
                    runtime.sleep(RETRY_S)
        finally:
            self._running = False

    def _transaction(self) -> None:
        entries, self._queue = self._queue[:PER_TRANSACTION], self._queue[PER_TRANSACTION:]
        self._queued -= sum(entry.publication.size for entry in entries)
        puts, self._puts = self._puts, {}
        waiting, self._waiting = self._waiting, []
        opened, self._opened = self._opened, []
        deletes, self._deletes = self._deletes, []
        forgotten, self._forgotten = self._forgotten, set()
        batch = Batch(deletes=deletes)
        now = self._clock.ms()
        self._count += transaction.add_rooms(batch, entries, opened, now, self._bounds_of)
        transaction.add_publications(batch, entries, now)
        transaction.add_values(batch, puts)
        try:
            runtime.offload(self._database.write, batch)
        except sqlite3.Error as error:
            self._puts = {**puts, **self._puts}
            self._opened = opened + self._opened
            self._deletes = deletes + self._deletes
            self._forgotten |= forgotten
            self._fail(error, entries, waiting)
            return
        if self._trouble is not None:
            self._log.info("writing_again", file=str(self._database.path))
            self._trouble = None
        self._finish(entries)
        for done in waiting:
            self._call(done, None)

    def _finish(self, entries: list[Entry]) -> None:
        """They are on the disk: announce and answer them, in order."""
        now = self._clock.ms()
        for room, publication, done in entries:
            receipt = room.stream.append(publication)
            for key in room.stream.evicted:
                self._deletes.append(("DELETE FROM latest WHERE room = ? AND key = ?", (room.id, key)))
            self._make_room()
            repetitions: list[Kept] = []
            if publication.token is not None:
                room.stream.remember(publication, receipt, now)
                repetitions = room.pending.pop((publication.sender, publication.token.name), [])
            room.used = now
            room.writing -= 1
            self._call(self._deliver, publication)
            publication.compact()
            self._call(done, receipt)
            for again in repetitions:
                self._call(again, receipt._replace(repeated=True))

    def _fail(
        self, error: sqlite3.Error, entries: list[Entry], waiting: list[Callable[[RtError | None], None]]
    ) -> None:
        """Nothing of it was written. What came since is refused too, so that nothing overtakes what comes again; and so
        is what comes while those are told, since telling may let others run."""
        why = explained(error, self._database.path)
        if self._trouble is None:
            self._log.error("cannot_write", error=why)
        self._trouble = why
        refusal = Unavailable("what is published cannot be kept now", retry_after_ms=int(RETRY_S * 1000))
        entries, self._queue, self._queued = entries + self._queue, [], 0
        self._refusing = refusal
        for room, publication, done in entries:
            room.writing -= 1
            token = publication.token
            repetitions = room.pending.pop((publication.sender, token.name), []) if token is not None else []
            for one in (done, *repetitions):
                self._call(one, refusal)
        for kept in waiting:
            self._call(kept, refusal)
        self._refusing = None

    def _call(self, function: Callable[..., object], *args: object) -> None:
        try:
            function(*args)
        except Exception as error:  # noqa: BLE001  whoever asked, the others are told too
            self._log.error("callback_failed", exc_info=error)

    # -- reading

    def open(self, namespace: str, room: str) -> None:
        if namespace in self._in_memory:
            self._memory.open(namespace, room)
            return
        found = self._room(namespace, room)
        if not found.stored and found not in self._opened and self._count < self._bounds.rooms:
            self._opened.append(found)
            self._wake()

    def known(self, namespace: str, room: str) -> bool:
        if namespace in self._in_memory:
            return self._memory.known(namespace, room)
        return self._find(namespace, room) is not None

    def read(self, namespace: str, room: str, since: Position | None, limit: int, reverse: bool = False) -> Page:
        if namespace in self._in_memory:
            return self._memory.read(namespace, room, since, limit, reverse)
        found = self._find(namespace, room)
        if found is None:
            return Page(self._no_epoch, 0, 1, [])
        found.stream.trim(self._clock.ms())
        return found.stream.page(since, limit, reverse)

    def latest(self, namespace: str, room: str) -> Sequence[Publication]:
        if namespace in self._in_memory:
            return self._memory.latest(namespace, room)
        found = self._find(namespace, room)
        return [] if found is None else found.stream.latest

    def rooms(self, namespace: str, prefix: str) -> Sequence[str]:
        if namespace in self._in_memory:
            return self._memory.rooms(namespace, prefix)
        oldest = self._clock.ms() - self._bounds_of(namespace).age_ms
        here = {name for (ns, name) in self._rooms if ns == namespace}
        on_disk = self._database.read(
            "SELECT name FROM room WHERE namespace = ? AND name >= ? AND name < ? AND updated >= ?"
            " AND (offset > 0 OR EXISTS (SELECT 1 FROM latest WHERE latest.room = room.id))",
            namespace, prefix, prefix + "\U0010ffff", oldest,
        )  # fmt: skip
        loaded = [name for name in here if name.startswith(prefix) and not self._rooms[namespace, name].stream.empty]
        return [*loaded, *(name for (name,) in on_disk if name not in here)]

    def healthy(self) -> str | None:
        return self._trouble

    def _bounds_of(self, namespace: str) -> StreamBounds:
        return self._by_namespace.get(namespace, self._bounds)

    def _room(self, namespace: str, name: str) -> Room:
        """The room, new if it was not there. Raises Unavailable when the file cannot be read."""
        found = self._find(namespace, name)
        if found is None:
            stream = Stream(secrets.token_hex(6), self._bounds_of(namespace), self._kept.weigh)
            found = Room(self._next_id, namespace, name, stream, self._clock.ms())
            self._rooms[namespace, name] = found
            self._next_id += 1
        return found

    def _find(self, namespace: str, name: str) -> Room | None:
        found = self._rooms.get((namespace, name))
        if found is None:
            try:
                bounds, now = self._bounds_of(namespace), self._clock.ms()
                found = load(self._database, namespace, name, bounds, now, self._kept.weigh)
            except sqlite3.Error as error:
                self._log.error("cannot_read", error=explained(error, self._database.path))
                raise Unavailable("the history cannot be read now", retry_after_ms=1000) from None
            if found is None or found.id in self._forgotten:
                return None
            self._drop_values(found, bounds.keys)
            self._make_room()
        else:
            del self._rooms[namespace, name]
        self._rooms[namespace, name] = found
        found.used = self._clock.ms()
        return found

    def _drop_values(self, room: Room, most: int) -> None:
        """From the file: what was set while memory had no place for the others is more than the room may keep."""
        latest = room.stream.latest
        if len(latest) >= most:
            self._deletes.append(("DELETE FROM latest WHERE room = ? AND at < ?", (room.id, latest[0].at)))

    def _make_room(self) -> None:
        """In memory; the file keeps what leaves, for when the room is read from it again."""
        if self._kept.full:
            self._forgot(forget(self._kept, (room.stream for room in self._rooms.values()), self._seldom))

    # -- letting go

    def sweep(self, in_use: Callable[[str, str], bool]) -> None:
        self._memory.sweep(in_use)
        now = self._clock.ms()
        for (namespace, name), room in list(self._rooms.items()):
            if room.writing or in_use(namespace, name):
                continue
            room.stream.trim(now)
            idle = room.stream.idle(now) and not room.stream.forgotten
            if idle and room.stored:
                self._forget([room.id])
            if idle or room.stream.forgotten or now - room.used > IDLE_MS:
                room.stream.forget()
                del self._rooms[namespace, name]
        for namespace in {ns for ns, _ in self._rooms} | set(self._by_namespace):
            oldest = now - self._bounds_of(namespace).age_ms
            old = self._database.read(
                "SELECT id, name FROM room WHERE namespace = ? AND updated < ? LIMIT 500", namespace, oldest
            )
            self._forget([id for id, name in old if (namespace, name) not in self._rooms])
        self._deletes.append(("DELETE FROM repeat WHERE at <= ?", (now - self._bounds.repeat_ms,)))
        self._wake()
        (self._count,) = next(self._database.read("SELECT COUNT(*) FROM room"))

    def _forget(self, ids: list[int]) -> None:
        """Delete rooms from the file; who comes meanwhile finds nothing there."""
        self._forgotten.update(ids)
        for id in ids:
            for table, column in (("publication", "room"), ("latest", "room"), ("repeat", "room"), ("room", "id")):
                self._deletes.append((f"DELETE FROM {table} WHERE {column} = ?", (id,)))  # noqa: S608

"""What the core needs from outside, as protocols: adapters implement them, tests run their contract suites on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from rt_service.core.errors import RtError
from rt_service.core.model import Identity, Position, Publication


class Clock(Protocol):
    def ms(self) -> int:
        """Unix time in milliseconds."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""


class Waiter(Protocol):
    """One value, waited for by one greenlet and given by another."""

    def resolve(self, value: Any) -> None:
        """Give the value; only the first call counts."""

    def wait(self, timeout_s: float) -> Any:
        """The value. Raises TimeoutError when it does not come in time."""


class Receipt(NamedTuple):
    """What publishing answers: `offset` is None for what is not kept; `repeated` if that id was published before."""

    epoch: str
    offset: int | None
    repeated: bool = False


class Page(NamedTuple):
    """A stretch of a room's history.

    `epoch` and `offset` are the position of the newest kept publication (offset 0: none yet); `first` is the oldest
    offset still there (`offset + 1`: none); `more` says whether the limit cut the stretch.
    """

    epoch: str
    offset: int
    first: int
    publications: Sequence[Publication]
    more: bool = False


Kept = Callable[[Receipt | RtError], None]


class Engine(Protocol):
    """Keeps publications and announces them, in offset order within a room."""

    def start(self, deliver: Callable[[Publication], None]) -> None:
        """Announce every publication to `deliver` from now on."""

    def stop(self) -> None: ...

    def publish(self, publication: Publication, done: Kept) -> None:
        """Give it a position, keep it as its class says, announce it.

        `done` is called once, now or later: with the receipt when it is kept for good and announced, or with
        Unavailable when it cannot be kept. What was published before in a room is done before.
        """

    def open(self, namespace: str, room: str) -> None:
        """Somebody enters: the room has a position from now on, as long as somebody is in it."""

    def known(self, namespace: str, room: str) -> bool:
        """Whether the room has a position already."""

    def read(self, namespace: str, room: str, since: Position | None, limit: int, reverse: bool = False) -> Page:
        """Up to `limit` kept publications after `since` (`reverse`: before it, newest first).

        With no `since`, or one of another epoch, from the start of what is kept (`reverse`: from its end).
        """

    def latest(self, namespace: str, room: str) -> Sequence[Publication]:
        """The newest publication of each key."""

    def rooms(self, namespace: str, prefix: str) -> Sequence[str]:
        """Names of rooms with history."""

    def sweep(self, in_use: Callable[[str, str], bool]) -> None:
        """Let go of what is too old, and of rooms with nothing left that nobody is in. Called now and then."""

    def healthy(self) -> str | None:
        """None, or one line that says what is wrong."""


class Store(Protocol):
    """What has to survive a restart besides publications: small values on shelves, by key."""

    def load(self, shelf: str) -> Iterator[tuple[str, bytes]]:
        """Every key and value of a shelf, as an earlier process left them."""

    def put(self, shelf: str, key: str, value: bytes | None) -> None:
        """Keep a value in place of the one of that key; None deletes it. It is kept soon; `kept` says when."""

    def kept(self, done: Callable[[RtError | None], None]) -> None:
        """Call `done` once everything put so far is kept for good, or with the error for which it cannot be."""


class Wire(Protocol):
    """One wire format, and how its frames reach the outboxes of its sessions. Nothing here blocks."""

    @property
    def name(self) -> str:
        """The way in: `socketio`, `ws`, `sse` or `ndjson`."""

    def publication(self, publication: Publication) -> Any:
        """A frame. It is shared by every session of this wire and never changed."""

    def push(self, namespace: str, name: str, body: dict[str, Any]) -> Any:
        """The frame of a push that is no publication: `presence` or `closing`."""

    def broadcast(self, outboxes: Iterable[Any], frame: Any, publication: Publication | None = None) -> None:
        """Queue a frame in every outbox. Past an outbox's bound the publication's class says whether it is dropped,
        replaces an older one, or ends the session; the session's tables are not changed before this returns."""


class Transport(Protocol):
    """How one session is spoken to. Nothing here blocks."""

    @property
    def wire(self) -> Wire: ...

    @property
    def outbox(self) -> Any:
        """What `wire.broadcast` takes; the same as long as the session lives."""

    @property
    def waiting(self) -> int:
        """Bytes that its client has not taken yet."""

    @property
    def answers_calls(self) -> bool:
        """Whether its client can be asked something."""

    def ask(self, body: dict[str, Any], answered: Callable[[Any], None]) -> Callable[[], object]:
        """Push a `call` and hand the client's answer to `answered`; the result is called when nobody waits any more."""

    def close(self, code: str, message: str, *, reconnect: bool, retry_after_ms: int = 0) -> None:
        """Push `closing`, then end the session."""


class DeviceLink(Protocol):
    """A way to devices that speak MQTT: the embedded broker or the bridge to an outside one."""

    def call(self, device: str, call_id: str, asked: Publication, timeout_s: float) -> None:
        """Ask a device (`asked`: the method as its event); the answer comes back through `devices.calls`.

        Raises:
            NotOnline: nobody listens.
        """

    def send(self, device: str, publication: Publication) -> int:
        """Hand over what was sent to this device alone; how many connections took it."""


class Tap(Protocol):
    """Sees every publication that is delivered on this node: a bridge is one."""

    def __call__(self, publication: Publication) -> None: ...


class Member(NamedTuple):
    """One identity in a room; `sessions` is how many of its sessions are there."""

    identity: Identity
    info: Any
    sessions: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.identity.kind,
            "id": self.identity.id,
            "info": self.info,
            "sessions": self.sessions,
        }

"""What one connection still has to send: a list of frames that others share.

Broadcasting is `list.append`, the cheapest thing there is. What has to happen otherwise (the peer does not read, or is
gone) is another class of the same object, so that nothing is asked per frame.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol


class Owner(Protocol):
    """The connection of an outbox, as far as the outbox needs it."""

    waiting: int  # bytes, counted while the outbox is blocked
    max_waiting: int
    places: dict[Hashable, int] | None  # where the newest waiting frame of a key stands

    def excuse(self, size: int) -> None:
        """An answer of `size` bytes follows that may be larger than all that may wait."""

    def overflowed(self) -> None:
        """More waits than may, and it is not to be dropped: the reader is too slow."""

    def dropped(self, reason: str) -> None:
        """A frame was not delivered."""


class Outbox(list[bytes]):
    """The peer reads: frames wait until the end of this turn of the loop."""

    __slots__ = ("owner", "send")
    owner: Any  # an Owner; None, like `send`, once the connection is over
    send: Any  # (bytes) -> int, how many of them the socket took

    def become(self, kind: type[Outbox]) -> None:
        """Behave like `kind` from now on."""
        self.__class__ = kind

    def offer(self, frame: bytes, key: Hashable | None) -> None:
        """Append a frame that need not arrive: volatile without a `key`, or the latest value of one."""
        self.append(frame)


class Blocked(Outbox):
    """The peer does not read: frames are counted. Never falsy, so that nobody schedules a flush for it."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True

    def append(self, frame: bytes) -> None:
        owner = self.owner
        owner.waiting += len(frame)
        list.append(self, frame)
        if owner.waiting > owner.max_waiting:
            owner.overflowed()

    def offer(self, frame: bytes, key: Hashable | None) -> None:
        owner = self.owner
        place = owner.places.get(key) if key is not None and owner.places else None
        if place is not None:
            owner.waiting += len(frame) - len(self[place])
            self[place] = frame
            owner.dropped("latest_replaced")
        elif owner.waiting + len(frame) > owner.max_waiting and key is None:
            owner.dropped("volatile")
        else:
            if key is not None:
                owner.places = owner.places or {}
                owner.places[key] = len(self)
            self.append(frame)


class Closed(Outbox):
    """The peer is gone, or is told to go: nothing more is taken."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True

    def append(self, frame: bytes) -> None:
        return None

    def offer(self, frame: bytes, key: Hashable | None) -> None:
        return None

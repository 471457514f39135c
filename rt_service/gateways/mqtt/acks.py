"""Acknowledgements of one connection, in the order in which its messages came [MQTT-4.6.0-2]."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rt_service import runtime


class Acks:
    """A message is taken sooner or later; its acknowledgement is sent then, but not before those that came earlier."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._waiting: deque[list[bytes]] = deque()  # each empty until its message is taken
        self._room: runtime.Waiter | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self) -> Callable[[bytes], None]:
        """A message came; call the result with its acknowledgement."""
        slot: list[bytes] = []
        self._waiting.append(slot)

        def acknowledge(packet: bytes) -> None:
            slot.append(packet)
            while self._waiting and self._waiting[0]:
                self._send(self._waiting.popleft()[0])
            if self._room is not None:
                self._room.resolve()

        return acknowledge

    def wait(self, most: int, timeout_s: float) -> bool:
        """Whether fewer than `most` are waited for, within the time."""
        if len(self._waiting) >= most:
            self._room = runtime.Waiter()
            try:
                self._room.wait(timeout_s)
            except TimeoutError:
                pass  # the caller looks again
            finally:
                self._room = None
        return len(self._waiting) < most

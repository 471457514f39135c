"""How an answer is written: in pieces, and to nobody who does not read."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import eventlet

PIECE_BYTES = 65_536  # at a time, then the others get their turn


class Writer(io.RawIOBase):
    """To a client; `late` is called when it does not read, and then it is not waited for again."""

    def __init__(self, sock: Any, late: Callable[[], None]) -> None:
        self._socket = sock
        self._late: Callable[[], None] | None = late

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self._late is None:
            raise BrokenPipeError
        try:
            return int(self._socket.send(data))
        except TimeoutError:
            late, self._late = self._late, None
            late()
            raise


class Never:
    """A timer that was not set."""

    def cancel(self) -> None: ...


def pieces(result: Iterable[bytes]) -> Iterator[bytes]:
    """An answer in pieces, between which the others get their turn."""
    try:
        for data in result:
            for start in range(0, len(data), PIECE_BYTES):
                yield data[start : start + PIECE_BYTES]
                if len(data) > PIECE_BYTES:
                    eventlet.sleep(0)
    finally:
        if hasattr(result, "close"):
            result.close()

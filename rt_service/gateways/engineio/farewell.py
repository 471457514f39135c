"""The end of a WebSocket: last words, then waiting a little for the peer to hear them (RFC 6455 section 7.1)."""

from __future__ import annotations

from eventlet.hubs import get_hub

from rt_service.gateways.engineio import frames
from rt_service.gateways.engineio.frames import Message
from rt_service.gateways.engineio.loop import WOULD_BLOCK
from rt_service.gateways.engineio.wire import Wire

PATIENCE_S = 10.0  # for a slow client to take what still waits
LINGER_S = 2.0  # for it to answer after that


class Farewell:
    """Takes a wire over, sends `data`, and closes it when the client answers, goes, or takes too long.

    Closing at once would reset the connection while something of the client's is unread, and it would never learn why.
    """

    def __init__(self, wire: Wire, data: bytes | memoryview, *, deaf: bool = False) -> None:
        """`deaf`: the client's frames make no sense any more and are not looked at."""
        self._wire = wire
        self._data = memoryview(data)
        self._timer = get_hub().schedule_call_global(PATIENCE_S, self._end)
        wire.receiver = self
        wire.deaf = deaf
        self.writable()

    def writable(self) -> None:
        try:
            self._data = self._data[self._wire.send(self._data) :]
        except WOULD_BLOCK:
            pass
        except OSError:
            self._end()
            return
        if self._data:
            self._wire.wait_writable()
        else:
            self._wire.sent_all()
            self._wire.shut()
            self._timer.cancel()
            self._timer = get_hub().schedule_call_global(LINGER_S, self._end)

    def received(self, messages: list[Message]) -> None:
        if any(type(message) is tuple and message[0] == frames.CLOSE for message in messages):
            self._end()

    def lost(self, code: int, reason: str) -> None:
        self._end()

    def _end(self) -> None:
        self._timer.cancel()
        self._wire.close()

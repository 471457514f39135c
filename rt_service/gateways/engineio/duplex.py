"""Both halves of a connection, and what its socket's end means for them."""

from __future__ import annotations

from rt_service.gateways.engineio import frames
from rt_service.gateways.engineio.farewell import Farewell
from rt_service.gateways.engineio.inbox import GONE_MESSAGE, Inbox
from rt_service.gateways.engineio.outbox import Closed
from rt_service.gateways.engineio.sender import Sender
from rt_service.gateways.engineio.wire import GONE


class Duplex(Sender, Inbox):
    def _broke(self, reason: str) -> None:
        """The client broke the protocol of WebSockets."""
        raise NotImplementedError

    def lost(self, code: int = GONE, reason: str = "") -> None:
        """See `wire.Receiver`; what came before is still handled."""
        wire, self._wire = self._wire, None
        if wire is None:
            return
        self.out.become(Closed)
        self.out.clear()
        if code == GONE:
            wire.close()
        else:
            self._broke(reason)
            Farewell(wire, frames.close(code, reason) if self._sent >= len(self._data) else b"", deaf=True)
        if self._inbox is None:
            self._inbox = []
            self.server.loop.spawn(self._serve, [GONE_MESSAGE])
        else:
            self._inbox.append(GONE_MESSAGE)

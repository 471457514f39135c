"""A WebSocket that may take over from polling: probed first, then upgraded to (Engine.IO v4, "Upgrade")."""

from __future__ import annotations

from eventlet.hubs import get_hub

from rt_service.gateways.engineio import frames
from rt_service.gateways.engineio.connection import Connection
from rt_service.gateways.engineio.farewell import Farewell
from rt_service.gateways.engineio.frames import Message
from rt_service.gateways.engineio.wire import GONE, Wire

UPGRADE_S = 10.0


class Probe:
    def __init__(self, connection: Connection, wire: Wire, first: bytes) -> None:
        self._connection = connection
        self._wire = wire
        self._probed = False
        self._timer = get_hub().schedule_call_global(UPGRADE_S, self._fail)
        wire.start(self, first)

    def received(self, messages: list[Message]) -> None:
        for i, message in enumerate(messages):
            if self._connection.closed or self._connection.upgraded:
                self._fail()
                return
            if message == b"2probe" and not self._probed:
                self._probed = True
                self._connection.release_poll()
                if not self._say(frames.text(b"3probe")):
                    return
            elif message == b"5" and self._probed:
                self._timer.cancel()
                self._connection.upgrade(self._wire, messages[i + 1 :])
                return
            else:
                self._fail()
                return

    def writable(self) -> None:
        """Nothing waits here."""

    def lost(self, code: int, reason: str) -> None:
        self._over()
        if code == GONE:
            self._wire.close()
        else:
            Farewell(self._wire, frames.close(code, reason), deaf=True)

    def _say(self, frame: bytes) -> bool:
        try:
            self._wire.send(frame)
        except OSError:
            self._fail()
            return False
        return True

    def _fail(self) -> None:
        self._over()
        Farewell(self._wire, frames.close(frames.PROTOCOL_ERROR, "no upgrade"))

    def _over(self) -> None:
        self._timer.cancel()
        if self._probed and not self._connection.upgraded:
            self._connection.upgrading = False

"""The receiving half of a connection: messages one after the other, in a greenlet, a few at a time."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any

import eventlet

from rt_service.gateways.engineio.frames import Message
from rt_service.gateways.engineio.wire import Wire

log = logging.getLogger("rt_service.engineio")

INBOX_BYTES = 1 << 20  # of messages that wait behind a handler; then reading pauses
SLICE_S = 0.005  # one client's messages at a time, then the others get their turn
GONE_MESSAGE: Message = (-1, b"")  # stands in the inbox where the client went


class Inbox:
    server: Any  # has the loop
    _wire: Wire | None

    def __init__(self) -> None:
        self._inbox: list[Message] | None = None  # None: nobody is serving
        self._inbox_bytes = 0
        self._paused = False

    def _is_control(self, message: Message) -> bool:
        """Whether it is a control message, which is answered here."""
        raise NotImplementedError

    def _handle(self, message: Message) -> None:
        """One message; may block."""
        raise NotImplementedError

    def received(self, messages: list[Message]) -> None:
        """Called in the hub's greenlet: what cannot block is done here, the rest by `_serve`, in order."""
        for message in messages:
            if message == b"3" or type(message) is tuple:
                messages = [one for one in messages if not self._is_control(one)]
                break
        if not messages:
            return
        if self._inbox is None:
            self._inbox = []
            self.server.loop.run(self._serve, messages)
            return
        self._inbox += messages
        self._inbox_bytes += sum(map(len, messages))
        if self._inbox_bytes > INBOX_BYTES and self._wire is not None:
            self._paused = True
            self._wire.pause()

    def _serve(self, messages: list[Message]) -> None:
        """Handle messages one after the other, and those that come meanwhile."""
        until = monotonic() + SLICE_S
        while messages:
            for message in messages:
                try:
                    self._handle(message)
                except (Exception, eventlet.Timeout):  # or what comes after it would wait for ever
                    log.exception("a message could not be handled")
                if monotonic() > until:
                    eventlet.sleep(0)  # the others' turn
                    until = monotonic() + SLICE_S
            messages, self._inbox, self._inbox_bytes = self._inbox or [], [], 0
            if self._paused and self._wire is not None:
                self._paused = False
                self._wire.resume()
        self._inbox = None

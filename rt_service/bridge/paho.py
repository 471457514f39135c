"""paho-mqtt for a single loop: many packets out of one read, and no locks. docs/decisions/0003 says what that gains."""

from __future__ import annotations

import time
from typing import Any

from paho.mqtt import client as paho

_RECEIVE_BYTES = 65_536
_LOCKS = (
    "_callback_mutex",
    "_msgtime_mutex",
    "_out_message_mutex",
    "_in_message_mutex",
    "_reconnect_delay_mutex",
    "_mid_generate_mutex",
    "_in_callback_mutex",
)


class _NoLock:
    """Everything happens in greenlets of one thread, and none switches inside paho's critical sections."""

    def __enter__(self) -> None: ...

    def __exit__(self, *exc: object) -> None: ...

    def acquire(self, *args: object) -> bool:
        return True

    def release(self) -> None: ...


class LoopClient(paho.Client):
    """Relies on paho-mqtt 2.2's `_sock_recv` and `_packet_read`; tests/integration/test_seams.py says on what."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._received = b""
        self._read_to = 0
        super().__init__(*args, **options)
        for name in _LOCKS:
            setattr(self, name, _NoLock())

    @property
    def has_buffered(self) -> bool:
        """Whether bytes were received that no packet was made of yet: by us, or by TLS, which reads ahead."""
        pending = getattr(self.socket(), "pending", None)  # only a socket with TLS has it
        return self._read_to < len(self._received) or (pending is not None and pending() > 0)

    def reconnect(self) -> Any:
        self._received, self._read_to = b"", 0
        return super().reconnect()

    def _sock_recv(self, size: int) -> bytes:
        if self._read_to >= len(self._received):
            self._received, self._read_to = super()._sock_recv(_RECEIVE_BYTES), 0
        start, self._read_to = self._read_to, min(self._read_to + size, len(self._received))
        return self._received[start : self._read_to]

    def read_packets(self, seconds: float) -> bool:
        """Handle what has arrived, for at most about `seconds`; whether the connection is still good.

        `loop_read(max_packets)` ignores its argument and reads one packet at a time.
        """
        until = time.monotonic() + seconds
        while self.socket() is not None:
            rc = self._packet_read()
            if rc == paho.MQTT_ERR_AGAIN:
                return True
            if rc:
                self._loop_rc_handle(rc)
                return False
            if time.monotonic() > until:
                return True
        return False

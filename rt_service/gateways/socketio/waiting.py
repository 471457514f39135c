"""What waits to be sent on one Engine.IO connection."""

from __future__ import annotations

from typing import Any

from engineio import packet as eio

from rt_service import runtime
from rt_service.gateways.codecs import LatestPacket


class Waiting(runtime.Queue):
    """An Engine.IO connection's queue that knows how many bytes wait in it."""

    nbytes = 0

    def _put(self, item: Any) -> None:
        self.nbytes += size_of(item)
        super()._put(item)

    def _get(self) -> Any:
        item = super()._get()
        self.nbytes -= size_of(item)
        return item

    def replace(self, packet: LatestPacket) -> bool:
        """Put `packet` in place of an older one of its key; whether there was one."""
        for i, old in enumerate(self.queue):
            if isinstance(old, LatestPacket) and old.key == packet.key:
                self.nbytes += size_of(packet) - size_of(old)
                self.queue[i] = packet
                return True
        return False


def size_of(packet: eio.Packet | None) -> int:
    """Bytes of a packet, near enough; None is the mark that ends a queue."""
    return len(packet.data or "") if packet is not None and not isinstance(packet.data, dict) else 0

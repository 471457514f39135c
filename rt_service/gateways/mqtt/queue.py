"""What waits for one client, bounded by count and by bytes: the oldest leave."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from rt_service.gateways.mqtt.message import Delivery


class QueueBounds(NamedTuple):
    messages: int = 1000
    bytes: int = 8 << 20


QUEUE = QueueBounds()


class Queue:
    def __init__(self, bounds: QueueBounds) -> None:
        self.bytes = 0
        self._bounds = bounds
        self._deliveries: deque[Delivery] = deque()

    def __len__(self) -> int:
        return len(self._deliveries)

    def __iter__(self) -> Iterator[Delivery]:
        return iter(self._deliveries)

    def append(self, delivery: Delivery) -> list[Delivery]:
        """Those that left for it."""
        left = []
        most = self._bounds.bytes - delivery.message.size
        while self._deliveries and (len(self._deliveries) >= self._bounds.messages or self.bytes > most):
            left.append(self.popleft())
        self._deliveries.append(delivery)
        self.bytes += delivery.message.size
        return left

    def remove(self, which: Callable[[Delivery], bool]) -> list[Delivery]:
        """Those that left."""
        left = [one for one in self._deliveries if which(one)]
        gone = set(left)
        self._deliveries = deque(one for one in self._deliveries if one not in gone)
        self.bytes -= sum(one.message.size for one in left)
        return left

    def popleft(self) -> Delivery:
        """The oldest; there has to be one."""
        delivery = self._deliveries.popleft()
        self.bytes -= delivery.message.size
        return delivery

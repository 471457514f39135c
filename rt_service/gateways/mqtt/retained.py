"""Retained messages (MQTT 5.0 section 3.3.1.3), found by filter in time that depends on what is found."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from rt_service.gateways.mqtt.message import Message


class _Node:
    __slots__ = ("children", "message")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.message: Message | None = None


PAUSE = 500  # levels of topics that are looked at in one go
LEVEL_BYTES = 300  # about as many as a level of a topic takes in memory


def _size(message: Message) -> int:
    return message.size + LEVEL_BYTES * (1 + message.topic.count("/"))


class Retained:
    """At most `bound` messages of, together, at most `bytes`."""

    def __init__(self, bound: int, bytes: int) -> None:
        self._bound = bound
        self._bytes = bytes
        self._root = _Node()
        self._count = self._size = 0
        self._expiring: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return self._count

    def put(self, message: Message) -> bool:
        """Keep it as the topic's retained message; an empty one removes it. False if there is no room for it."""
        if not message.payload:
            self.remove(message.topic)
            return True
        path = message.topic.split("/")
        before = self._find(path)
        size = self._size + _size(message) - (_size(before) if before else 0)
        if (self._count >= self._bound and before is None) or size > max(self._bytes, self._size):
            return False
        node = self._root
        for level in path:
            node = node.children.setdefault(level, _Node())
        self._count += before is None
        self._size = size
        node.message = message
        self._will_expire(message)
        return True

    def remove(self, topic: str) -> None:
        path = topic.split("/")
        nodes = [self._root]
        for level in path:
            child = nodes[-1].children.get(level)
            if child is None:
                return
            nodes.append(child)
        before = nodes[-1].message
        if before is not None:
            nodes[-1].message = None
            self._count -= 1
            self._size -= _size(before)
        for parent, level in zip(reversed(nodes[:-1]), reversed(path), strict=True):
            child = parent.children[level]
            if child.message is not None or child.children:
                break
            del parent.children[level]

    def match(self, filter: str) -> Iterator[Message | None]:
        """Every retained message on a topic that `filter` matches; None now and then, since it may take long."""
        wanted = filter.split("/")
        waiting: list[tuple[_Node, int]] = [(self._root, 0)]
        for looked in itertools.count(1):
            if not waiting:
                return
            if not looked % PAUSE:
                yield None
            node, i = waiting.pop()
            if i == len(wanted):
                if node.message is not None:
                    yield node.message
                continue
            level = wanted[i]
            if level not in ("+", "#"):
                if level in node.children:
                    waiting.append((node.children[level], i + 1))
                continue
            if level == "#" and node.message is not None:
                yield node.message  # "a/#" matches "a" too
            # [MQTT-4.7.2-1] Wildcards at the first level do not match topics that begin with $.
            visible = [c for name, c in node.children.items() if i or not name.startswith("$")]
            waiting.extend((child, i if level == "#" else i + 1) for child in visible)

    def expire(self, now: float) -> None:
        """Forget those whose time is over."""
        while self._expiring and self._expiring[0][0] <= now:
            _, topic = heappop(self._expiring)
            message = self._find(topic.split("/"))
            if message is not None and message.expired(now):
                self.remove(topic)

    def _will_expire(self, message: Message) -> None:
        if message.expires_at is None:
            return
        if len(self._expiring) > 2 * self._count + 1000:  # nearly all of them were replaced since
            self._expiring = [(m.expires_at, m.topic) for m in self.match("#") if m and m.expires_at is not None]
            heapify(self._expiring)
        heappush(self._expiring, (message.expires_at, message.topic))

    def _find(self, path: list[str]) -> Message | None:
        node = self._root
        for level in path:
            child = node.children.get(level)
            if child is None:
                return None
            node = child
        return node.message

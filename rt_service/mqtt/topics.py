"""MQTT topic names and filters (MQTT 5.0 section 4.7), and a trie that finds the filters that match a topic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

V = TypeVar("V")

MAX_BYTES = 65_535
MAX_LEVELS = 32  # ours: each level of a subscription is a node in memory, and may be one to look at for a message
SHARE_PREFIX = "$share/"


def is_topic(topic: str) -> bool:
    """Whether `topic` may be published to: not empty, no wildcard, no NUL, at most 65,535 bytes
    and `MAX_LEVELS` levels."""
    return (
        len(topic) > 0
        and "+" not in topic
        and "#" not in topic
        and "\0" not in topic
        and topic.count("/") < MAX_LEVELS
        and (len(topic) <= MAX_BYTES // 4 or len(topic.encode()) <= MAX_BYTES)
    )


def is_filter(filter: str) -> bool:
    """Whether `filter` may be subscribed to, `$share/<group>/<filter>` included (section 4.8.2)."""
    if filter.startswith(SHARE_PREFIX):
        _, group, shared = (*filter.split("/", 2), "")[:3]
        return bool(group) and "+" not in group and "#" not in group and is_filter(shared)
    if not filter or "\0" in filter or len(filter.encode()) > MAX_BYTES:
        return False
    levels = filter.split("/")
    return len(levels) <= MAX_LEVELS and all(
        ("+" not in level or level == "+") and ("#" not in level or (level == "#" and last))
        for level, last in ((level, i == len(levels) - 1) for i, level in enumerate(levels))
    )


def share_of(filter: str) -> tuple[str | None, str]:
    """The group of a shared subscription (None if it is not shared) and the filter proper."""
    if not filter.startswith(SHARE_PREFIX):
        return None, filter
    _, group, shared = filter.split("/", 2)
    return group, shared


def matches(filter: str, topic: str) -> bool:
    """Whether one filter matches one topic; wildcards at the first level do not match `$…` (section 4.7.2)."""
    wanted, levels = filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(levels) or (level != "+" and level != levels[i]):
            return False
    return len(wanted) == len(levels)


class _Node(Generic[V]):
    __slots__ = ("children", "values")

    def __init__(self) -> None:
        self.children: dict[str, _Node[V]] = {}
        self.values: list[V] = []


class Trie(Generic[V]):
    """Values under topic filters. Finding takes time in the levels of the topic, not in the number of filters."""

    def __init__(self) -> None:
        self._root: _Node[V] = _Node()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, filter: str, value: V) -> None:
        node = self._root
        for level in filter.split("/"):
            node = node.children.setdefault(level, _Node())
        node.values.append(value)
        self._count += 1

    def remove(self, filter: str, value: V) -> None:
        """Raises KeyError or ValueError if it is not there."""
        path = [self._root]
        levels = filter.split("/")
        for level in levels:
            path.append(path[-1].children[level])
        path[-1].values.remove(value)
        self._count -= 1
        for parent, level in zip(reversed(path[:-1]), reversed(levels), strict=True):
            child = parent.children[level]
            if child.values or child.children:
                break
            del parent.children[level]

    def match(self, topic: str) -> Iterator[V]:
        """Every value whose filter matches `topic`."""
        if not self._count:
            return
        levels = topic.split("/")
        end = len(levels)
        waiting: list[tuple[_Node[V], int]] = [(self._root, 0)]
        while waiting:
            node, i = waiting.pop()
            children = node.children
            hidden = i == 0 and topic.startswith("$")
            if "#" in children and not hidden:
                yield from children["#"].values
            if i == end:
                yield from node.values
                continue
            if "+" in children and not hidden:
                waiting.append((children["+"], i + 1))
            if levels[i] in children and levels[i] not in ("+", "#"):
                waiting.append((children[levels[i]], i + 1))

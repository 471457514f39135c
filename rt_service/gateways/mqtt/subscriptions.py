"""Who gets a message: ordinary and shared subscriptions, found by topic (MQTT 5.0 sections 3.3.4 and 4.8.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from rt_service.gateways.mqtt.message import Delivery, Message
from rt_service.gateways.mqtt.session import MqttSession
from rt_service.mqtt.packets import Subscription
from rt_service.mqtt.topics import Trie, share_of


@dataclass(slots=True, eq=False)
class Entry:
    session: MqttSession
    subscription: Subscription
    identifier: int | None


@dataclass(slots=True, eq=False)
class Group:
    """A share group: each message goes to one of its members, in turn."""

    key: tuple[str, str]
    entries: dict[str, Entry] = field(default_factory=dict)
    turn: count[int] = field(default_factory=count)

    def choose(self) -> Entry:
        """The next member that is connected; if none is, the next of all."""
        entries = list(self.entries.values())
        ready = [e for e in entries if e.session.connection is not None and not e.session.queue]
        there = ready or [e for e in entries if e.session.connection is not None] or entries
        return there[next(self.turn) % len(there)]


class Subscriptions:
    def __init__(self) -> None:
        self._trie: Trie[Entry | Group] = Trie()
        self._entries: dict[tuple[str, str], Entry] = {}
        self._groups: dict[tuple[str, str], Group] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, session: MqttSession, subscription: Subscription, identifier: int | None) -> bool:
        """Whether it is new; one of the same filter replaces the old one [MQTT-3.8.4-3]."""
        key = (session.client_id, subscription.filter)
        known = self._entries.get(key)
        if known is not None:
            known.subscription, known.identifier = subscription, identifier
            return False
        entry = self._entries[key] = Entry(session, subscription, identifier)
        share, filter = share_of(subscription.filter)
        if share is None:
            self._trie.add(filter, entry)
            return True
        group = self._groups.get((share, filter))
        if group is None:
            group = self._groups[share, filter] = Group((share, filter))
            self._trie.add(filter, group)
        group.entries[session.client_id] = entry
        return True

    def remove(self, session: MqttSession, filter: str) -> bool:
        """Whether there was one."""
        entry = self._entries.pop((session.client_id, filter), None)
        if entry is None:
            return False
        share, plain = share_of(filter)
        if share is None:
            self._trie.remove(plain, entry)
            return True
        group = self._groups[share, plain]
        del group.entries[session.client_id]
        if not group.entries:
            del self._groups[share, plain]
            self._trie.remove(plain, group)
        return True

    def match(self, topic: str) -> list[Entry]:
        """Every subscription that a message on `topic` is for; of a share group the one whose turn it is."""
        return [found if type(found) is Entry else found.choose() for found in self._trie.match(topic)]  # type: ignore[union-attr]


def deliveries(message: Message, entries: Iterable[Entry]) -> list[tuple[MqttSession, Delivery]]:
    """One delivery for each session, also where several of its subscriptions match [MQTT-3.3.4-2]."""
    found: dict[MqttSession, Delivery] = {}
    for entry in entries:
        session, subscription = entry.session, entry.subscription
        if subscription.no_local and message.origin == session.client_id:
            continue  # [MQTT-3.8.3-3]
        qos = min(subscription.qos, message.qos)
        retain = message.retain and subscription.retain_as_published
        identifiers = () if entry.identifier is None else (entry.identifier,)
        known = found.get(session)
        if known is None:
            found[session] = Delivery(message, qos, retain, identifiers)
        else:
            known.qos = max(known.qos, qos)
            known.retain = known.retain or retain
            known.identifiers += identifiers
    return list(found.items())

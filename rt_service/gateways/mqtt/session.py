"""What the broker remembers of a client, connected or not (MQTT 5.0 section 4.1)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Protocol

from rt_service.core.errors import RtError
from rt_service.core.model import Who
from rt_service.gateways.mqtt.message import Delivery, Message
from rt_service.gateways.mqtt.queue import Queue, QueueBounds
from rt_service.mqtt.packets import Subscription
from rt_service.mqtt.wire import Reason

MAX_PACKET_ID = 65_535

Done = Callable[[RtError | None], None]


class Wire(Protocol):
    """The connection of a session, as the session sees it."""

    @property
    def receive_maximum(self) -> int:
        """QoS 1 and 2 messages that may be in flight to it."""

    def deliver(self, delivery: Delivery, packet_id: int, dup: bool = False) -> bool:
        """Queue a PUBLISH; False if it is not for this connection (too large, expired) or does not fit (QoS 0)."""

    def release(self, packet_id: int) -> None:
        """Send a PUBREL."""

    def end(self, reason: Reason) -> None:
        """Say why and close."""

    @property
    def busy(self) -> bool:
        """Whether so much waits to be sent that messages should wait in the session instead."""

    def pump_soon(self) -> None:
        """Call `MqttSession.pump`, once others have had their turn."""


class Keeper(Protocol):
    """Told of everything that has to survive a restart. `Forgetful` is the one that keeps nothing."""

    def session(self, session: MqttSession) -> None:
        """A connection of it began or ended."""

    def ended(self, session: MqttSession) -> None: ...

    def subscribed(self, session: MqttSession, subscription: Subscription, identifier: int | None) -> None: ...

    def unsubscribed(self, session: MqttSession, filter: str) -> None: ...

    def waiting(self, session: MqttSession, delivery: Delivery, packet_id: int = 0) -> None:
        """A QoS 1 or 2 message is for this session, or was sent with a packet id, or is released."""

    def settled(self, session: MqttSession, delivery: Delivery) -> None:
        """It was acknowledged, or dropped."""

    def received(self, session: MqttSession, packet_id: int) -> None:
        """A QoS 2 message came in; it may come again until its PUBREL."""

    def released(self, session: MqttSession, packet_id: int) -> None: ...

    def retained(self, topic: str, message: Message | None) -> None: ...

    def kept(self, done: Done) -> None:
        """Call `done` once everything that it was told is on disk, or with the error for which it is not."""


class Forgetful:
    """Keeps nothing: sessions and retained messages end with the process."""

    def session(self, session: MqttSession) -> None: ...

    def ended(self, session: MqttSession) -> None: ...

    def subscribed(self, session: MqttSession, subscription: Subscription, identifier: int | None) -> None: ...

    def unsubscribed(self, session: MqttSession, filter: str) -> None: ...

    def waiting(self, session: MqttSession, delivery: Delivery, packet_id: int = 0) -> None: ...

    def settled(self, session: MqttSession, delivery: Delivery) -> None: ...

    def received(self, session: MqttSession, packet_id: int) -> None: ...

    def released(self, session: MqttSession, packet_id: int) -> None: ...

    def retained(self, topic: str, message: Message | None) -> None: ...

    def kept(self, done: Done) -> None:
        done(None)


class MqttSession:
    """`in_flight` holds what was sent and is not acknowledged, oldest first; `queue` what waits behind it; `retained`
    what a new subscription is still to be sent, found as it is sent (None: the others' turn)."""

    def __init__(self, client_id: str, who: Who, keeper: Keeper, bounds: QueueBounds) -> None:
        self.client_id = client_id
        self.who = who
        self.connection: Wire | None = None
        self.subscriptions: dict[str, tuple[Subscription, int | None]] = {}
        self.in_flight: dict[int, Delivery] = {}
        self.queue = Queue(bounds)
        self.retained: deque[Iterator[Delivery | None]] = deque()
        self.received: set[int] = set()
        self.arriving: dict[int, list[Callable[[bool | RtError], None]]] = {}  # being kept, and who waits for that
        self.expiry_s = 0.0
        self.ends_at: float | None = None
        self.will: Message | None = None
        self.will_at: float | None = None
        self._keeper = keeper
        self._bytes = bounds.bytes  # may be in flight
        self._flying = 0
        self._ids = count()
        self.kept = False  # it outlives its connection, or did once: there is something of it on disk
        self.numbers = count(1)  # of queued messages
        self._again: deque[int] = deque()  # packet ids that this connection is still to be sent again

    def attach(self, connection: Wire, will: Message | None) -> None:
        """A connection for this session; one that it still has is ended [MQTT-3.1.4-3]."""
        old, self.connection = self.connection, connection
        if old is not None:
            old.end(Reason.SESSION_TAKEN_OVER)
        self.will, self.will_at, self.ends_at = will, None, None
        self.retained.clear()
        self.kept = self.kept or self.expiry_s > 0
        self._keeper.session(self)

    def offer(self, delivery: Delivery) -> list[Delivery]:
        """Send, or queue, a message; what was dropped for it."""
        connection = self.connection
        if delivery.qos == 0:
            return [delivery] if connection is None or not connection.deliver(delivery, 0) else []
        if connection is not None and self._may_send(connection):
            self._send(connection, delivery)
            return []
        self._keeper.waiting(self, delivery)
        dropped = self.queue.append(delivery)
        for one in dropped:
            self._keeper.settled(self, one)
        return dropped

    def restore(self, delivery: Delivery, packet_id: int) -> None:
        """One that an earlier process sent, or (packet id 0) queued."""
        if packet_id:
            self._fly(delivery, packet_id)
        else:
            self.queue.append(delivery)
        self.numbers = count(delivery.number + 1)

    def acknowledge(self, packet_id: int) -> bool:
        """The client has it for good; whether that packet id was in flight."""
        if packet_id not in self.in_flight:
            return False
        self._give_up(packet_id)
        self.pump()
        return True

    def delivered(self, packet_id: int, done: Done) -> None:
        """The client has received a QoS 2 message. `done` once that is kept: told to release it before, it might get
        the message again."""
        delivery = self.in_flight.get(packet_id)
        if delivery is not None:
            delivery.released = True
            self._keeper.waiting(self, delivery, packet_id)
        self._keeper.kept(done)

    def receive(self, packet_id: int, done: Done) -> None:
        """A QoS 2 message came in; it may come again until it is released. `done` once that is kept."""
        self.received.add(packet_id)
        self._keeper.received(self, packet_id)
        self._keeper.kept(done)

    def release(self, packet_id: int, done: Done) -> None:
        """It does not come again. `done` once that is kept: then its packet id may be used for another one."""
        if packet_id in self.received:
            self.received.discard(packet_id)
            self._keeper.released(self, packet_id)
        self._keeper.kept(done)

    def restrict(self, may: Callable[[str], bool]) -> list[Delivery]:
        """Forget what waits on topics that it may not subscribe to, and what was sent of them; what that was."""
        for packet_id in [id for id, sent in self.in_flight.items() if not may(sent.message.topic)]:
            self._give_up(packet_id)
        dropped = self.queue.remove(lambda delivery: not may(delivery.message.topic))
        for one in dropped:
            self._keeper.settled(self, one)
        return dropped

    def resume(self) -> None:
        """After a reconnect send again what is in flight, then what waits."""
        self._again = deque(self.in_flight)
        self.retained.clear()
        self.pump()

    def pump(self) -> None:
        """Send what waits, as far as the client reads and its receive maximum allows."""
        connection = self.connection
        while connection is not None and self._again and not connection.busy:
            self._send_again(connection, self._again.popleft())
        while connection is not None and self.queue and self._has_room(connection):
            self._send(connection, self.queue.popleft())
        while connection is not None and self.retained and not self.queue and self._has_room(connection):
            try:
                delivery = next(self.retained[0])
            except StopIteration:
                self.retained.popleft()
                continue
            if delivery is None:
                connection.pump_soon()
                return
            self.offer(delivery)

    def _send_again(self, connection: Wire, packet_id: int) -> None:
        delivery = self.in_flight.get(packet_id)
        if delivery is None:
            return
        if delivery.released:
            connection.release(packet_id)
        elif not connection.deliver(delivery, packet_id, dup=True):
            self._give_up(packet_id)

    def _may_send(self, connection: Wire) -> bool:
        return not self.queue and self._has_room(connection)

    def _has_room(self, connection: Wire) -> bool:
        free = len(self.in_flight) < min(connection.receive_maximum, MAX_PACKET_ID) and self._flying < self._bytes
        return free and not connection.busy and not self._again

    def _send(self, connection: Wire, delivery: Delivery) -> None:
        packet_id = self._free_id()
        self._fly(delivery, packet_id)
        self._keeper.waiting(self, delivery, packet_id)
        if not connection.deliver(delivery, packet_id):
            self._give_up(packet_id)

    def _fly(self, delivery: Delivery, packet_id: int) -> None:
        self.in_flight[packet_id] = delivery
        self._flying += delivery.message.size

    def _give_up(self, packet_id: int) -> None:
        delivery = self.in_flight.pop(packet_id)
        self._flying -= delivery.message.size
        self._keeper.settled(self, delivery)

    def _free_id(self) -> int:
        while True:
            packet_id = next(self._ids) % MAX_PACKET_ID + 1
            if packet_id not in self.in_flight:
                return packet_id

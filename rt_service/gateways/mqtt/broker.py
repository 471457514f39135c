"""Sessions, subscriptions, retained messages and wills: what an MQTT server remembers, without a socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from rt_service import log
from rt_service.core.errors import RtError
from rt_service.core.model import Identity, Who
from rt_service.core.ports import Clock
from rt_service.gateways.mqtt.message import Delivery, Message
from rt_service.gateways.mqtt.queue import QUEUE, QueueBounds
from rt_service.gateways.mqtt.retained import Retained
from rt_service.gateways.mqtt.session import Keeper, MqttSession
from rt_service.gateways.mqtt.subscriptions import Entry, Subscriptions, deliveries
from rt_service.metrics import Metrics
from rt_service.mqtt.packets import Subscription
from rt_service.mqtt.topics import share_of
from rt_service.mqtt.wire import Reason


@dataclass(frozen=True)
class BrokerBounds:
    sessions: int = 50_000
    sessions_per_identity: int = 50
    subscriptions: int = 1000  # of one session
    queue: QueueBounds = QUEUE  # of one session
    retained: int = 100_000
    retained_bytes: int = 256 << 20
    session_expiry_max_s: float = 86_400


class Refused(Exception):
    """The broker says no; `reason` is what the client is told."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.name)
        self.reason = reason


# Whether anybody was there for a message, once it is taken; or the (temporary) error for which it has to come again.
Taken = Callable[[bool | RtError], None]


class Sink(Protocol):
    """Where messages that clients publish go besides other clients: the rooms."""

    def __call__(self, message: Message, who: Who, done: Taken) -> None:
        """`done` is told whether it was for a room, where it is kept by then."""


class Broker:
    def __init__(self, sink: Sink, keeper: Keeper, clock: Clock, metrics: Metrics, bounds: BrokerBounds) -> None:
        self.sessions: dict[str, MqttSession] = {}
        self.subscriptions = Subscriptions()
        self.retained = Retained(bounds.retained, bounds.retained_bytes)
        self._sessions_of: Counter[Identity] = Counter()
        self.bounds = bounds
        self.log = log.Seldom(log.get("mqtt"), clock)
        self._sink = sink
        self._keeper = keeper
        self._clock = clock
        self._metrics = metrics

    # -- sessions

    def open(self, client_id: str, who: Who, clean_start: bool) -> tuple[MqttSession, bool]:
        """The client's session and whether it was there before [MQTT-3.1.2-4], [MQTT-3.1.2-5].

        Raises:
            Refused: there are as many sessions, of all or of this identity, as may be, or this one is somebody else's.
        """
        session = self.sessions.get(client_id)
        if session is not None and session.who.identity != who.identity:
            if who.identity != Identity("device", client_id):
                raise Refused(Reason.NOT_AUTHORIZED)
            clean_start = True  # a device's id is its own: whoever sat on it goes, with all that was kept for them
        if session is not None and session.connection is not None:
            session.connection.end(Reason.SESSION_TAKEN_OVER)  # [MQTT-3.1.4-3]; its will is sent
            help = "another connection came with the same client id; two devices with one id push each other out"
            self.log.info("client_id_taken", client_id=client_id, help=help)
            session = self.sessions.get(client_id)
        if session is not None and clean_start:
            self.end(session)
            session = None
        if session is not None:
            session.who = who
            session.ends_at = session.will_at = None  # a delayed will is not sent [MQTT-3.1.3-9]
            return session, True
        mine = self._sessions_of[who.identity]
        if len(self.sessions) >= self.bounds.sessions or mine >= self.bounds.sessions_per_identity:
            raise Refused(Reason.QUOTA_EXCEEDED)
        return self.new_session(client_id, who), False

    def new_session(self, client_id: str, who: Who) -> MqttSession:
        """One more, whatever the bounds."""
        self._sessions_of[who.identity] += 1
        session = self.sessions[client_id] = MqttSession(client_id, who, self._keeper, self.bounds.queue)
        return session

    def detach(self, session: MqttSession, *, will_delay_s: float) -> None:
        """The session's connection is gone; its will, if there still is one, is sent after the delay."""
        now = self._clock.monotonic()
        session.connection = None
        session.ends_at = now + session.expiry_s
        if session.will is not None:
            session.will_at = now + min(will_delay_s, session.expiry_s)
        self._keeper.session(session)
        self.sweep_session(session, now)

    def end(self, session: MqttSession) -> None:
        """Forget a session; a will that still waits is sent now [MQTT-3.1.3-9]."""
        self.send_will(session)
        for filter in list(session.subscriptions):
            self.unsubscribe(session, filter)
        if self.sessions.pop(session.client_id, None) is not None:
            self._sessions_of[session.who.identity] -= 1
            if not self._sessions_of[session.who.identity]:
                del self._sessions_of[session.who.identity]
        self._keeper.ended(session)

    def send_will(self, session: MqttSession) -> None:
        will, session.will, session.will_at = session.will, None, None
        if will is not None:
            self._keeper.session(session)
            self.publish(will, session.who, self._will_sent)

    def _will_sent(self, outcome: bool | RtError) -> None:
        if isinstance(outcome, RtError):  # nobody is there to send it again
            self._metrics.dropped.labels("mqtt_will").inc()

    def sweep(self) -> None:
        """Send wills and end sessions whose time has come; called every second."""
        now = self._clock.monotonic()
        for session in list(self.sessions.values()):
            if session.connection is None:
                self.sweep_session(session, now)
        self.retained.expire(now)

    def sweep_session(self, session: MqttSession, now: float) -> None:
        if session.will_at is not None and session.will_at <= now:
            self.send_will(session)
        if session.ends_at is not None and session.ends_at <= now:
            self.end(session)

    # -- subscriptions

    def subscribe(self, session: MqttSession, subscription: Subscription, identifier: int | None) -> None:
        """Add one; the session is going to be sent its retained messages (section 3.8.3.1), after its SUBACK.

        Raises:
            Refused: the session has as many as it may have.
        """
        known = subscription.filter in session.subscriptions
        if not known and len(session.subscriptions) >= self.bounds.subscriptions:
            raise Refused(Reason.QUOTA_EXCEEDED)
        session.subscriptions[subscription.filter] = (subscription, identifier)
        self.subscriptions.add(session, subscription, identifier)
        self._keeper.subscribed(session, subscription, identifier)
        wanted = subscription.retain_handling == 0 or (subscription.retain_handling == 1 and not known)
        if wanted and share_of(subscription.filter)[0] is None:
            session.retained.append(self._retained_for(subscription, () if identifier is None else (identifier,)))

    def _retained_for(self, subscription: Subscription, identifiers: tuple[int, ...]) -> Iterator[Delivery | None]:
        for message in self.retained.match(subscription.filter):
            if message is None:
                yield None
            elif not message.expired(self._clock.monotonic()):
                yield Delivery(message, min(subscription.qos, message.qos), True, identifiers)

    def restore_subscription(self, session: MqttSession, subscription: Subscription, identifier: int | None) -> None:
        """One that an earlier process had."""
        session.subscriptions[subscription.filter] = (subscription, identifier)
        self.subscriptions.add(session, subscription, identifier)

    def unsubscribe(self, session: MqttSession, filter: str) -> bool:
        """Whether there was one."""
        if session.subscriptions.pop(filter, None) is None:
            return False
        self._keeper.unsubscribed(session, filter)
        return self.subscriptions.remove(session, filter)

    # -- messages

    def publish(self, message: Message, who: Who, done: Taken) -> None:
        """Take what a client published, into its room and then to other clients; `done` once it may be acknowledged."""

        def taken(routed: bool | RtError) -> None:
            if isinstance(routed, RtError):
                done(routed)
                return
            self._metrics.mqtt_messages.labels("in").inc()
            if message.retain and not self.retain(message):
                self._metrics.mqtt_refused.labels("retained_full").inc()
            found = self.deliver(message, self.subscriptions.match(message.topic)) or routed
            self._keeper.kept(lambda error: done(error or found))

        self._sink(message, who, taken)

    def deliver(self, message: Message, entries: list[Entry]) -> bool:
        """Hand a message to the subscriptions it is for; whether there were any."""
        if not entries:
            return False
        found = deliveries(message, entries)
        for session, delivery in found:
            self.offer(session, delivery)
        return bool(found)

    def offer(self, session: MqttSession, delivery: Delivery) -> None:
        dropped = session.offer(delivery)
        if delivery not in dropped:
            self._metrics.mqtt_messages.labels("out").inc()
        for one in dropped:
            self._metrics.dropped.labels("mqtt_queue" if one.qos else "mqtt_qos0").inc()

    def retain(self, message: Message) -> bool:
        """Make it its topic's retained message; whether there was room for it."""
        taken = self.retained.put(message)
        if taken:
            self._keeper.retained(message.topic, message if message.payload else None)
        return taken

"""Sessions and retained messages on disk: what a broker has acknowledged survives it (MQTT 5.0 section 4.1).

Only sessions that outlive their connection are kept. Each queued message is a value of its own, written when it comes
and deleted when it is acknowledged; what happens to it within one transaction is written once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import msgpack

from rt_service.core.errors import RtError
from rt_service.core.model import Identity, known_as
from rt_service.core.ports import Clock, Store
from rt_service.gateways.mqtt.message import Delivery, Message
from rt_service.gateways.mqtt.session import MqttSession
from rt_service.mqtt.packets import Subscription

if TYPE_CHECKING:
    from rt_service.gateways.mqtt.broker import Broker

SESSIONS, SUBSCRIPTIONS, QUEUED, RECEIVED, RETAINED = (
    f"mqtt.{shelf}" for shelf in ("sessions", "subscriptions", "queued", "received", "retained")
)
WILL_AFTER_RESTART_S = 10.0  # a client that was connected has so long to come back before its will is sent


class StoreKeeper:
    """See `session.Keeper`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def session(self, session: MqttSession) -> None:
        if not session.expiry_s:
            return
        ends_ms = None if session.ends_at is None else self._unix_ms(session.ends_at)
        will = None if session.will is None else self._packed(session.will)
        self._put(SESSIONS, session.client_id, [*session.who.identity, session.expiry_s, ends_ms, will])

    def ended(self, session: MqttSession) -> None:
        if not session.kept:
            return
        self._store.put(SESSIONS, session.client_id, None)
        for delivery in (*session.in_flight.values(), *session.queue):
            self.settled(session, delivery)
        for packet_id in session.received:
            self.released(session, packet_id)

    def subscribed(self, session: MqttSession, subscription: Subscription, identifier: int | None) -> None:
        if session.expiry_s:
            options = [subscription.qos, subscription.no_local, subscription.retain_as_published]
            self._put(SUBSCRIPTIONS, _key(session, subscription.filter), [*options, identifier])

    def unsubscribed(self, session: MqttSession, filter: str) -> None:
        if session.kept:
            self._store.put(SUBSCRIPTIONS, _key(session, filter), None)

    def waiting(self, session: MqttSession, delivery: Delivery, packet_id: int = 0) -> None:
        if session.expiry_s:
            if not delivery.number:
                delivery.number = next(session.numbers)
            state = [packet_id, delivery.released, delivery.qos, delivery.retain, delivery.identifiers]
            self._put(QUEUED, _key(session, f"{delivery.number:016d}"), [*state, self._packed(delivery.message)])

    def settled(self, session: MqttSession, delivery: Delivery) -> None:
        if delivery.number:
            self._store.put(QUEUED, _key(session, f"{delivery.number:016d}"), None)

    def received(self, session: MqttSession, packet_id: int) -> None:
        if session.expiry_s:
            self._put(RECEIVED, _key(session, str(packet_id)), None)

    def released(self, session: MqttSession, packet_id: int) -> None:
        if session.kept:
            self._store.put(RECEIVED, _key(session, str(packet_id)), None)

    def retained(self, topic: str, message: Message | None) -> None:
        self._store.put(RETAINED, topic, None if message is None else msgpack.encode(self._packed(message)))

    def kept(self, done: Callable[[RtError | None], None]) -> None:
        self._store.kept(done)

    # -- after a restart

    def restore(self, broker: Broker) -> None:
        """Everything that an earlier process kept, into a broker that has not begun."""
        for _, value in self._store.load(RETAINED):
            broker.retained.put(self._message(msgpack.decode(value)))
        for client_id, value in self._store.load(SESSIONS):
            kind, id, expiry_s, ends_ms, will = msgpack.decode(value)
            session = broker.new_session(client_id, known_as(Identity(kind, id)))
            session.expiry_s, session.kept = expiry_s, True
            self._set_end(session, ends_ms, None if will is None else self._message(will))
        for key, value in self._store.load(SUBSCRIPTIONS):
            client_id, _, filter = key.partition("\0")
            qos, no_local, as_published, identifier = msgpack.decode(value)
            if client_id in broker.sessions:
                broker.restore_subscription(
                    broker.sessions[client_id], Subscription(filter, qos, no_local, as_published), identifier
                )
        for key, value in self._store.load(QUEUED):  # in the order of their numbers, since keys are sorted
            client_id, _, number = key.partition("\0")
            if client_id in broker.sessions:
                self._restore_delivery(broker.sessions[client_id], int(number), msgpack.decode(value))
        for key, _ in self._store.load(RECEIVED):
            client_id, _, packet_id = key.partition("\0")
            if client_id in broker.sessions:
                broker.sessions[client_id].received.add(int(packet_id))

    def _set_end(self, session: MqttSession, ends_ms: int | None, will: Message | None) -> None:
        now = self._clock.monotonic()
        session.ends_at = now + session.expiry_s if ends_ms is None else self._monotonic(ends_ms)
        session.will = will
        if will is not None:
            session.will_at = now + min(WILL_AFTER_RESTART_S, session.expiry_s)

    def _restore_delivery(self, session: MqttSession, number: int, state: list[Any]) -> None:
        packet_id, released, qos, retain, identifiers, message = state
        session.restore(Delivery(self._message(message), qos, retain, tuple(identifiers), released, number), packet_id)

    # -- forms

    def _put(self, shelf: str, key: str, value: Any) -> None:
        self._store.put(shelf, key, msgpack.encode(value))

    def _packed(self, message: Message) -> list[Any]:
        expires_ms = None if message.expires_at is None else self._unix_ms(message.expires_at)
        return [message.topic, message.payload, message.qos, message.retain, message.properties, expires_ms]

    def _message(self, packed: list[Any]) -> Message:
        topic, payload, qos, retain, properties, expires_ms = packed
        if "user_property" in properties:
            properties["user_property"] = [tuple(pair) for pair in properties["user_property"]]
        return Message(
            topic, payload, qos, retain, properties, None if expires_ms is None else self._monotonic(expires_ms)
        )

    def _unix_ms(self, monotonic: float) -> int:
        return self._clock.ms() + round((monotonic - self._clock.monotonic()) * 1000)

    def _monotonic(self, unix_ms: int) -> float:
        return self._clock.monotonic() + (unix_ms - self._clock.ms()) / 1000


def _key(session: MqttSession, rest: str) -> str:
    return f"{session.client_id}\0{rest}"  # no client id has a NUL in it [MQTT-1.5.4-2]

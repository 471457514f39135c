"""What one client publishes: topic aliases, how fast it may, acknowledgements in the order of its messages."""

from __future__ import annotations

from typing import Protocol
from zlib import crc32

from rt_service import runtime
from rt_service.core.errors import RtError
from rt_service.core.limits import TokenBucket
from rt_service.core.model import Token
from rt_service.core.ports import Clock
from rt_service.gateways.mqtt.acks import Acks
from rt_service.gateways.mqtt.broker import Broker, Taken
from rt_service.gateways.mqtt.handshake import ConnectionBounds, Guard, Terms
from rt_service.gateways.mqtt.message import Message
from rt_service.gateways.mqtt.session import MqttSession
from rt_service.metrics import Metrics
from rt_service.mqtt import codec
from rt_service.mqtt.packets import Acknowledgement, Kind, Publish
from rt_service.mqtt.wire import ProtocolViolation, Reason


class Line(Protocol):
    """The connection that they come over."""

    over: bool

    def send(self, packet: bytes) -> None: ...

    def refuse(self, reason: str, **about: object) -> None:
        """Count and log what is refused."""

    def end(self, reason: Reason) -> None:
        """Say why and close."""


class Incoming:
    def __init__(
        self, line: Line, broker: Broker, guard: Guard, clock: Clock, metrics: Metrics, bounds: ConnectionBounds
    ) -> None:
        self._line = line
        self._broker = broker
        self._guard = guard
        self._clock = clock
        self._metrics = metrics
        self._bounds = bounds
        self._acks = Acks(line.send)
        self._publishes = TokenBucket(bounds.publishes_per_s, bounds.publish_burst, clock.monotonic())
        self._unpaid = False  # a message that no token was taken for yet
        self._aliases: dict[int, str] = {}

    def wait(self) -> None:
        """Until more may be read: the system's buffers fill meanwhile, and the client notices."""
        self._pace()
        while not self._line.over and not self._acks.wait(self._bounds.receive_maximum, timeout_s=1.0):
            pass  # the client sends faster than its messages are kept

    def _pace(self) -> None:
        while not self._line.over and self._unpaid:
            wait_s = self._publishes.take(self._clock.monotonic())
            if not wait_s:
                self._unpaid = False
                return
            self._metrics.mqtt_paused.inc(wait_s)
            runtime.sleep(wait_s)

    def take(self, packet: Publish, terms: Terms) -> None:
        """Raises ProtocolViolation."""
        self._unpaid = True
        topic = self._topic(packet)
        if not packet.qos:
            self._publish(topic, packet, terms.session, self._nobody_waits)
            return
        acknowledge = self._acks.expect()
        kind = Kind.PUBACK if packet.qos == 1 else Kind.PUBREC

        def answer(reason: int) -> None:
            acknowledge(codec.encode(Acknowledgement(kind, packet.packet_id, reason), terms.version))

        def taken(outcome: bool | RtError) -> None:
            if isinstance(outcome, RtError):  # a temporary one: the client has to send it again
                self.unavailable(outcome)
            else:
                answer(Reason.SUCCESS if outcome else Reason.NO_MATCHING_SUBSCRIBERS)

        if packet.qos == 1:
            allowed = self._publish(topic, packet, terms.session, taken)
        else:
            allowed = self._publish_once(topic, packet, terms.session, taken)
        if not allowed:
            answer(Reason.NOT_AUTHORIZED)

    def unavailable(self, error: RtError) -> None:
        """Something could not be kept: the client has to come again."""
        if not self._line.over:
            self._line.refuse("unavailable", error=error.message)
            self._line.end(Reason.SERVER_BUSY)

    def _publish_once(self, topic: str, packet: Publish, session: MqttSession, done: Taken) -> bool:
        """Whether the client may. With QoS 2 what comes again is not published again [MQTT-4.3.3-10]."""
        packet_id = packet.packet_id
        if packet_id in session.received:
            done(True)
            return True
        if packet_id in session.arriving:
            session.arriving[packet_id].append(done)
            return True
        if len(session.received) + len(session.arriving) >= self._bounds.receive_maximum:
            raise ProtocolViolation(Reason.RECEIVE_MAXIMUM_EXCEEDED, "more in flight than the receive maximum")
        session.arriving[packet_id] = [done]

        def arrived(outcome: bool | RtError) -> None:
            for one in session.arriving.pop(packet_id):
                one(outcome)

        def taken(outcome: bool | RtError) -> None:
            if isinstance(outcome, RtError):
                arrived(outcome)
            else:
                session.receive(packet_id, lambda error: arrived(error or outcome))

        allowed = self._publish(topic, packet, session, taken)
        if not allowed:
            del session.arriving[packet_id]
        return allowed

    def _publish(self, topic: str, packet: Publish, session: MqttSession, done: Taken) -> bool:
        """Whether the client may."""
        if not self._guard.publish(session.who, topic):
            self._line.refuse("not_authorized", topic=topic)
            return False
        message = Message.at(
            self._clock.monotonic(), topic, packet.payload, packet.qos, packet.retain, packet.properties,
            session.client_id,
        )  # fmt: skip
        if packet.qos:  # packet ids are used again, so only what is marked as sent before is looked up
            check = f"{crc32(packet.payload, crc32(topic.encode())):x}"
            message.token = Token(f"mqtt:{session.client_id}:{packet.packet_id}", check, packet.dup)
        self._broker.publish(message, session.who, done)
        return True

    def _nobody_waits(self, outcome: bool | RtError) -> None:
        """Nobody is told what became of a QoS 0 message."""
        if isinstance(outcome, RtError):
            self._metrics.dropped.labels("mqtt_unkept").inc()

    def _topic(self, packet: Publish) -> str:
        """The topic, with the alias looked up or remembered (section 3.3.2.3.4)."""
        if "subscription_identifier" in packet.properties:
            raise ProtocolViolation(Reason.PROTOCOL_ERROR, "a client's PUBLISH with a subscription identifier")
        alias = packet.properties.pop("topic_alias", None)
        if alias is None:
            return packet.topic
        if not 0 < alias <= self._bounds.topic_aliases:
            raise ProtocolViolation(Reason.TOPIC_ALIAS_INVALID, f"topic alias {alias}")
        if packet.topic:
            self._aliases[alias] = packet.topic
        elif alias not in self._aliases:
            raise ProtocolViolation(Reason.PROTOCOL_ERROR, f"topic alias {alias} is not known")
        return self._aliases[alias]

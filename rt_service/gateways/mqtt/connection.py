"""One client's connection: packets in, packets out, and the rules between them (MQTT 5.0 chapter 4)."""

from __future__ import annotations

from rt_service import runtime
from rt_service.core.errors import RtError
from rt_service.core.model import Who
from rt_service.core.ports import Clock
from rt_service.gateways.mqtt.broker import Broker, Refused
from rt_service.gateways.mqtt.handshake import V3_RETURN_CODES, ConnectionBounds, Guard, Terms, accept
from rt_service.gateways.mqtt.incoming import Incoming
from rt_service.gateways.mqtt.message import Delivery
from rt_service.gateways.mqtt.output import ByteStream, Output
from rt_service.gateways.mqtt.session import MqttSession
from rt_service.metrics import Metrics
from rt_service.mqtt import codec, wire
from rt_service.mqtt.packets import (
    V5,
    Acknowledgement,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Kind,
    Packet,
    Ping,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Unsubscribe,
)
from rt_service.mqtt.topics import SHARE_PREFIX, is_filter
from rt_service.mqtt.wire import ProtocolViolation, Reason

SLICE_S = 0.005  # one client's packets at a time, then the others get their turn
LINGER_S = 1.0  # a close with something unread in the socket would reset it, and swallow the reason we gave


class Connection:
    """Lives as long as its stream. `run` is its greenlet; others reach it through `deliver` and `end`."""

    def __init__(
        self,
        stream: ByteStream,
        broker: Broker,
        guard: Guard,
        clock: Clock,
        metrics: Metrics,
        bounds: ConnectionBounds,
    ) -> None:
        self._stream = stream
        self._broker = broker
        self._guard = guard
        self._clock = clock
        self._metrics = metrics
        self._bounds = bounds
        self._terms: Terms | None = None
        self.since = 0  # when it was let in, in Unix ms
        self.output = Output(stream, bounds.waiting_bytes, self._drained)
        self._incoming = Incoming(self, broker, guard, clock, metrics, bounds)
        self.over = self._pumps = False
        self._own_aliases: dict[str, int] = {}
        self._handle = {
            Publish: self._on_publish,
            Acknowledgement: self._on_acknowledgement,
            Subscribe: self._on_subscribe,
            Unsubscribe: self._on_unsubscribe,
            Ping: self._on_ping,
            Disconnect: self._on_disconnect,
            Auth: self._on_auth,
        }

    @property
    def _session(self) -> MqttSession:
        assert self._terms is not None
        return self._terms.session

    @property
    def _version(self) -> int:
        return self._terms.version if self._terms else V5

    @property
    def client_id(self) -> str | None:
        """Whose it is, once it has said so."""
        return self._terms.session.client_id if self._terms else None

    @property
    def who(self) -> Who | None:
        """Who that is."""
        return self._terms.session.who if self._terms else None

    # -- its life

    def run(self) -> None:
        """Serve it until it ends, whatever the client does."""
        try:
            self._read_until_end()
        except ProtocolViolation as error:
            self._violation(error)
        except TimeoutError:
            self.refuse("keepalive" if self._terms else "connect_timeout")
            self.end(Reason.KEEPALIVE_TIMEOUT)
        except OSError:
            pass  # the peer is gone; what that means is decided in `_detach`
        finally:
            self._detach()
            self._linger()
            self._stream.close()

    def _read_until_end(self) -> None:
        framer = wire.Framer(self._bounds.packet_bytes)
        connect_by = self._clock.monotonic() + self._bounds.connect_s
        while not self.over:
            data = self._stream.read(self._terms.keepalive_s if self._terms else self._bounds.connect_s)
            if not data or self.over:  # it ended while it read: what was read comes too late
                return
            until = self._clock.monotonic() + SLICE_S
            for header, body in framer.feed(data):
                if self._clock.monotonic() > until:
                    runtime.sleep(0)  # the others' turn
                    until = self._clock.monotonic() + SLICE_S
                    if self.over:  # an earlier message could not be kept: none may overtake it
                        return
                self._take(codec.decode(header, body, self._version))
                self._incoming.wait()
                if self.over:
                    return
            if self._terms is None and self._clock.monotonic() > connect_by:
                raise TimeoutError
            runtime.sleep(0)  # a socket that always has something to read would keep the loop to itself

    def _take(self, packet: Packet) -> None:
        if self._terms is None:
            if not isinstance(packet, Connect):
                raise ProtocolViolation(Reason.PROTOCOL_ERROR, "the first packet is not CONNECT")  # [MQTT-3.1.0-1]
            return self._on_connect(packet)
        handle = self._handle.get(type(packet))
        if handle is None:  # a second CONNECT [MQTT-3.1.0-2], or what only servers send
            raise ProtocolViolation(Reason.PROTOCOL_ERROR, f"{type(packet).__name__} does not belong here")
        return handle(packet)  # type: ignore[operator]

    def _violation(self, error: ProtocolViolation) -> None:
        self.refuse(error.reason.name.lower(), error=str(error))
        if self._terms is None and error.reason is Reason.UNSUPPORTED_VERSION:
            self.send(codec.encode(Connack(False, V3_RETURN_CODES[error.reason]), 4))  # 3.1.1 [MQTT-3.1.2-2]
        self.end(error.reason)

    def end(self, reason: Reason) -> None:
        """Say why, in MQTT 5, and close. The will is sent, unless the client said goodbye before."""
        if self.over:
            return
        if self._terms is not None and self._version == V5:
            self.send(codec.encode(Disconnect(reason), V5))
        self._detach()

    def _detach(self) -> None:
        if self._terms is not None and self._session.connection is self:
            self._metrics.sessions.labels("mqtt").dec()
            self._broker.detach(self._session, will_delay_s=self._terms.will_delay_s)
        self.over = True
        self.output.hang_up()

    def _linger(self) -> None:
        until = self._clock.monotonic() + LINGER_S
        try:
            while self._clock.monotonic() < until and self._stream.read(LINGER_S):
                runtime.sleep(0)  # it may send as fast as it can
        except OSError:  # TimeoutError is one too
            pass

    def refuse(self, reason: str, **about: object) -> None:
        """See `incoming.Line`."""
        self._metrics.mqtt_refused.labels(reason).inc()
        self._broker.log.info("mqtt_refused", client_id=self.client_id, reason=reason, **about)

    # -- CONNECT

    def _on_connect(self, packet: Connect) -> None:
        try:
            terms = accept(packet, self._broker, self._guard, self._bounds)
        except Refused as error:
            self.refuse(error.reason.name.lower())
            reason = error.reason if packet.version == V5 else V3_RETURN_CODES.get(error.reason, 5)
            self.send(codec.encode(Connack(False, reason), packet.version))
            self.over = True
            self.output.hang_up()
            return
        self._terms, session = terms, terms.session
        self.since = self._clock.ms()
        session.attach(self, terms.will)
        self._metrics.sessions.labels("mqtt").inc()
        self.send(codec.encode(Connack(terms.present, 0, terms.told), packet.version))
        session.resume()

    # -- PUBLISH, and the acknowledgements of both directions

    def _on_publish(self, packet: Publish) -> None:
        assert self._terms is not None
        self._incoming.take(packet, self._terms)

    def _acknowledge(self, kind: Kind, packet_id: int, reason: int = Reason.SUCCESS) -> None:
        self.send(codec.encode(Acknowledgement(kind, packet_id, reason), self._version))

    def _on_acknowledgement(self, packet: Acknowledgement) -> None:
        session, packet_id = self._session, packet.packet_id
        if packet.kind == Kind.PUBREL:
            known, answer, step = packet_id in session.received, Kind.PUBCOMP, session.release
        elif packet.kind == Kind.PUBREC and packet.reason < Reason.UNSPECIFIED:
            known, answer, step = packet_id in session.in_flight, Kind.PUBREL, session.delivered
        else:
            session.acknowledge(packet_id)
            return

        def kept(error: RtError | None) -> None:
            if error is not None:
                self._incoming.unavailable(error)
            else:
                self._acknowledge(answer, packet_id, Reason.SUCCESS if known else Reason.PACKET_ID_NOT_FOUND)

        step(packet_id, kept)

    # -- SUBSCRIBE and the rest

    def _on_subscribe(self, packet: Subscribe) -> None:
        identifier = (packet.properties.get("subscription_identifier") or [None])[0]
        reasons = [self._subscribe(subscription, identifier) for subscription in packet.subscriptions]
        told = [reason if self._version == V5 or reason < 0x80 else 0x80 for reason in reasons]
        self.send(codec.encode(Suback(Kind.SUBACK, packet.packet_id, told), self._version))
        self._session.pump()

    def _subscribe(self, subscription: Subscription, identifier: int | None) -> int:
        filter = subscription.filter
        if not is_filter(filter):
            raise ProtocolViolation(Reason.TOPIC_FILTER_INVALID, "the topic filter is not valid")
        if subscription.no_local and filter.startswith(SHARE_PREFIX):
            raise ProtocolViolation(Reason.PROTOCOL_ERROR, "No Local on a shared subscription")  # [MQTT-3.8.3-4]
        if not self._guard.subscribe(self._session.who, filter):
            self.refuse("not_authorized", filter=filter)
            return Reason.NOT_AUTHORIZED
        try:
            self._broker.subscribe(self._session, subscription, identifier)
        except Refused as error:
            self.refuse("subscriptions")
            return error.reason
        return subscription.qos

    def _on_unsubscribe(self, packet: Unsubscribe) -> None:
        removed = [self._broker.unsubscribe(self._session, filter) for filter in packet.filters]
        reasons: list[int] = [Reason.SUCCESS if one else Reason.NO_SUBSCRIPTION_EXISTED for one in removed]
        self.send(codec.encode(Suback(Kind.UNSUBACK, packet.packet_id, reasons), self._version))

    def _on_ping(self, packet: Ping) -> None:
        if packet.kind != Kind.PINGREQ:
            raise ProtocolViolation(Reason.PROTOCOL_ERROR, "a PINGRESP of a client")
        self.send(codec.encode(Ping(Kind.PINGRESP), self._version))

    def _on_disconnect(self, packet: Disconnect) -> None:
        session = self._session
        if packet.reason != Reason.DISCONNECT_WITH_WILL:
            session.will = None  # [MQTT-3.14.4-3]
        expiry = packet.properties.get("session_expiry_interval")
        if expiry is not None:
            if expiry and not session.expiry_s:
                raise ProtocolViolation(Reason.PROTOCOL_ERROR, "a session that was to end is to be kept")
            session.expiry_s = float(min(expiry, self._broker.bounds.session_expiry_max_s))
        self.over = True

    def _on_auth(self, packet: Auth) -> None:
        raise ProtocolViolation(Reason.PROTOCOL_ERROR, "AUTH without an authentication method")

    # -- sending; the session calls these

    @property
    def receive_maximum(self) -> int:
        assert self._terms is not None
        return self._terms.receive_maximum

    @property
    def busy(self) -> bool:
        return self.output.busy

    def release(self, packet_id: int) -> None:
        """See `session.Wire`."""
        self._acknowledge(Kind.PUBREL, packet_id)

    def deliver(self, delivery: Delivery, packet_id: int, dup: bool = False) -> bool:
        """See `session.Wire`."""
        assert self._terms is not None
        now = self._clock.monotonic()
        if delivery.message.expired(now) or (self.busy and not delivery.qos):
            return False
        alias = self._alias(delivery.message.topic, self._terms.topic_aliases)
        packet = delivery.encode(self._version, packet_id, dup, alias, now)
        if len(packet) > self._terms.largest:
            self._metrics.dropped.labels("mqtt_too_large").inc()  # [MQTT-3.1.2-25]
            return False
        if alias[1] is not None:
            self._own_aliases[delivery.message.topic] = alias[1]  # it is told now
        self.send(packet)
        return True

    def _alias(self, topic: str, most: int) -> tuple[str, int | None]:
        """The topic to write and its alias, as far as the client takes aliases."""
        if not most:
            return topic, None
        known = self._own_aliases.get(topic)
        if known is not None:
            return "", known
        if len(self._own_aliases) >= most:
            return topic, None
        return topic, len(self._own_aliases) + 1

    def send(self, packet: bytes) -> None:
        """See `incoming.Line`."""
        if not self.output.send(packet):
            self.refuse("slow")
            self.over = True
            self.output.closed = True
            self._stream.hang_up()

    def pump_soon(self) -> None:
        """See `session.Wire`."""
        if not self._pumps:
            self._pumps = True
            runtime.spawn(self._pump)

    def _pump(self) -> None:
        self._pumps = False
        self._drained()

    def _drained(self) -> None:
        if self._terms is not None and self._session.connection is self:
            self._session.pump()

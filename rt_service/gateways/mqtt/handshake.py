"""CONNECT: who it is, which session it gets, and what both sides agree on (MQTT 5.0 sections 3.1 and 3.2)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Protocol

from rt_service.core.model import Who
from rt_service.gateways.mqtt.broker import Broker, Refused
from rt_service.gateways.mqtt.message import Message
from rt_service.gateways.mqtt.session import MqttSession
from rt_service.mqtt import codec
from rt_service.mqtt.packets import V5, Connack, Connect
from rt_service.mqtt.wire import ProtocolViolation, Reason

# What MQTT 3.1.1 says in place of a reason code (section 3.2.2.3 there); 5, not authorised, for all others.
V3_RETURN_CODES = {
    Reason.UNSUPPORTED_VERSION: 1,
    Reason.CLIENT_ID_NOT_VALID: 2,
    Reason.QUOTA_EXCEEDED: 3,
    Reason.SERVER_UNAVAILABLE: 3,
    Reason.SERVER_BUSY: 3,
    Reason.CONNECTION_RATE_EXCEEDED: 3,
    Reason.BAD_CREDENTIALS: 4,
}


# What a client is told for whom there is no room; the reasons are those of `acceptor`.
NO_ROOM = {
    "connections": Reason.SERVER_BUSY,
    "connections_per_address": Reason.QUOTA_EXCEEDED,
    "connects_per_address": Reason.CONNECTION_RATE_EXCEEDED,
}


class Guard(Protocol):
    """Who may, on the embedded broker."""

    def connect(self, client_id: str, username: str | None, password: bytes | None) -> Who:
        """Who a client is. Raises Refused."""

    def publish(self, who: Who, topic: str) -> bool: ...

    def subscribe(self, who: Who, filter: str) -> bool: ...


@dataclass(frozen=True)
class ConnectionBounds:
    packet_bytes: int = 1 << 20
    receive_maximum: int = 256
    topic_aliases: int = 32
    keepalive_max_s: int = 120
    connect_s: float = 5.0
    waiting_bytes: int = 1 << 20
    publishes_per_s: float = 2000.0
    publish_burst: int = 4000


@dataclass(slots=True)
class Terms:
    """What a connection runs under; `told` are the properties of its CONNACK."""

    version: int
    session: MqttSession
    present: bool
    will: Message | None = None
    will_delay_s: float = 0.0
    keepalive_s: float | None = None
    receive_maximum: int = 65_535
    largest: int = 1 << 28
    topic_aliases: int = 0
    told: dict[str, Any] = field(default_factory=dict)


def no_room(header: int, body: bytes, reason: str) -> bytes:
    """The CONNACK for a CONNECT of which nothing else is looked at; nothing for another packet."""
    try:
        packet = codec.decode(header, body, V5)
    except ProtocolViolation:
        return b""
    if not isinstance(packet, Connect):
        return b""
    code = NO_ROOM[reason] if packet.version == V5 else V3_RETURN_CODES[NO_ROOM[reason]]
    return codec.encode(Connack(False, code), packet.version)


def accept(packet: Connect, broker: Broker, guard: Guard, bounds: ConnectionBounds) -> Terms:
    """Let a client in.

    Raises:
        Refused: with the reason to tell it.
    """
    if "authentication_method" in packet.properties:
        raise Refused(Reason.BAD_AUTHENTICATION_METHOD)
    client_id = packet.client_id or _assigned(packet)
    # Before any session is looked at: who fails here must not disturb whoever owns that client id.
    who = guard.connect(client_id, packet.username, packet.password)
    if packet.will is not None and not guard.publish(who, packet.will.topic):
        raise Refused(Reason.NOT_AUTHORIZED)
    session, present = broker.open(client_id, who, packet.clean_start)
    if present:
        broker.restrict(session, lambda filter: guard.subscribe(who, filter))
    terms = Terms(packet.version, session, present, keepalive_s=packet.keepalive * 1.5 or None)
    if not packet.client_id:
        terms.told["assigned_client_identifier"] = client_id
    _set_will(terms, packet)
    session.expiry_s = _expiry(terms, packet, broker.bounds.session_expiry_max_s)
    if packet.version == V5:
        _negotiate(terms, packet, bounds)
    return terms


def _assigned(packet: Connect) -> str:
    if packet.version != V5 and not packet.clean_start:
        raise Refused(Reason.CLIENT_ID_NOT_VALID)  # 3.1.1 [MQTT-3.1.3-8]
    return f"auto-{secrets.token_hex(8)}"


def _set_will(terms: Terms, packet: Connect) -> None:
    if packet.will is None:
        return
    will = packet.will
    terms.will_delay_s = will.properties.pop("will_delay_interval", 0)
    # Its expiry would run from when it is sent; a will that is sent late is still wanted, so it is left out.
    will.properties.pop("message_expiry_interval", None)
    terms.will = Message.at(
        0, will.topic, will.payload, will.qos, will.retain, will.properties, terms.session.client_id
    )


def _expiry(terms: Terms, packet: Connect, most: float) -> float:
    if packet.version != V5:
        return 0 if packet.clean_start else most
    asked = packet.properties.get("session_expiry_interval", 0)
    if asked > most:
        terms.told["session_expiry_interval"] = int(most)
    return float(min(asked, most))


def _negotiate(terms: Terms, packet: Connect, bounds: ConnectionBounds) -> None:
    """Limits of both sides (sections 3.1.2.11 and 3.2.2.3)."""
    asked = packet.properties
    terms.receive_maximum = asked.get("receive_maximum", terms.receive_maximum)
    terms.largest = asked.get("maximum_packet_size", terms.largest)
    terms.topic_aliases = min(asked.get("topic_alias_maximum", 0), bounds.topic_aliases)
    terms.told["receive_maximum"] = bounds.receive_maximum
    terms.told["topic_alias_maximum"] = bounds.topic_aliases
    terms.told["maximum_packet_size"] = bounds.packet_bytes
    if not 0 < packet.keepalive <= bounds.keepalive_max_s:
        terms.told["server_keep_alive"] = bounds.keepalive_max_s
        terms.keepalive_s = bounds.keepalive_max_s * 1.5

"""A message on its way through the broker, encoded once for all who get it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rt_service.core.model import Token
from rt_service.mqtt import wire
from rt_service.mqtt.packets import V5

# What a broker hands on unchanged (MQTT 5.0 [MQTT-3.3.2-4], -15, -16, -17, -20).
_FORWARDED = ("payload_format_indicator", "content_type", "response_topic", "correlation_data", "user_property")


@dataclass(slots=True, eq=False)
class Message:
    """`expires_at` is on the monotonic clock; `origin` is the client id it came from, for No Local."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: dict[str, Any] = field(default_factory=dict)
    expires_at: float | None = None
    origin: str | None = None
    token: Token | None = None  # how its redelivery is recognised
    _encoded: bytes | None = None

    @classmethod
    def at(cls, now: float, topic: str, payload: bytes, qos: int, retain: bool, properties: dict[str, Any],
           origin: str | None = None) -> Message:  # fmt: skip
        """A message published `now`; its expiry interval starts to run (section 3.3.2.3.3)."""
        expiry = properties.get("message_expiry_interval")
        forwarded = {name: properties[name] for name in _FORWARDED if name in properties}
        return cls(topic, payload, qos, retain, forwarded, None if expiry is None else now + expiry, origin)

    @property
    def encoded_properties(self) -> bytes:
        """The properties that every subscriber gets, without their length; made once."""
        if self._encoded is None:
            self._encoded = wire.property_list(self.properties)
        return self._encoded

    @property
    def size(self) -> int:
        """About as many bytes as it takes in memory."""
        return len(self.topic) + len(self.payload) + len(self.encoded_properties)

    def expired(self, now: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(slots=True, eq=False)
class Delivery:
    """A message for one subscriber. `released` once its PUBREL was sent (QoS 2); `number` is for the keeper."""

    message: Message
    qos: int
    retain: bool = False
    identifiers: tuple[int, ...] = ()
    released: bool = False
    number: int = 0

    def encode(self, version: int, packet_id: int, dup: bool, alias: tuple[str, int | None], now: float) -> bytes:
        """The PUBLISH packet; `alias` is the topic to write (empty for a known alias) and its alias number."""
        header = 0x30 | dup << 3 | self.qos << 1 | self.retain
        message, (topic, number) = self.message, alias
        identified = packet_id.to_bytes(2, "big") if self.qos else b""
        if version != V5:
            return wire.packet(header, wire.text(topic) + identified + message.payload)
        properties = message.encoded_properties
        if message.expires_at is not None or self.identifiers or number is not None:
            properties = properties + wire.property_list(self._own_properties(number, now))
        length = wire.variable(len(properties))
        return wire.packet(header, wire.text(topic) + identified + length + properties + message.payload)

    def _own_properties(self, alias: int | None, now: float) -> dict[str, Any]:
        own: dict[str, Any] = {}
        if self.message.expires_at is not None:
            own["message_expiry_interval"] = max(1, round(self.message.expires_at - now))
        if self.identifiers:
            own["subscription_identifier"] = list(self.identifiers)
        if alias is not None:
            own["topic_alias"] = alias
        return own

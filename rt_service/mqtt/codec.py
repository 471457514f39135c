"""Bytes to MQTT control packets and back, with no I/O.

`version` is the protocol level: 4 for 3.1.1 (and 3 for 3.1), 5 for 5.0. Clause ids are those of MQTT 5.0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_service.mqtt import wire
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
    Will,
)
from rt_service.mqtt.topics import is_topic
from rt_service.mqtt.wire import ProtocolViolation, Reader, Reason, malformed

# Which properties a packet may have (section 2.2.2.2, table 2-4).
_MESSAGE = {"payload_format_indicator", "message_expiry_interval", "content_type", "response_topic"} | {
    "correlation_data",
    "user_property",
}
_IN_WILL = _MESSAGE | {"will_delay_interval"}
_IN_PUBLISH = _MESSAGE | {"subscription_identifier", "topic_alias"}
_IN_CONNECT = {
    "session_expiry_interval", "authentication_method", "authentication_data", "request_problem_information",
    "request_response_information", "receive_maximum", "topic_alias_maximum", "user_property", "maximum_packet_size",
}  # fmt: skip
_IN_CONNACK = {
    "session_expiry_interval", "assigned_client_identifier", "server_keep_alive", "authentication_method",
    "authentication_data", "response_information", "server_reference", "reason_string", "receive_maximum",
    "topic_alias_maximum", "maximum_qos", "retain_available", "user_property", "maximum_packet_size",
    "wildcard_subscription_available", "subscription_identifier_available", "shared_subscription_available",
}  # fmt: skip
_IN_ACKNOWLEDGEMENT = {"reason_string", "user_property"}
_IN_SUBSCRIBE = {"subscription_identifier", "user_property"}
_IN_UNSUBSCRIBE = {"user_property"}
_IN_DISCONNECT = {"session_expiry_interval", "server_reference", "reason_string", "user_property"}
_IN_AUTH = {"authentication_method", "authentication_data", "reason_string", "user_property"}


def decode(header: int, body: bytes, version: int) -> Packet:
    """The packet with first byte `header`. Of CONNECT the version is read from the packet itself.

    Raises:
        ProtocolViolation: it is malformed or breaks a rule that can be seen on the packet alone.
    """
    kind, flags = header >> 4, header & 0x0F
    if kind == Kind.PUBLISH:
        return _publish(flags, Reader(body), version)
    if kind not in _DECODE:
        raise malformed(f"there is no packet of type {kind}")
    # [MQTT-2.1.3-1] The flags of all other packets are fixed.
    if flags != (0b0010 if kind in (Kind.PUBREL, Kind.SUBSCRIBE, Kind.UNSUBSCRIBE) else 0):
        raise malformed(f"flags {flags:#x} on a {Kind(kind).name}")
    reader = Reader(body)
    packet = _DECODE[kind](Kind(kind), reader, version)
    if reader.left:
        raise malformed(f"{reader.left} bytes too many in a {Kind(kind).name}")
    return packet


def _connect(kind: Kind, reader: Reader, _: int) -> Connect:
    name, version = reader.binary(), reader.byte()
    if (name, version) not in ((b"MQTT", 4), (b"MQTT", 5), (b"MQIsdp", 3)):
        raise ProtocolViolation(Reason.UNSUPPORTED_VERSION, f"protocol {name[:8]!r} level {version}")
    flags, keepalive = reader.byte(), reader.uint16()
    if flags & 1:
        raise malformed("the reserved connect flag is set")  # [MQTT-3.1.2-3]
    properties = reader.properties(_IN_CONNECT) if version == V5 else {}
    client_id = reader.text()
    will = _will(flags, reader, version)
    username = reader.text() if flags & 0x80 else None
    password = reader.binary() if flags & 0x40 else None
    if password is not None and username is None and version != V5:
        raise malformed("a password without a user name")  # 3.1.1 [MQTT-3.1.2-22]
    return Connect(client_id, version, bool(flags & 2), keepalive, username, password, will, properties)


def _will(flags: int, reader: Reader, version: int) -> Will | None:
    qos, retain = flags >> 3 & 3, bool(flags & 0x20)
    if not flags & 4:
        if qos or retain:
            raise malformed("will flags without a will")  # [MQTT-3.1.2-11]
        return None
    if qos == 3:
        raise malformed("will QoS 3")  # [MQTT-3.1.2-12]
    properties = reader.properties(_IN_WILL) if version == V5 else {}
    topic, payload = reader.text(), reader.binary()
    if not is_topic(topic):
        raise ProtocolViolation(Reason.TOPIC_NAME_INVALID, "the will's topic is not valid")
    return Will(topic, payload, qos, retain, properties)


def _publish(flags: int, reader: Reader, version: int) -> Publish:
    qos = flags >> 1 & 3
    if qos == 3 or (not qos and flags & 8):
        raise malformed("QoS 3, or DUP with QoS 0")  # [MQTT-3.3.1-4], [MQTT-3.3.1-2]
    topic = reader.text()
    packet_id = _packet_id(reader) if qos else 0
    properties = reader.properties(_IN_PUBLISH) if version == V5 else {}
    if not is_topic(topic) and (topic or "topic_alias" not in properties):
        raise ProtocolViolation(Reason.TOPIC_NAME_INVALID, "the topic is empty or has a wildcard")
    return Publish(topic, reader.rest(), qos, bool(flags & 1), bool(flags & 8), packet_id, properties)


def _packet_id(reader: Reader) -> int:
    packet_id = reader.uint16()
    if not packet_id:
        raise malformed("packet id 0")  # [MQTT-2.2.1-3]
    return packet_id


def _acknowledgement(kind: Kind, reader: Reader, version: int) -> Acknowledgement:
    packet_id = _packet_id(reader)
    reason = reader.byte() if version == V5 and reader.left else Reason.SUCCESS
    if version == V5 and reader.left:
        reader.properties(_IN_ACKNOWLEDGEMENT)
    return Acknowledgement(kind, packet_id, reason)


def _subscribe(kind: Kind, reader: Reader, version: int) -> Subscribe:
    packet_id = _packet_id(reader)
    properties = reader.properties(_IN_SUBSCRIBE) if version == V5 else {}
    subscriptions: list[Subscription] = []
    while reader.left:
        wire.check_items(len(subscriptions))
        filter, options = reader.text(), reader.byte()
        if options & 3 == 3 or options & (0xC0 if version == V5 else 0xFC) or options >> 4 & 3 == 3:
            raise malformed("subscription options with reserved bits")  # [MQTT-3.8.3-5]
        subscriptions.append(Subscription(filter, options & 3, bool(options & 4), bool(options & 8), options >> 4 & 3))
    if not subscriptions:
        raise ProtocolViolation(Reason.PROTOCOL_ERROR, "a SUBSCRIBE without a filter")  # [MQTT-3.8.3-2]
    return Subscribe(packet_id, subscriptions, properties)


def _unsubscribe(kind: Kind, reader: Reader, version: int) -> Unsubscribe:
    packet_id = _packet_id(reader)
    properties = reader.properties(_IN_UNSUBSCRIBE) if version == V5 else {}
    filters: list[str] = []
    while reader.left:
        wire.check_items(len(filters))
        filters.append(reader.text())
    if not filters:
        raise ProtocolViolation(Reason.PROTOCOL_ERROR, "an UNSUBSCRIBE without a filter")  # [MQTT-3.10.3-2]
    return Unsubscribe(packet_id, filters, properties)


def _connack(kind: Kind, reader: Reader, version: int) -> Connack:
    flags, reason = reader.byte(), reader.byte()
    return Connack(bool(flags & 1), reason, reader.properties(_IN_CONNACK) if version == V5 else {})


def _suback(kind: Kind, reader: Reader, version: int) -> Suback:
    packet_id = _packet_id(reader)
    if version == V5:
        reader.properties(_IN_ACKNOWLEDGEMENT)
    return Suback(kind, packet_id, list(reader.rest()))


def _ping(kind: Kind, reader: Reader, version: int) -> Ping:
    return Ping(kind)


def _disconnect(kind: Kind, reader: Reader, version: int) -> Disconnect:
    reason = reader.byte() if version == V5 and reader.left else Reason.SUCCESS
    return Disconnect(reason, reader.properties(_IN_DISCONNECT) if version == V5 and reader.left else {})


def _auth(kind: Kind, reader: Reader, version: int) -> Auth:
    if version != V5:
        raise malformed("AUTH is a packet of MQTT 5")
    reason = reader.byte() if reader.left else Reason.SUCCESS
    return Auth(reason, reader.properties(_IN_AUTH) if reader.left else {})


_DECODE: dict[int, Callable[[Kind, Reader, int], Packet]] = {
    Kind.CONNECT: _connect,
    Kind.CONNACK: _connack,
    Kind.PUBACK: _acknowledgement,
    Kind.PUBREC: _acknowledgement,
    Kind.PUBREL: _acknowledgement,
    Kind.PUBCOMP: _acknowledgement,
    Kind.SUBSCRIBE: _subscribe,
    Kind.SUBACK: _suback,
    Kind.UNSUBSCRIBE: _unsubscribe,
    Kind.UNSUBACK: _suback,
    Kind.PINGREQ: _ping,
    Kind.PINGRESP: _ping,
    Kind.DISCONNECT: _disconnect,
    Kind.AUTH: _auth,
}


def encode(packet: Packet, version: int) -> bytes:
    """The packet's bytes, fixed header included."""
    return _ENCODE[type(packet)](packet, version)


def _encode_connect(packet: Connect, _: int) -> bytes:
    v5, will = packet.version == V5, packet.will
    flags = packet.clean_start << 1 | (packet.username is not None) << 7 | (packet.password is not None) << 6
    if will:
        flags |= 4 | will.qos << 3 | will.retain << 5
    body = wire.text("MQTT") + bytes((packet.version, flags)) + wire.uint16(packet.keepalive)
    body += wire.properties(packet.properties) if v5 else b""
    body += wire.text(packet.client_id)
    if will:
        body += wire.properties(will.properties) if v5 else b""
        body += wire.text(will.topic) + wire.binary(will.payload)
    body += wire.text(packet.username) if packet.username is not None else b""
    body += wire.binary(packet.password) if packet.password is not None else b""
    return wire.packet(0x10, body)


def _encode_connack(packet: Connack, version: int) -> bytes:
    properties = wire.properties(packet.properties) if version == V5 else b""
    return wire.packet(0x20, bytes((packet.session_present, packet.reason)) + properties)


def _encode_publish(packet: Publish, version: int) -> bytes:
    header = 0x30 | packet.dup << 3 | packet.qos << 1 | packet.retain
    body = wire.text(packet.topic)
    if packet.qos:
        body += wire.uint16(packet.packet_id)
    if version == V5:
        body += wire.properties(packet.properties)
    return wire.packet(header, body + packet.payload)


def _encode_acknowledgement(packet: Acknowledgement, version: int) -> bytes:
    header = packet.kind << 4 | (2 if packet.kind == Kind.PUBREL else 0)
    reason = bytes((packet.reason,)) if version == V5 and packet.reason else b""
    return wire.packet(header, wire.uint16(packet.packet_id) + reason)


def _encode_subscribe(packet: Subscribe, version: int) -> bytes:
    body = wire.uint16(packet.packet_id) + (wire.properties(packet.properties) if version == V5 else b"")
    for one in packet.subscriptions:
        options = one.qos | one.no_local << 2 | one.retain_as_published << 3 | one.retain_handling << 4
        body += wire.text(one.filter) + bytes((options,))
    return wire.packet(0x82, body)


def _encode_unsubscribe(packet: Unsubscribe, version: int) -> bytes:
    body = wire.uint16(packet.packet_id) + (wire.properties(packet.properties) if version == V5 else b"")
    return wire.packet(0xA2, body + b"".join(wire.text(one) for one in packet.filters))


def _encode_suback(packet: Suback, version: int) -> bytes:
    body = wire.uint16(packet.packet_id) + (b"\0" if version == V5 else b"")
    if packet.kind == Kind.SUBACK or version == V5:
        body += bytes(packet.reasons)
    return wire.packet(packet.kind << 4, body)


def _encode_ping(packet: Ping, version: int) -> bytes:
    return bytes((packet.kind << 4, 0))


def _encode_disconnect(packet: Disconnect, version: int) -> bytes:
    if version != V5:
        return b"\xe0\0"
    return wire.packet(0xE0, bytes((packet.reason,)) + wire.properties(packet.properties))


def _encode_auth(packet: Auth, version: int) -> bytes:
    return wire.packet(0xF0, bytes((packet.reason,)) + wire.properties(packet.properties))


_ENCODE: dict[type, Callable[[Any, int], bytes]] = {
    Connect: _encode_connect,
    Connack: _encode_connack,
    Publish: _encode_publish,
    Acknowledgement: _encode_acknowledgement,
    Subscribe: _encode_subscribe,
    Unsubscribe: _encode_unsubscribe,
    Suback: _encode_suback,
    Ping: _encode_ping,
    Disconnect: _encode_disconnect,
    Auth: _encode_auth,
}

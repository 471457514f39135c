"""Data types of MQTT packets (MQTT 5.0 section 1.5), properties (2.2.2), and packets cut out of a stream of bytes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Set
from enum import IntEnum
from typing import Any

MAX_VARIABLE_INTEGER = 268_435_455
MAX_ITEMS = 5000  # ours: filters, or properties, of one packet


class Reason(IntEnum):
    """Reason codes of MQTT 5.0 (section 2.4) that are used here."""

    SUCCESS = 0x00
    DISCONNECT_WITH_WILL = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    UNSPECIFIED = 0x80
    MALFORMED = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION_SPECIFIC = 0x83
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID_NOT_VALID = 0x85
    BAD_CREDENTIALS = 0x86
    NOT_AUTHORIZED = 0x87
    ADMINISTRATIVE_ACTION = 0x98
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEPALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    PACKET_ID_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QUOTA_EXCEEDED = 0x97
    PAYLOAD_FORMAT_INVALID = 0x99
    CONNECTION_RATE_EXCEEDED = 0x9F


class ProtocolViolation(Exception):
    """What a peer sent is no MQTT; `reason` is what MQTT 5 tells it before the connection ends."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def malformed(message: str) -> ProtocolViolation:
    return ProtocolViolation(Reason.MALFORMED, message)


# -- reading


class Reader:
    """Reads one packet's body from front to back. Every method raises ProtocolViolation when it ends too early."""

    __slots__ = ("_body", "_end", "at")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._end = len(body)
        self.at = 0

    @property
    def left(self) -> int:
        return self._end - self.at

    def take(self, count: int) -> bytes:
        start, self.at = self.at, self.at + count
        if self.at > self._end:
            raise malformed("the packet ends too early")
        return self._body[start : self.at]

    def rest(self) -> bytes:
        return self.take(self.left)

    def byte(self) -> int:
        return self.take(1)[0]

    def uint16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def uint32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def variable(self) -> int:
        """A variable byte integer (section 1.5.5)."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 21:
                raise malformed("a variable byte integer is longer than four bytes")

    def binary(self) -> bytes:
        return self.take(self.uint16())

    def text(self) -> str:
        """A UTF-8 string; surrogates and NUL make the packet malformed (MQTT-1.5.4-1, MQTT-1.5.4-2)."""
        try:
            text = self.binary().decode()
        except UnicodeDecodeError:
            raise malformed("a string is not UTF-8") from None
        if "\0" in text:
            raise malformed("a string contains NUL")
        return text

    def properties(self, allowed: Set[str]) -> dict[str, Any]:
        """Properties by name; `user_property` is a list of pairs, `subscription_identifier` a list of numbers."""
        length = self.variable()
        end = self.at + length
        if end > self._end:
            raise malformed("the properties are longer than the packet")
        found: dict[str, Any] = {}
        for count in itertools.count():
            if self.at >= end:
                break
            check_items(count)
            name, kind = _property(self.variable())
            value = _READ[kind](self)
            _check_property(name, value, allowed)
            if name in ("user_property", "subscription_identifier"):
                found.setdefault(name, []).append(value)
            elif name in found:
                raise ProtocolViolation(Reason.PROTOCOL_ERROR, f"the property {name} stands twice")
            else:
                found[name] = value
        if self.at != end:
            raise malformed("a property is longer than the properties")
        return found


def check_items(count: int) -> None:
    """Raises ProtocolViolation where one packet has so many that reading them takes long."""
    if count >= MAX_ITEMS:
        raise ProtocolViolation(Reason.QUOTA_EXCEEDED, f"more than {MAX_ITEMS} filters or properties in one packet")


def _property(number: int) -> tuple[str, str]:
    try:
        return _PROPERTIES[number]
    except KeyError:
        raise malformed(f"there is no property {number:#x}") from None


_FLAGS = {
    "payload_format_indicator", "request_problem_information", "request_response_information", "maximum_qos",
    "retain_available", "wildcard_subscription_available", "subscription_identifier_available",
    "shared_subscription_available",
}  # fmt: skip
_NOT_ZERO = {"receive_maximum", "maximum_packet_size", "subscription_identifier"}


def _check_property(name: str, value: Any, allowed: Set[str]) -> None:
    if name not in allowed:
        raise ProtocolViolation(Reason.PROTOCOL_ERROR, f"the property {name} does not belong in this packet")
    if (name in _FLAGS and value > 1) or (name in _NOT_ZERO and value == 0):
        raise ProtocolViolation(Reason.PROTOCOL_ERROR, f"the property {name} may not be {value}")


_PROPERTIES: dict[int, tuple[str, str]] = {
    0x01: ("payload_format_indicator", "byte"),
    0x02: ("message_expiry_interval", "uint32"),
    0x03: ("content_type", "text"),
    0x08: ("response_topic", "text"),
    0x09: ("correlation_data", "binary"),
    0x0B: ("subscription_identifier", "variable"),
    0x11: ("session_expiry_interval", "uint32"),
    0x12: ("assigned_client_identifier", "text"),
    0x13: ("server_keep_alive", "uint16"),
    0x15: ("authentication_method", "text"),
    0x16: ("authentication_data", "binary"),
    0x17: ("request_problem_information", "byte"),
    0x18: ("will_delay_interval", "uint32"),
    0x19: ("request_response_information", "byte"),
    0x1A: ("response_information", "text"),
    0x1C: ("server_reference", "text"),
    0x1F: ("reason_string", "text"),
    0x21: ("receive_maximum", "uint16"),
    0x22: ("topic_alias_maximum", "uint16"),
    0x23: ("topic_alias", "uint16"),
    0x24: ("maximum_qos", "byte"),
    0x25: ("retain_available", "byte"),
    0x26: ("user_property", "pair"),
    0x27: ("maximum_packet_size", "uint32"),
    0x28: ("wildcard_subscription_available", "byte"),
    0x29: ("subscription_identifier_available", "byte"),
    0x2A: ("shared_subscription_available", "byte"),
}
_NUMBERS = {name: (number, kind) for number, (name, kind) in _PROPERTIES.items()}

_READ: dict[str, Callable[[Reader], Any]] = {
    "byte": Reader.byte,
    "uint16": Reader.uint16,
    "uint32": Reader.uint32,
    "variable": Reader.variable,
    "text": Reader.text,
    "binary": Reader.binary,
    "pair": lambda reader: (reader.text(), reader.text()),
}


# -- writing


def variable(value: int) -> bytes:
    """A variable byte integer."""
    if value < 0x80:
        return bytes((value,))
    if value > MAX_VARIABLE_INTEGER:
        raise ValueError(f"{value} does not fit into four bytes")
    out = bytearray()
    while True:
        value, byte = value >> 7, value & 0x7F
        if not value:
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def uint16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def binary(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def text(value: str) -> bytes:
    return binary(value.encode())


_WRITE: dict[str, Callable[[Any], bytes]] = {
    "byte": lambda value: bytes((value,)),
    "uint16": uint16,
    "uint32": lambda value: value.to_bytes(4, "big"),
    "variable": variable,
    "text": text,
    "binary": binary,
    "pair": lambda pair: text(pair[0]) + text(pair[1]),
}


def properties(values: Mapping[str, Any]) -> bytes:
    """Properties with their length before them."""
    if not values:
        return b"\0"
    out = property_list(values)
    return variable(len(out)) + out


def property_list(values: Mapping[str, Any]) -> bytes:
    """Properties, one after the other."""
    out = bytearray()
    for name, value in values.items():
        number, kind = _NUMBERS[name]
        for one in value if isinstance(value, list) else [value]:
            out.append(number)
            out += _WRITE[kind](one)
    return bytes(out)


def packet(header: int, body: bytes) -> bytes:
    """A control packet: fixed header and body (section 2.1)."""
    return bytes((header,)) + variable(len(body)) + body


# -- cutting


class Framer:
    """Cuts control packets out of what arrives."""

    def __init__(self, max_packet: int) -> None:
        self._max_packet = max_packet
        self._part = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The packets that `data` completes, as (first byte, body).

        Raises:
            ProtocolViolation: the next packet is larger than allowed, or its length is malformed.
        """
        if self._part:
            data = self._part + data
        found: list[tuple[int, bytes]] = []
        at, end = 0, len(data)
        while end - at >= 2:
            length = data[at + 1]
            start = at + 2
            if length >= 0x80:
                length, start = _length(data, at + 1)
                if start < 0:
                    break
            if length + start - at > self._max_packet:
                raise ProtocolViolation(
                    Reason.PACKET_TOO_LARGE, f"a packet of {length} bytes, more than {self._max_packet}"
                )
            stop = start + length
            if stop > end:
                break
            found.append((data[at], data[start:stop]))
            at = stop
        self._part = data[at:] if at else data
        return found


def _length(data: bytes, at: int) -> tuple[int, int]:
    """The remaining length that stands at `at`, and where the body starts; (0, -1) while it is incomplete."""
    value = shift = 0
    for i in range(at, min(at + 4, len(data))):
        byte = data[i]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, i + 1
        shift += 7
    if len(data) - at >= 4:
        raise malformed("a remaining length is longer than four bytes")
    return 0, -1

"""Socket.IO packets (protocol v5) as bytes: read strictly, written as WebSocket frames. No I/O."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from rt_service.core import encoding
from rt_service.core.errors import InvalidData
from rt_service.gateways.engineio import frames

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = range(7)
_TYPES = {b"%d" % number: number for number in range(7)}
_BINARY = (b"5", b"6")


class Malformed(Exception):
    """What a client sent is no Socket.IO packet."""


class Unusable(Malformed):
    """It is one, with JSON that cannot be sent on. Of its data, `packet` has the name of an event only."""

    def __init__(self, why: str, packet: Packet) -> None:
        super().__init__(why)
        self.packet = packet


class Packet(NamedTuple):
    """`data` is the payload as Python values; `attachments` how many binary parts are to follow."""

    type: int
    namespace: str
    id: int | None
    data: Any
    attachments: int = 0


def parse(message: bytes, most_attachments: int) -> Packet:
    """Read a packet out of an Engine.IO message, `4` included.

    Raises:
        Malformed: it is none.
        Unusable: its values cannot be sent on.
    """
    at = message.find(b"-", 2, 14) + 1 if message[1:2] in _BINARY else 2
    if message[at : at + 1] == b"/":
        at = message.find(b",", at) + 1 or len(message)
    before = message[:at]
    kind, namespace, attachments = _known_head(before) if at <= _HEAD_BYTES else _head(before)
    if attachments > most_attachments:
        raise Malformed(f"a packet has 1 to {most_attachments} attachments")
    end = at
    while end - at <= _DIGITS and message[end : end + 1].isdigit():
        end += 1
    packet_id = _number(message[at:end]) if end > at else None
    try:
        data = _payload(message[end:])
    except Malformed as error:
        raise _unusable(str(error), Packet(kind, namespace, packet_id, None), message[end:]) from None
    _check(kind, packet_id, data)
    return Packet(kind, namespace, packet_id, data, attachments)


def _head(text: bytes) -> tuple[int, str, int]:
    """Type, namespace and attachments: what stands before the id, and is the same in most packets."""
    kind, attachments, rest = _TYPES.get(text[1:2]), 0, text[2:]
    if kind is None:
        raise Malformed("there is no such packet type")
    if kind >= BINARY_EVENT:
        count, _, rest = rest.partition(b"-")
        attachments = _number(count)
        if not attachments:
            raise Malformed("a packet with attachments has at least one")
    name = rest.removesuffix(b",").partition(b"?")[0]
    return kind, name.decode() or "/", attachments


_DIGITS = 15  # of a number
_HEAD_BYTES = 200
_known_head = lru_cache(256)(_head)


def _number(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > _DIGITS:
        raise Malformed("a number is missing or too long")
    return int(digits)


def _payload(text: bytes) -> Any:
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the payload is not JSON: {error}") from None


def _unusable(why: str, packet: Packet, payload: bytes) -> Malformed:
    """Unusable rather than Malformed, where it is grammatical JSON that somebody waits for an answer to."""
    try:
        data = encoding.grammatical(payload)
        _check(packet.type, packet.id, data)
    except (InvalidData, Malformed):
        return Malformed(why)
    if packet.type not in (EVENT, ACK):
        return Malformed(why)
    return Unusable(why, packet._replace(data=data[:1] if packet.type == EVENT else []))


def _check(kind: int, packet_id: int | None, data: Any) -> None:
    """Only what the protocol allows: an event is a list that begins with its name, an acknowledgement a list."""
    if kind in (EVENT, BINARY_EVENT):
        good = type(data) is list and len(data) > 0 and type(data[0]) is str
    elif kind in (ACK, BINARY_ACK):
        good = type(data) is list and packet_id is not None
    elif kind == CONNECT:
        good = data is None or type(data) is dict
    else:
        good = kind == DISCONNECT and data is None
    if not good:
        raise Malformed("the payload does not fit the packet")


def with_attachments(packet: Packet, attachments: list[bytes]) -> Packet:
    """The packet with its binary parts in place.

    Raises:
        Malformed: the placeholders are not those of the attachments, each once.
    """
    used: set[int] = set()

    def place(value: Any) -> Any:
        if type(value) is dict:
            if value.get("_placeholder") is True:
                number = value.get("num")
                if type(number) is not int or not 0 <= number < len(attachments) or number in used:
                    raise Malformed("a placeholder stands for no attachment, or for one that stands elsewhere too")
                used.add(number)
                return attachments[number]
            return {name: place(one) for name, one in value.items()}
        return [place(one) for one in value] if type(value) is list else value

    try:
        data = place(packet.data)
    except RecursionError:
        raise Malformed("the payload is nested too deep") from None
    return packet._replace(type=packet.type - 3, data=data, attachments=0)


# -- writing


@lru_cache(256)
def head(kind: int, namespace: str, attachments: int = 0) -> bytes:
    """Everything before the id."""
    counted = b"%d-" % attachments if attachments else b""
    return b"4%d%s%s" % (kind, counted, b"" if namespace == "/" else namespace.encode() + b",")


def frame(
    kind: int, namespace: str, data: Any, packet_id: int | None = None, most_attachments: int | None = None
) -> bytes:
    """A packet as WebSocket frames, one and one more for each binary part; past `most_attachments` these are base64.

    Raises:
        TypeError: JSON has no form for something in `data`.
    """
    parts: list[bytes] = []

    def apart(value: Any) -> Any:
        if len(parts) == most_attachments:
            return encoding.in_base64(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            parts.append(bytes(value))
            return {"_placeholder": True, "num": len(parts) - 1}
        raise TypeError(f"JSON has no form for {type(value).__name__}")

    payload = b"" if data is None else orjson.dumps(data, default=apart, option=orjson.OPT_NON_STR_KEYS)
    if packet_id is not None:
        payload = b"%d%s" % (packet_id, payload)
    if not parts:
        return frames.text(head(kind, namespace) + payload)
    text = frames.text(head(kind + 3, namespace, len(parts)) + payload)
    return text + b"".join(frames.frame(frames.BINARY, part) for part in parts)

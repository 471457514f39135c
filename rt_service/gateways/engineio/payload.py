"""Packets on long polling (Engine.IO v4): text, separated by a control character, binary as base64."""

from __future__ import annotations

import base64
import binascii

from rt_service.gateways.engineio import frames
from rt_service.gateways.engineio.frames import Message

SEPARATOR = b"\x1e"
PACKETS_PER_POLL = 16  # python-engineio's client refuses a poll that brings more
PACKETS_PER_POST = 10_000


class PayloadError(ValueError):
    """A POST that is no payload."""


def encode(data: bytes | memoryview) -> tuple[bytes, int]:
    """At most `PACKETS_PER_POLL` packets of `data`, which holds WebSocket frames, and how many of its bytes that is."""
    packets: list[bytes] = []
    taken = 0
    for opcode, payload, end in frames.unframe(data):
        if len(packets) >= PACKETS_PER_POLL:
            break
        taken = end
        if opcode == frames.TEXT:
            packets.append(payload)
        elif opcode == frames.BINARY:
            packets.append(b"b" + base64.b64encode(payload))
    return SEPARATOR.join(packets), taken


def decode(body: bytes) -> list[Message]:
    """The messages of a POST.

    Raises:
        PayloadError: it is not UTF-8, a binary packet is not base64, or there are more than `PACKETS_PER_POST`.
    """
    if body.count(SEPARATOR) >= PACKETS_PER_POST:
        raise PayloadError(f"more than {PACKETS_PER_POST} packets in one POST")
    messages: list[Message] = []
    for packet in body.split(SEPARATOR):
        if packet[:1] == b"b":
            try:
                messages.append((frames.BINARY, base64.b64decode(packet[1:], validate=True)))
            except binascii.Error:
                raise PayloadError("a binary packet is not base64") from None
        else:
            if not packet.isascii():
                try:
                    packet.decode()
                except UnicodeDecodeError:
                    raise PayloadError("a packet is not UTF-8") from None
            messages.append(packet)
    return messages

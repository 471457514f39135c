"""Packets against tests/vectors/mqtt_packets.json, and every way to cut a stream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rt_service.mqtt import codec, packets, wire

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "mqtt_packets.json").read_text())


def plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def only(data: bytes, max_packet: int = 1 << 20) -> tuple[int, bytes]:
    (packet,) = wire.Framer(max_packet).feed(data)
    return packet


@pytest.mark.parametrize("vector", VECTORS["packets"], ids=lambda v: v["name"])
def test_a_packet_is_read_and_written_as_the_vector_says(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    packet = codec.decode(*only(data), vector["version"])
    assert type(packet).__name__ == vector["type"] and plain(packet) == vector["fields"]
    assert codec.encode(packet, vector["version"]) == data


@pytest.mark.parametrize("vector", VECTORS["malformed"], ids=lambda v: v["name"])
def test_a_malformed_packet_is_refused_with_its_reason(vector: dict[str, Any]) -> None:
    with pytest.raises(wire.ProtocolViolation) as caught:
        codec.decode(*only(bytes.fromhex(vector["hex"])), vector["version"])
    assert caught.value.reason == vector["reason"]


@pytest.mark.parametrize("vector", VECTORS["packets"], ids=lambda v: v["name"])
def test_every_packet_cut_short_is_refused_and_never_an_accident(vector: dict[str, Any]) -> None:
    header, body = only(bytes.fromhex(vector["hex"]))
    for end in range(len(body)):
        try:
            codec.decode(header, body[:end], vector["version"])
        except wire.ProtocolViolation:
            pass  # some are whole packets again when cut, such as a shorter payload


def test_a_stream_is_cut_the_same_however_it_arrives() -> None:
    stream = b"".join(bytes.fromhex(v["hex"]) for v in VECTORS["packets"]) + codec.encode(
        packets.Publish("t", b"x" * 300), 4
    )
    whole = wire.Framer(1 << 20).feed(stream)
    for step in (1, 2, 3, 7, 100):
        framer = wire.Framer(1 << 20)
        found = [packet for at in range(0, len(stream), step) for packet in framer.feed(stream[at : at + step])]
        assert found == whole


@pytest.mark.parametrize(
    ("size", "encoded"), [(0, "00"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (268435455, "ffffff7f")]
)
def test_a_variable_byte_integer_has_the_shortest_form(size: int, encoded: str) -> None:
    assert wire.variable(size).hex() == encoded
    assert wire.Reader(bytes.fromhex(encoded)).variable() == size


def test_a_packet_larger_than_allowed_is_refused_before_it_has_arrived() -> None:
    with pytest.raises(wire.ProtocolViolation) as caught:
        wire.Framer(100).feed(b"\x30\xff\x7f")
    assert caught.value.reason == wire.Reason.PACKET_TOO_LARGE


def test_a_length_of_five_bytes_is_refused() -> None:
    with pytest.raises(wire.ProtocolViolation):
        wire.Framer(1 << 28).feed(b"\x30\xff\xff\xff\xff\x01")

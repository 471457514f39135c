"""The vectors of tests/vectors that C# and JavaScript run too: JSON as the service reads it, Socket.IO packets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from rt_service.core import encoding
from rt_service.core.errors import InvalidData
from rt_service.gateways.engineio import frames, packets

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
JSON = json.loads((VECTORS / "json.json").read_text())
PACKETS = json.loads((VECTORS / "socketio_packets.json").read_text())
MOST_ATTACHMENTS = 10


def each(vectors: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("vector", vectors, ids=[vector["name"] for vector in vectors])


def value_of(spelt: list[Any]) -> Any:
    """What a vector's `is` spells out."""
    kind, *rest = spelt
    if kind in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[kind]
    if kind == "number":
        return int(rest[0]) if rest[0].lstrip("-").isdigit() else float(rest[0])
    if kind == "string":
        return bytes.fromhex(rest[0]).decode()
    if kind == "array":
        return [value_of(one) for one in rest[0]]
    return {name: value_of(one) for name, one in rest[0]}


def text_of(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex(vector["hex"]) if "hex" in vector else vector["text"].encode()


def with_bytes(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"hex"}:
            return bytes.fromhex(value["hex"])
        return {name: with_bytes(one) for name, one in value.items()}
    return [with_bytes(one) for one in value] if isinstance(value, list) else value


def packet_of(vector: dict[str, Any]) -> packets.Packet:
    packet = packets.parse(b"4" + vector["text"].encode(), MOST_ATTACHMENTS)
    parts = [bytes.fromhex(part) for part in vector["attachments"]]
    assert packet.attachments == len(parts)
    return packets.with_attachments(packet, parts) if parts else packet


@each(JSON["values"])
def test_json_is_read(vector: dict[str, Any]) -> None:
    assert orjson.loads(text_of(vector)) == value_of(vector["is"])
    assert type(orjson.loads(text_of(vector))) in (type(value_of(vector["is"])), float)


@each(JSON["written"])
def test_json_is_written(vector: dict[str, Any]) -> None:
    assert encoding.dumps(value_of(vector["is"])).decode() == vector["text"]


@each(JSON["malformed"] + JSON["refused_where_it_can_be"])
def test_what_is_no_json_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(InvalidData):
        encoding.loads(text_of(vector))


@each(PACKETS["packets"])
def test_a_packet_is_read(vector: dict[str, Any]) -> None:
    packet = packet_of(vector)
    assert (packet.type, packet.namespace, packet.id) == (vector["type"], vector["namespace"], vector["id"])
    assert packet.data == with_bytes(vector["data"])


@each(PACKETS["packets"])
def test_a_packet_is_written(vector: dict[str, Any]) -> None:
    written = packets.frame(vector["type"], vector["namespace"], with_bytes(vector["data"]), vector["id"])
    parts = [frames.frame(frames.BINARY, bytes.fromhex(part)) for part in vector["attachments"]]
    assert written == frames.text(b"4" + vector["text"].encode()) + b"".join(parts)


@each(PACKETS["malformed"])
def test_what_is_no_packet_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(packets.Malformed):
        packets.parse(b"4" + vector["text"].encode(), MOST_ATTACHMENTS)


@each(PACKETS["malformed_with_parts"] + PACKETS["refused_where_it_can_be"])
def test_a_packet_whose_parts_do_not_fit_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(packets.Malformed):
        packet_of(vector)

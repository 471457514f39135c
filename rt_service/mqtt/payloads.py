"""Payload codecs: bytes from a device to data, and data to bytes for a device."""

from __future__ import annotations

import io
from typing import Any, Protocol

import cbor2
import msgspec

from rt_service.core import encoding
from rt_service.core.errors import InvalidData


class PayloadCodec(Protocol):
    def decode(self, payload: bytes) -> Any:
        """Raises InvalidData."""

    def encode(self, data: Any) -> bytes:
        """Raises InvalidData."""


class Json:
    """RFC 8259. Binary inside data becomes `{"$base64": "…"}`."""

    def decode(self, payload: bytes) -> Any:
        return encoding.loads(payload)

    def encode(self, data: Any) -> bytes:
        return encoding.dumps(data)


class Text:
    """UTF-8 text as it is; other values as JSON."""

    def decode(self, payload: bytes) -> str:
        try:
            return payload.decode()
        except UnicodeDecodeError as error:
            raise InvalidData(f"not UTF-8: {error.reason} at byte {error.start}") from None

    def encode(self, data: Any) -> bytes:
        return data.encode() if isinstance(data, str) else encoding.dumps(data)


class Raw:
    """Bytes as they are; other values as text."""

    def decode(self, payload: bytes) -> bytes:
        return payload

    def encode(self, data: Any) -> bytes:
        return data if isinstance(data, bytes) else Text().encode(data)


class MsgPack:
    """The msgpack specification. Values that JSON has no form for are refused, since the room speaks JSON too."""

    def decode(self, payload: bytes) -> Any:
        try:
            return _jsonable(msgspec.msgpack.decode(payload))
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidData(f"not msgpack: {error}") from None

    def encode(self, data: Any) -> bytes:
        return msgspec.msgpack.encode(data)


class Cbor:
    """RFC 8949. Values that JSON has no form for are refused, since the room speaks JSON too."""

    def decode(self, payload: bytes) -> Any:
        try:
            stream = io.BytesIO(payload)
            value = cbor2.load(stream)
            if stream.tell() < len(payload):
                raise ValueError(f"{len(payload) - stream.tell()} bytes too many")
            return _jsonable(value)
        except (cbor2.CBORDecodeError, ValueError, TypeError, RecursionError, OverflowError) as error:
            raise InvalidData(f"not CBOR: {error}") from None

    def encode(self, data: Any) -> bytes:
        return cbor2.dumps(data)


def _jsonable(value: Any) -> Any:
    """`value` as a JSON client would see it: times as text, NaN as null. Raises InvalidData where JSON has no form."""
    encoded = encoding.encode(value)
    return value if encoded.binary else encoding.loads(encoded.json)


CODECS: dict[str, PayloadCodec] = {
    "json": Json(),
    "text": Text(),
    "raw": Raw(),
    "msgpack": MsgPack(),
    "cbor": Cbor(),
}

"""Values to JSON, strictly: what one client sends must never be something that another one cannot parse."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import orjson

from rt_service.core.errors import InvalidData


class Encoded(NamedTuple):
    """`json` is the value as JSON; `binary` says whether some of it is `{"$base64": "…"}` in place of bytes."""

    json: bytes
    binary: bool

    @property
    def fragment(self) -> orjson.Fragment:
        """The same, to be put into a larger JSON document without being encoded again."""
        return orjson.Fragment(self.json)


def encode(value: Any) -> Encoded:
    """Encode `value` as JSON.

    Raises:
        InvalidData: it holds something that JSON has no form for, or is nested too deep.
    """
    try:
        return Encoded(orjson.dumps(value), False)
    except orjson.JSONEncodeError:
        pass  # nearly always it is binary
    binary = False

    def other(part: Any) -> Any:
        nonlocal binary
        if isinstance(part, (bytes, bytearray, memoryview)):
            binary = True
            return {"$base64": base64.b64encode(part).decode()}
        raise TypeError(f"JSON has no form for {type(part).__name__}")

    try:
        return Encoded(orjson.dumps(value, default=other), binary)
    except orjson.JSONEncodeError as error:
        raise InvalidData(f"data cannot be sent as JSON: {error}") from None


def dumps(value: Any) -> bytes:
    """`value` as JSON bytes. Raises InvalidData like `encode`."""
    return encode(value).json


def loads(text: bytes | str) -> Any:
    """The value that `text` stands for; NaN, Infinity and numbers too large for a double are refused.

    Raises:
        InvalidData: it is not JSON (RFC 8259).
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidData(f"not JSON: {error}") from None

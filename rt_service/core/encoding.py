"""Values to JSON, strictly: what one client sends must never be something that another one cannot parse."""

from __future__ import annotations

import base64
import json
from typing import Any, NamedTuple, NoReturn

import orjson

from rt_service.core.errors import InvalidData

MAX_DEPTH = 200
_ENCODERS_DEPTH = 254  # orjson's, of which 54 are left for what data stands in
_READ_AGAIN_BYTES = 128 * 1024  # twice what a message may be


class Encoded(NamedTuple):
    """`json` is the value as JSON; `binary` says whether some of it is `{"$base64": "…"}` in place of bytes."""

    json: bytes
    binary: bool


def encode(value: Any) -> Encoded:
    """Encode `value` as JSON.

    Raises:
        InvalidData: it holds something that JSON has no form for, or is nested too deep.
    """
    try:
        text = orjson.dumps(value)
        if text.count(b"[") + text.count(b"{") > MAX_DEPTH:
            _check_depth(value)
        return Encoded(text, False)
    except orjson.JSONEncodeError:
        pass  # nearly always it is binary
    binary = False

    def other(part: Any) -> Any:
        nonlocal binary
        binary = True
        return in_base64(part)

    try:
        text = orjson.dumps(value, default=other)
        _check_depth(value)
        return Encoded(text, binary)
    except orjson.JSONEncodeError as error:
        why = str(error)
        if why.startswith("Type is not"):  # it names a class
            why = "there is something in it that JSON has no form for"
        raise InvalidData(f"data cannot be sent as JSON: {why}") from None


def in_base64(value: Any) -> Any:
    """What stands for binary in JSON; the `default` of an encoder. Raises TypeError for anything else."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$base64": base64.b64encode(value).decode()}
    raise TypeError(f"JSON has no form for {type(value).__name__}")


def _check_depth(value: Any) -> None:
    """Raises InvalidData when `value` would be too deep for the encoder once it stands inside an answer."""
    for _ in range(_ENCODERS_DEPTH - MAX_DEPTH):
        value = [value]
    try:
        orjson.dumps(value, default=lambda part: None)
    except orjson.JSONEncodeError:
        raise InvalidData(f"data is nested deeper than {MAX_DEPTH}") from None


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


def grammatical(text: bytes) -> Any:
    """The value of `text`, also where `loads` refuses it: half of a surrogate pair, a number too large.

    It is not to be sent on; it says whom the refusal is for.

    Raises:
        InvalidData: it is not JSON (RFC 8259), or so long that it is not read twice.
    """
    if len(text) > _READ_AGAIN_BYTES:
        raise InvalidData("not JSON")
    try:
        return json.loads(text.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise InvalidData("not JSON") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN, Infinity

from __future__ import annotations

from typing import Any

import cbor2
import msgspec
import pytest

from rt_service.core.errors import InvalidData
from rt_service.mqtt.payloads import CODECS

VALUES: list[Any] = [None, True, 0, -1.5, "ä", [1, {"a": []}], {"c": 21.5, "on": False}]


@pytest.mark.parametrize("name", ["json", "msgpack", "cbor"])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_survive_the_way_out_and_in(name: str, value: Any) -> None:
    assert CODECS[name].decode(CODECS[name].encode(value)) == value


def test_text_and_raw_are_taken_as_they_are() -> None:
    assert CODECS["text"].decode("online ä".encode()) == "online ä"
    assert CODECS["raw"].decode(b"\x00\xff") == b"\x00\xff"
    assert CODECS["raw"].encode(b"\x00\xff") == b"\x00\xff"
    assert CODECS["text"].encode("a") == b"a" and CODECS["text"].encode({"a": 1}) == b'{"a":1}'


def test_binary_inside_msgpack_stays_binary() -> None:
    assert CODECS["msgpack"].decode(msgspec.msgpack.encode({"b": b"\x01"})) == {"b": b"\x01"}


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("json", b""), ("json", b"{bad"), ("json", b"NaN"), ("json", b"\xff\xfe"), ("json", b"[" * 5000),
        ("text", b"\xff"), ("msgpack", b"\xc1"), ("msgpack", b""), ("msgpack", b"\x91" * 5000),
        ("msgpack", b"\xa1\x80\x01"), ("msgpack", b"\x81\x81\x01\x01"),
        ("cbor", b"\xff"), ("cbor", b""), ("cbor", b"\x81" * 5000),
        ("cbor", b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff"), ("cbor", cbor2.dumps({1: 2})), ("cbor", b"\xa1\x80\x01"),
        ("cbor", b"\x01\xff\xff"), ("msgpack", b"\x01\xff\xff"),
    ],
)  # fmt: skip
def test_what_does_not_decode_is_invalid_data_and_nothing_worse(name: str, payload: bytes) -> None:
    with pytest.raises(InvalidData):
        CODECS[name].decode(payload)


def test_what_json_clients_could_not_parse_is_made_plain() -> None:
    assert CODECS["cbor"].decode(cbor2.dumps(float("nan"))) is None


@pytest.mark.parametrize("value", [cbor2.undefined, {1, 2}, cbor2.CBORTag(40000, 1)])
def test_what_json_has_no_form_for_is_said_without_the_names_of_classes(value: Any) -> None:
    with pytest.raises(InvalidData, match=r"there is something in it that JSON has no form for$"):
        CODECS["cbor"].decode(cbor2.dumps(value))

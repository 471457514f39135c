from __future__ import annotations

import pytest

from rt_service.core import encoding
from rt_service.core.errors import InvalidData
from rt_service.core.model import Identity, Publication


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "[1,]", "{'a':1}", '"\\ud800"', "[" * 2000, "", b"\xff"])
def test_what_is_no_strict_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidData):
        encoding.loads(text)


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [{1: 2}, {"a": {1}}, nested(300), "\ud800", 2**70])
def test_what_json_has_no_form_for_is_refused(value: object) -> None:
    with pytest.raises(InvalidData):
        encoding.encode(value)


def test_binary_is_noticed_and_written_as_base64() -> None:
    encoded = encoding.encode({"a": [b"\x00\xff"]})
    assert encoded.binary and encoded.json == b'{"a":[{"$base64":"AP8="}]}'
    assert not encoding.encode({"a": 1}).binary


def test_a_publication_is_encoded_once_with_exactly_the_fields_of_the_contract() -> None:
    publication = Publication("/chat", "lobby", "say", {"x": 1}, Identity("user", "a"), "i", 5, offset=7)
    assert encoding.loads(publication.json) == {
        "room": "lobby", "event": "say", "data": {"x": 1}, "from": {"kind": "user", "id": "a"}, "id": "i", "offset": 7,
        "at": 5,
    }  # fmt: skip
    assert publication.json is publication.json

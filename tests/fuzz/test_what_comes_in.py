"""Made-up input into everything that reads what strangers send: only what is declared may come out of it.

A bounded, repeatable run here; `make fuzz` looks for longer, each time somewhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rt_service import settings
from rt_service.auth.tokens import Expected, Key, Tokens
from rt_service.core import encoding, names
from rt_service.core.errors import RtError
from rt_service.gateways.engineio import frames, packets, payload
from rt_service.gateways.positions import position
from rt_service.mqtt import codec, routes, wire
from rt_service.mqtt.packets import V5
from rt_service.mqtt.patterns import Pattern
from rt_service.mqtt.payloads import CODECS
from tests.support import tokens
from tests.support.core import Core
from tests.support.raw_ws import masked

ROUTES = routes.load(settings.config_dir() / "routes.toml")
KNOWN = Tokens(lambda: [Key("k", "HS256", tokens.SECRET.encode())], Expected(), [], lambda *_: False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)
FIELDS = [
    "room",
    "event",
    "data",
    "since",
    "epoch",
    "offset",
    "id",
    "class",
    "key",
    "to",
    "method",
    "limit",
    "token",
    "x",
]
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
PARSED = st.recursive(  # what a JSON parser may hand over
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=15,
)


def only(error: type[Exception] | tuple[type[Exception], ...], function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function answers; None where it refuses with a declared error."""
    try:
        return function(*arguments)
    except error:
        return None


@given(st.binary(max_size=300), st.integers(1, 50))
def test_whatever_bytes_come_a_websocket_reader_reads_or_refuses_them_however_they_are_cut(
    data: bytes, cut: int
) -> None:
    reader = frames.Reader(1000)
    for at in range(0, len(data), cut):
        if only(frames.FrameError, reader.feed, data[at : at + cut]) is None:
            return


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(1, 30))
def test_messages_come_out_of_frames_as_they_went_in_however_they_are_cut(messages: list[bytes], cut: int) -> None:
    data = b"".join(masked(frames.BINARY, message) for message in messages)
    reader = frames.Reader(1000)
    found = [message for at in range(0, len(data), cut) for message in reader.feed(data[at : at + cut])]
    assert found == [(frames.BINARY, message) for message in messages]


@given(st.binary(max_size=300))
def test_a_poll_is_packets_or_refused(body: bytes) -> None:
    only(payload.PayloadError, payload.decode, body)


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: ("4" + text).encode(errors="ignore")))
def test_a_socketio_packet_is_one_or_refused(message: bytes) -> None:
    only(packets.Malformed, packets.parse, message, 10)


@given(st.sampled_from([b"52-/chat,", b"51-", b"61-/a,3"]), PARSED, st.lists(st.binary(max_size=10), max_size=3))
def test_attachments_are_put_in_their_places_or_refused(head: bytes, data: Any, attachments: list[bytes]) -> None:
    packet = only(packets.Malformed, packets.parse, b"4" + head[:] + encoding.dumps([data]), 10)
    if packet is not None:
        only(packets.Malformed, packets.with_attachments, packet, attachments)


@given(st.binary(max_size=300), st.integers(1, 40), st.sampled_from([4, V5]))
def test_whatever_bytes_come_the_broker_reads_or_refuses_them(data: bytes, cut: int, version: int) -> None:
    framer = wire.Framer(1000)
    for at in range(0, len(data), cut):
        found = only(wire.ProtocolViolation, framer.feed, data[at : at + cut])
        if found is None:
            return
        for header, body in found:
            only(wire.ProtocolViolation, codec.decode, header, body, version)


@given(st.integers(0, 255), st.binary(max_size=200), st.sampled_from([4, V5]))
def test_a_packet_of_the_broker_that_can_be_read_can_be_written_and_read_again(
    header: int, body: bytes, version: int
) -> None:
    packet = only(wire.ProtocolViolation, codec.decode, header, body, version)
    if packet is None:
        return
    version = getattr(packet, "version", version)
    written = only((ValueError, KeyError, TypeError), codec.encode, packet, version)
    if written is not None:
        ((again_header, again_body),) = wire.Framer(1 << 20).feed(written)
        assert codec.decode(again_header, again_body, version) == packet


@pytest.mark.parametrize("name", CODECS)
@given(data=st.binary(max_size=200))
def test_a_payload_is_a_value_that_json_can_say_or_refused(name: str, data: bytes) -> None:
    value = only(RtError, CODECS[name].decode, data)
    if value is not None:
        only(RtError, encoding.encode, value)


@given(JSON)
def test_any_value_is_encoded_or_refused_and_what_is_encoded_can_be_read(value: Any) -> None:
    encoded = only(RtError, encoding.encode, value)
    if encoded is not None:
        encoding.loads(encoded.json)


@given(st.text(max_size=60) | st.text("/+#$abcdevicsrtn{}", max_size=60))
def test_any_topic_has_a_route_or_none(topic: str) -> None:
    incoming = ROUTES.incoming(topic)
    if incoming is not None:
        only(RtError, routes.check_names, incoming, ["/chat", "/game", "/iot"])
    ROUTES.room_of(topic)


@given(
    st.dictionaries(
        st.sampled_from(["ns", "room", "event"]), st.from_regex(r"[a-z.:@-]{1,9}", fullmatch=True), min_size=3
    )
)
def test_a_pattern_reads_what_it_wrote(values: dict[str, str]) -> None:
    pattern = Pattern("rt/out/{ns}/{room}/{event}")
    assert pattern.read(pattern.write(values)) == values


@given(st.text(max_size=150))
def test_names_and_positions_are_refused_or_harmless(text: str) -> None:
    room = only(RtError, names.room_name, text)
    assert room is None or not set(room) & set("/+#\0\r\n \"'<>\\")
    only(RtError, names.event_name, text)
    only(RtError, names.address, text)
    found = only(RtError, position, text, "since")
    assert found is None or found.offset >= 0


@given(st.text(max_size=200) | st.binary(max_size=100) | st.none() | st.integers())
def test_what_is_no_token_lets_nobody_in(token: Any) -> None:
    with pytest.raises(RtError):
        KNOWN.identify({"token": token})


@given(
    st.dictionaries(
        st.sampled_from(["sub", "exp", "kind", "role", "info", "grants", "jti", "iat", "nbf", "aud"]), PARSED
    )
)
def test_whatever_a_signed_token_claims_it_lets_in_or_is_refused(claims: dict[str, Any]) -> None:
    token = tokens.make(**({"sub": "alice"} | claims)) if isinstance(claims.get("sub", ""), str) else tokens.make()
    only(RtError, KNOWN.identify, {"token": token})


CORE = Core()
CLIENT = CORE.client("fuzzer")


@given(st.sampled_from([*CORE.api._verbs, "fly", ""]), PARSED)
def test_whatever_is_asked_is_answered_in_the_contracts_shape(verb: str, request: Any) -> None:
    answer = CLIENT.ask(verb, request)
    if not answer["ok"]:
        assert answer["error"]["code"] != "internal" and isinstance(answer["error"]["message"], str)

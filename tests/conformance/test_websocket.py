"""RFC 6455 on the wire, through an echo over Engine.IO: sections are named beside the tests."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.raw_ws import BINARY, CLOSE, PING, PONG, TEXT, RawWebSocket, masked

WS = "/engine.io/?EIO=4&transport=websocket"
CONTINUATION = 0


@pytest.fixture
def ws(app: str) -> Iterator[Callable[..., RawWebSocket]]:
    opened: list[RawWebSocket] = []

    def connect(**options: Any) -> RawWebSocket:
        opened.append(RawWebSocket(app, WS, **options))
        opened[-1].text()
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.mark.parametrize("size", [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 900_000])
def test_messages_of_all_sizes_come_back(ws: Any, size: int) -> None:  # 5.2
    client = ws()
    client.send(b"".join((masked(TEXT, b"4" + b"x" * size), masked(BINARY, b"\x00" * size))))
    assert client.text() == "4" + "x" * size
    assert client.frame() == (BINARY, b"\x00" * size)


def test_a_message_may_come_byte_by_byte(ws: Any) -> None:
    client = ws()
    for byte in masked(TEXT, b"4hello"):
        client.send(bytes((byte,)))
    assert client.text() == "4hello"


def test_many_messages_in_one_segment_all_come_back(ws: Any) -> None:
    client = ws()
    client.send(b"".join(masked(TEXT, b"4%d" % n) for n in range(1000)))
    assert [client.text() for _ in range(1000)] == [f"4{n}" for n in range(1000)]


def test_a_message_in_fragments_is_one_message(ws: Any) -> None:  # 5.4
    client = ws()
    client.send(
        masked(TEXT, b"4he", fin=False), masked(CONTINUATION, b"", fin=False), masked(CONTINUATION, b"llo"),
        masked(BINARY, b"\x01", fin=False), masked(CONTINUATION, b"\x02"),
    )  # fmt: skip
    assert client.text() == "4hello"
    assert client.frame() == (BINARY, b"\x01\x02")


def test_control_frames_may_stand_between_fragments(ws: Any) -> None:  # 5.4, 5.5
    client = ws()
    client.send(
        masked(TEXT, b"4he", fin=False), masked(PING, b"are you there"), masked(PONG, b""), masked(CONTINUATION, b"llo")
    )
    assert client.frame() == (PONG, b"are you there")
    assert client.text() == "4hello"


def test_a_character_may_be_cut_between_fragments(ws: Any) -> None:  # 8.1
    client = ws()
    euro = "€".encode()
    client.send(masked(TEXT, b"4" + euro[:1], fin=False), masked(CONTINUATION, euro[1:]))
    assert client.text() == "4€"


@pytest.mark.parametrize(
    "frames",
    [
        [masked(TEXT, b"4hello", mask=False)],  # 5.1: a client masks
        [masked(TEXT, b"4hello", rsv=0x40)],  # 5.2: no extension was negotiated
        [masked(TEXT, b"4hello", rsv=0x10)],
        [masked(3, b"")],  # 5.2: reserved opcodes
        [masked(11, b"")],
        [masked(CONTINUATION, b"4hello")],  # 5.4
        [masked(TEXT, b"4he", fin=False), masked(TEXT, b"llo")],
        [masked(PING, b"x", fin=False)],  # 5.5
        [masked(PING, b"x" * 126)],
        [masked(CLOSE, b"\x03")],  # 5.5.1
        [masked(CLOSE, (1005).to_bytes(2, "big"))],  # 7.4.1
        [masked(CLOSE, (999).to_bytes(2, "big"))],
        [masked(CLOSE, (2999).to_bytes(2, "big"))],
    ],
)
def test_a_broken_frame_fails_the_connection_with_1002(ws: Any, frames: list[bytes]) -> None:
    client = ws()
    client.send(*frames)
    assert client.ended() == 1002


@pytest.mark.parametrize("text", [b"4\xff", b"4\xc3", b"4\xed\xa0\x80", b"4\xf4\x90\x80\x80", b"4\xc0\xaf"])
def test_text_that_is_not_utf8_fails_the_connection_with_1007(ws: Any, text: bytes) -> None:  # 8.1
    client = ws()
    client.send(masked(TEXT, text))
    assert client.ended() == 1007
    fragmented = ws()
    fragmented.send(masked(TEXT, text[:1], fin=False), masked(CONTINUATION, text[1:]))
    assert fragmented.ended() == 1007


def test_a_close_reason_that_is_not_utf8_fails_the_connection(ws: Any) -> None:
    client = ws()
    client.send(masked(CLOSE, (1000).to_bytes(2, "big") + b"\xff"))
    assert client.ended() == 1007


@pytest.mark.parametrize(
    "frames",
    [
        [masked(TEXT, b"4" + b"x" * 1_000_001)],
        [masked(TEXT, b"4" + b"x" * 600_000, fin=False), masked(CONTINUATION, b"x" * 600_000)],
        [b"\x81\xff" + (1 << 62).to_bytes(8, "big") + b"\0\0\0\0"],  # only announced
    ],
)
def test_a_message_larger_than_allowed_fails_the_connection_with_1009(ws: Any, frames: list[bytes]) -> None:
    client = ws()
    try:
        client.send(*frames)
    except OSError:
        pass  # it was closed before all was sent
    assert client.ended() == 1009


def test_fragments_without_end_fail_the_connection(ws: Any) -> None:
    client = ws()
    try:
        client.send(masked(TEXT, b"4", fin=False), *[masked(CONTINUATION, b"", fin=False)] * 20_000)
    except OSError:
        pass  # it was closed before all was sent
    assert client.ended() in (1009, None)


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999, None])
def test_a_clients_close_is_answered_with_its_code(ws: Any, code: int | None) -> None:  # 5.5.1
    client = ws()
    client.send(masked(CLOSE, b"" if code is None else code.to_bytes(2, "big") + b"bye"))
    frame = client.frame()
    assert frame == (CLOSE, b"" if code is None else code.to_bytes(2, "big"))
    assert client.frame() is None


def test_what_comes_before_a_close_is_still_handled(ws: Any) -> None:
    client = ws()
    client.send(b"".join((masked(TEXT, b"4last words"), masked(CLOSE, b""))))
    assert client.text() == "4last words"
    assert client.frame() == (CLOSE, b"")


def test_a_ping_is_answered_with_its_payload(ws: Any) -> None:  # 5.5.2
    client = ws()
    client.send(masked(PING, b""), masked(PING, b"\x00\xff" * 62))
    assert client.frame() == (PONG, b"")
    assert client.frame() == (PONG, b"\x00\xff" * 62)


def test_compression_is_off_unless_the_server_is_told_otherwise(ws: Any) -> None:
    client = ws(headers={"Sec-WebSocket-Extensions": "permessage-deflate"})
    assert b"permessage-deflate" not in client.head


def inflate(payload: bytes) -> bytes:
    return zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")


def test_compressed_and_plain_clients_share_a_room(tmp_path: Any) -> None:  # RFC 7692
    from tests.support.service import Service

    path = "/socket.io/?EIO=4&transport=websocket"
    with Service("--set", "socketio.per_message_deflate=true") as service:
        plain = RawWebSocket(service.http, path)
        packed = RawWebSocket(
            service.http, path, {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
        )
        assert b"permessage-deflate" in packed.head and b"permessage-deflate" not in plain.head
        compressor = zlib.compressobj(wbits=-15)

        def say(text: str) -> None:
            data = compressor.compress(text.encode()) + compressor.flush(zlib.Z_SYNC_FLUSH)
            packed.send(masked(TEXT, data[:-4], rsv=0x40))

        def hear() -> str:
            frame = packed.frame()
            assert frame is not None and frame[0] == TEXT
            return inflate(frame[1]).decode()

        plain.text(), packed.text()  # the first one need not be compressed
        plain.send("40/chat,"), say("40/chat,")
        plain.text(), hear()
        plain.send('42/chat,1["join",{"room":"r"}]')
        plain.text()
        say('42/chat,1["join",{"room":"r"}]')
        assert hear().startswith('43/chat,1[{"ok":true')
        plain.text()  # presence
        say('42/chat,2["publish",{"room":"r","event":"say","data":"%s"}]' % ("long " * 2000))
        frame = packed.frame()
        assert frame is not None and len(frame[1]) < 1000 and "long long" in inflate(frame[1]).decode()
        assert "long long" in plain.text()
        plain.close()
        packed.close()


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", zlib.compress(b"x" * 10_000_000)[2:-4]])
def test_a_compressed_message_that_is_none_or_a_bomb_fails_the_connection(data: bytes) -> None:
    from tests.support.service import Service

    with Service("--set", "socketio.per_message_deflate=true") as service:
        extension = {"Sec-WebSocket-Extensions": "permessage-deflate"}
        client = RawWebSocket(service.http, "/socket.io/?EIO=4&transport=websocket", extension)
        client.frame()
        client.send(masked(TEXT, data, rsv=0x40))
        assert client.ended() in (1002, 1009)
        client.close()

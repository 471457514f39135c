"""Compressed messages (permessage-deflate, where it is turned on) that are small on the wire and large behind it."""

from __future__ import annotations

import zlib

from tests.hostile import ways
from tests.hostile.siege import MIB, Siege
from tests.support.raw_ws import BINARY, TEXT, RawWebSocket, masked
from tests.support.service import Service

SETTINGS = ("socketio.per_message_deflate=true",)
VIOLATION = 'rt_sessions_closed_total{reason="violation"}'
OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate"}
RSV1 = 0x40


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def bomb(data: bytes, opcode: int = TEXT) -> bytes:
    return masked(opcode, deflated(data), rsv=RSV1)


def connected(service: Service) -> RawWebSocket:
    ws = RawWebSocket(service.http, ways.SOCKETIO, OFFER)
    assert b"permessage-deflate" in ws.head
    assert ws.text().startswith("0{")
    return ws


def test_a_message_that_is_a_thousand_times_as_large_as_it_looks(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service:
        for size in (MIB + 1, 64 * MIB):
            with connected(service) as ws:
                ws.send(bomb(b"4" + b"0" * size))
                assert ws.ended() == 1009


def test_a_message_in_compressed_fragments_that_are_too_large_together(siege: Siege) -> None:
    packed = deflated(b"0" * 64 * MIB)
    with siege.attack(VIOLATION) as service, connected(service) as ws:
        ws.send(masked(TEXT, packed[:100], fin=False, rsv=RSV1))
        try:
            for at in range(100, len(packed), 1000):
                ws.send(masked(0, packed[at : at + 1000], fin=at + 1000 >= len(packed)))
        except OSError:
            pass  # closed, with more on the way
        assert ws.ended() == 1009


def test_clients_whose_messages_are_each_as_large_as_may_be(siege: Siege) -> None:
    one = bomb(b'42/chat,["ping",{"a":"' + b"x" * (MIB - 100) + b'"}]')
    assert len(one) < 2000
    with siege.attack() as service:
        clients = [connected(service) for _ in range(5)]
        for ws in clients:
            ws.send("40/chat,")
            ws.send(one * 100)
        for ws in clients:
            ws.send(ways.event("ping", ack=77))
            while "77[" not in inflated(ws):
                pass
            ws.close()


def inflated(ws: RawWebSocket) -> str:
    """The next message."""
    first = ws._take(1)[0]
    size = ws._take(1)[0]
    size = int.from_bytes(ws._take(2), "big") if size == 126 else size
    payload = ws._take(size)
    return zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff").decode() if first & RSV1 else payload.decode()


def test_a_message_that_is_compressed_wrongly(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service:
        for payload in (b"\xff" * 100, b"", b"x" * 1000, deflated(b"4\xff\xfe")):
            with connected(service) as ws:
                ws.send(masked(TEXT, payload, rsv=RSV1))
                assert ws.ended() in (1002, 1007), payload


def test_a_compressed_message_of_who_did_not_ask_for_it(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service:
        for path in (ways.SOCKETIO, "/ws", "/echo"):
            with RawWebSocket(service.http, path) as ws:
                ws.send(bomb(b"4"))
                assert ws.ended() == 1002


def test_attachments_that_are_bombs(siege: Siege) -> None:
    with siege.attack(VIOLATION) as service, connected(service) as ws:
        ws.send("40/chat,")
        ws.send('4564-/chat,1["publish",{"data":[{"_placeholder":true,"num":0}]}]')
        ws.send(*[bomb(b"0" * (MIB - 100), BINARY)] * 3)
        assert ws.ended() == 1002


def test_offers_that_would_make_us_keep_much(siege: Siege) -> None:
    offers = [
        "permessage-deflate; server_max_window_bits=8", "permessage-deflate; client_max_window_bits=99",
        "permessage-deflate; nonsense", "permessage-deflate" + "; x" * 2000, ", ".join(["permessage-deflate"] * 300),
        "x-webkit-deflate-frame", "permessage-deflate; server_no_context_takeover=1",
    ]  # fmt: skip
    with siege.attack() as service:
        for offer in offers:
            with RawWebSocket(service.http, ways.SOCKETIO, {"Sec-WebSocket-Extensions": offer}) as ws:
                assert ws.status == 101 and ws.text().startswith("0{")

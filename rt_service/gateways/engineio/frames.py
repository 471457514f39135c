"""WebSocket frames (RFC 6455 section 5), with no I/O: bytes in, messages out, and messages to bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

try:
    from websockets.speedups import apply_mask
except ImportError:  # no C on this platform; the same by one exclusive or of large integers
    from websockets.utils import apply_mask

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED = 1000, 1001, 1002, 1003
NOT_UTF8, POLICY, TOO_BIG = 1007, 1008, 1009

_FIN, _RSV1, _RSV, _MASKED = 0x80, 0x40, 0x70, 0x80
_SYNC_TAIL = b"\x00\x00\xff\xff"

# What a client sent: the payload of a text message, or (opcode, payload) for everything else.
Message = bytes | tuple[int, bytes]


class FrameError(Exception):
    """The client broke the protocol; the connection is closed with `code` (section 7.4.1)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


# -- writing; a server does not mask (section 5.1)

_TEXT_HEADS = [bytes((_FIN | TEXT, length)) for length in range(126)]


def text(payload: bytes) -> bytes:
    """A text message in one frame."""
    length = len(payload)
    if length < 126:
        return _TEXT_HEADS[length] + payload
    return _head(_FIN | TEXT, length) + payload


def frame(opcode: int, payload: bytes, *, compressed: bool = False) -> bytes:
    """Any other message in one frame."""
    return _head(_FIN | opcode | (_RSV1 if compressed else 0), len(payload)) + payload


def close(code: int, reason: str = "") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason.encode()[:123])


def _head(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 65_536:
        return bytes((first, 126)) + length.to_bytes(2, "big")
    return bytes((first, 127)) + length.to_bytes(8, "big")


def unframe(data: bytes | memoryview) -> Iterator[tuple[int, bytes, int]]:
    """(opcode, payload, end) of every frame in `data`, which holds whole frames that this module wrote."""
    at, end = 0, len(data)
    while at < end:
        length, start = data[at + 1], at + 2
        if length == 126:
            length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif length == 127:
            length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        opcode, at = data[at] & 0x0F, start + length
        yield opcode, bytes(data[start:at]), at


# -- reading


class Reader:
    """Cuts messages out of what a client sends; control frames may stand between the fragments of one."""

    __slots__ = ("_compressed", "_fragments", "_inflater", "_max", "_opcode", "_part", "_size")

    def __init__(self, max_message: int, inflater: Inflater | None = None) -> None:
        self._max = max_message
        self._inflater = inflater
        self._part = b""
        self._fragments: list[bytes] | None = None
        self._opcode = self._size = 0
        self._compressed = False

    def feed(self, data: bytes) -> list[Message]:  # noqa: C901  one loop, and every call in it counts
        """The messages that `data` completes.

        Raises:
            FrameError: the client broke the protocol, or sends more than is allowed.
        """
        if self._part:
            data = self._part + data
        messages: list[Message] = []
        at, end = 0, len(data)
        while end - at >= 2:
            first, second = data[at], data[at + 1]
            length, start = second & 0x7F, at + 6
            if length > 125:
                wide = 2 if length == 126 else 8
                if end - at < 2 + wide:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 2 + wide], "big"), start + wide
            if not second & _MASKED:
                raise FrameError(PROTOCOL_ERROR, "a client masks its frames")
            if length > self._max:
                raise FrameError(TOO_BIG, f"a message is at most {self._max} bytes")
            stop = start + length
            if stop > end:
                self._check_head(first, length)
                break
            payload = apply_mask(data[start:stop], data[start - 4 : start])
            if first == _FIN | TEXT and self._fragments is None:  # nearly every message
                if not payload.isascii():
                    _check_utf8(payload)
                messages.append(payload)
            else:
                self._check_head(first, length)
                message = self._take(first, payload)
                if message is not None:
                    messages.append(message)
            at = stop
        self._part = data[at:] if at else data
        return messages

    def _check_head(self, first: int, length: int) -> None:
        opcode = first & 0x0F
        reserved = first & _RSV
        if reserved and not (reserved == _RSV1 and self._inflater is not None and opcode in (TEXT, BINARY)):
            raise FrameError(PROTOCOL_ERROR, "a reserved bit is set")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise FrameError(PROTOCOL_ERROR, f"there is no opcode {opcode}")
            if not first & _FIN or length > 125:
                raise FrameError(PROTOCOL_ERROR, "a control frame is fragmented or too long")
        elif opcode > BINARY:
            raise FrameError(PROTOCOL_ERROR, f"there is no opcode {opcode}")
        elif (opcode == CONTINUATION) == (self._fragments is None):
            raise FrameError(PROTOCOL_ERROR, "a fragment is out of place")

    def _take(self, first: int, payload: bytes) -> Message | None:
        opcode = first & 0x0F
        if opcode >= CLOSE:
            return (opcode, _checked_close(payload) if opcode == CLOSE else payload)
        if opcode != CONTINUATION:
            self._fragments, self._opcode, self._size = [], opcode, 0
            self._compressed = bool(first & _RSV1)
        assert self._fragments is not None
        self._size += len(payload)
        # Never-ending empty fragments count too.
        if self._size > self._max or len(self._fragments) > 1 + self._max // 64:
            raise FrameError(TOO_BIG, f"a message is at most {self._max} bytes")
        self._fragments.append(payload)
        if not first & _FIN:
            return None
        whole, self._fragments = b"".join(self._fragments), None
        if self._compressed:
            assert self._inflater is not None
            whole = self._inflater.inflate(whole, self._max)
        if self._opcode == BINARY:
            return (BINARY, whole)
        _check_utf8(whole)
        return whole


def _check_utf8(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise FrameError(NOT_UTF8, "a text message is not UTF-8") from None


def _checked_close(payload: bytes) -> bytes:
    """The body of a close frame, if it is a valid one (section 7.4)."""
    if not payload:
        return payload
    code = int.from_bytes(payload[:2], "big")
    known = (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999
    if len(payload) == 1 or not known:
        raise FrameError(PROTOCOL_ERROR, "the close code is not valid")
    _check_utf8(payload[2:])
    return payload


# -- permessage-deflate (RFC 7692)


class Inflater:
    """What one client compresses."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)

    def inflate(self, payload: bytes, most: int) -> bytes:
        """Raises FrameError when it is no deflate stream, or becomes larger than `most`."""
        try:
            data = self._inflate.decompress(payload + _SYNC_TAIL, most + 1)
        except zlib.error:
            raise FrameError(PROTOCOL_ERROR, "a message is compressed wrongly") from None
        if len(data) > most or self._inflate.unconsumed_tail:
            raise FrameError(TOO_BIG, f"a message is at most {most} bytes")
        return data


class Deflater:
    """Compresses frames for one client. Each message starts afresh, so that no state is kept for it."""

    def deflate(self, frames: bytes) -> bytes:
        """The same frames with their data messages compressed."""
        return b"".join(
            frame(opcode, payload) if opcode >= CLOSE else frame(opcode, self._compress(payload), compressed=True)
            for opcode, payload, _ in unframe(frames)
        )

    def _compress(self, payload: bytes) -> bytes:
        compressor = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_SYNC_TAIL)

"""What streams consist of: publications as chunks of an HTTP response (RFC 9112 section 7.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rt_service.core import encoding
from rt_service.core.model import Position, Publication
from rt_service.gateways.codecs import FrameWire
from rt_service.gateways.engineio.outbox import Outbox

LAST_CHUNK = b"0\r\n\r\n"
RETRY_MS = 2000  # what a browser waits before it connects again


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class SseWire(FrameWire):
    """Server-Sent Events (the HTML standard, section 9.2); `id` is the position: a browser recovers by itself."""

    name = "sse"
    content_type = "text/event-stream; charset=utf-8"
    heartbeat = chunk(b": \n\n")

    def start(self, position: Position, lost: bool) -> bytes:
        """The id alone is no event, but a browser that reconnects sends it. `lost`: what was missed is not there."""
        start = b"retry: %d\nid: %s:%d\n\n" % (RETRY_MS, position.epoch.encode(), position.offset)
        said = {"epoch": position.epoch, "offset": position.offset, "recovered": False}
        return chunk(start) + (self.push("", "connect", said) if lost else b"")

    def publication(self, publication: Publication) -> bytes:
        id = b"" if publication.offset is None else b"id: %s:%d\n" % (publication.epoch.encode(), publication.offset)
        return chunk(b"%sevent: %s\ndata: %s\n\n" % (id, publication.event.encode(), publication.json))

    def push(self, namespace: str, name: str, body: dict[str, Any]) -> bytes:
        retry = b"retry: %d\n" % body["retry_after_ms"] if body.get("retry_after_ms") else b""
        return chunk(b"%sevent: %s\ndata: %s\n\n" % (retry, name.encode(), encoding.dumps(body)))


class NdjsonWire(FrameWire):
    """One publication per line. Of what else is pushed, only the last words are."""

    name = "ndjson"
    content_type = "application/x-ndjson"
    heartbeat = chunk(b"\n")

    def start(self, position: Position, lost: bool) -> bytes:
        return b""

    def publication(self, publication: Publication) -> bytes:
        return chunk(publication.json + b"\n")

    def push(self, namespace: str, name: str, body: dict[str, Any]) -> bytes:
        return chunk(encoding.dumps({"push": name, **body}) + b"\n") if name == "closing" else b""

    def broadcast(self, outboxes: Iterable[Outbox], frame: bytes, publication: Publication | None = None) -> None:
        if frame:
            super().broadcast(outboxes, frame, publication)

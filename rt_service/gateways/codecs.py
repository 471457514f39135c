"""A publication to the bytes of one wire format, once, whoever gets it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rt_service.core import encoding
from rt_service.core.model import Publication, PublicationClass
from rt_service.gateways.engineio import frames, packets
from rt_service.gateways.engineio.loop import Loop
from rt_service.gateways.engineio.outbox import Outbox


class FrameWire:
    """WebSocket frames into the outboxes of connections on the loop."""

    name: str

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def broadcast(self, outboxes: Iterable[Outbox], frame: bytes, publication: Publication | None = None) -> None:
        if publication is None or publication.class_ is PublicationClass.KEPT:
            self._loop.broadcast(outboxes, frame)
        elif publication.class_ is PublicationClass.LATEST:
            key = (publication.namespace, publication.room, publication.key)
            self._loop.offer(outboxes, frame, key)
        else:
            self._loop.offer(outboxes, frame, None)


ATTACHMENTS = 10  # that socket.io-client takes in one packet; it ends the connection for more (socket.io-parser 4.2)


def packet(kind: int, namespace: str, data: Any, packet_id: int | None = None) -> bytes:
    """A Socket.IO packet of ours as frames. Raises TypeError: JSON has no form for something in `data`."""
    return packets.frame(kind, namespace, data, packet_id, ATTACHMENTS)


class SocketIoWire(FrameWire):
    """Socket.IO v5 in Engine.IO v4 in WebSocket frames; a polling client's are taken apart again when it polls."""

    name = "socketio"

    def publication(self, publication: Publication) -> bytes:
        if publication.binary:
            return packet(packets.EVENT, publication.namespace, [publication.event, publication.as_dict()])
        head = packets.head(packets.EVENT, publication.namespace)
        return frames.text(b'%s["%s",%s]' % (head, publication.event.encode(), publication.json))

    def push(self, namespace: str, name: str, body: dict[str, Any]) -> bytes:
        return packet(packets.EVENT, namespace, [name, body])


class JsonWire(FrameWire):
    """Plain WebSocket: what is pushed, as JSON with its namespace and its kind."""

    name = "ws"

    def publication(self, publication: Publication) -> bytes:
        return frames.text(
            b'{"ns":"%s","push":"publication",%s' % (publication.namespace.encode(), publication.json[1:])
        )

    def push(self, namespace: str, name: str, body: dict[str, Any]) -> bytes:
        return frames.text(encoding.dumps({"ns": namespace, "push": name, **body}))

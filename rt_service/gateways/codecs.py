"""A publication to the bytes of one wire format, once, whoever gets it."""

from __future__ import annotations

from typing import Any

import orjson
from engineio import packet as eio
from socketio import packet as sio

from rt_service.core.model import Publication, PublicationClass


class Json:
    """orjson behind the names that python-socketio asks for: strict, and bytes from the start."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return orjson.dumps(value).decode()

    loads = staticmethod(orjson.loads)


class LatestPacket(eio.Packet):
    """A packet that a newer one of the same `key` may replace while it waits."""

    key: tuple[str, str | None, str] | None = None


class SocketIoCodec:
    """Socket.IO v5 in Engine.IO v4: a list of Engine.IO packets, more than one where there is binary in it."""

    def publication(self, publication: Publication) -> list[eio.Packet]:
        if publication.binary:
            return self.event(publication.namespace, publication.event, publication.as_dict())
        text = f'{_head(publication.namespace)}["{publication.event}",{publication.json.decode()}]'
        if publication.class_ is not PublicationClass.LATEST or publication.key is None:
            return [eio.Packet(eio.MESSAGE, text)]
        packet = LatestPacket(eio.MESSAGE, text)
        packet.key = (publication.namespace, publication.room, publication.key)
        return [packet]

    def push(self, namespace: str, name: str, body: dict[str, Any]) -> list[eio.Packet]:
        return self.event(namespace, name, body)

    def event(self, namespace: str, name: str, body: Any, id: int | None = None) -> list[eio.Packet]:
        """An event with one argument; `id` asks for an acknowledgement."""
        parts = sio.Packet(sio.EVENT, namespace=namespace, data=[name, body], id=id).encode()
        return [eio.Packet(eio.MESSAGE, part) for part in (parts if isinstance(parts, list) else [parts])]


def _head(namespace: str) -> str:
    return "2" if namespace == "/" else f"2{namespace},"

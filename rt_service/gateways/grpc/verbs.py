"""The verbs that take one answer, over the service's HTTP: who asks is no member, and nobody can call or send to it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
import orjson
from grpc.aio import ServicerContext

from rt_service.core import names
from rt_service.core.errors import BadRequest
from rt_service.core.model import PublicationClass
from rt_service.gateways.grpc import messages
from rt_service.gateways.grpc import realtime_pb2 as rt
from rt_service.gateways.grpc.caller import caller
from rt_service.gateways.grpc.http import Connections
from rt_service.gateways.grpc.publisher import Place, Publisher

CALL_MS = 5000
AFTER_CALL_S = 5.0  # for the service's own answer to a call that took too long
RESPONSE_BYTES = 3_500_000  # a gRPC client takes messages of 4 MB unless it is told otherwise
CLASSES: dict[int, str] = {
    rt.PUBLICATION_CLASS_UNSPECIFIED: PublicationClass.KEPT.value,
    rt.PUBLICATION_CLASS_KEPT: PublicationClass.KEPT.value,
    rt.PUBLICATION_CLASS_LATEST: PublicationClass.LATEST.value,
    rt.PUBLICATION_CLASS_VOLATILE: PublicationClass.VOLATILE.value,
}

Context = ServicerContext[Any, Any]


class Verbs:
    def __init__(self, service: Connections, calls: Connections, publisher: Publisher, call_most_s: float) -> None:
        """`calls` are connections of their own: a call keeps one until it is answered, at most `call_most_s`."""
        self._service = service
        self._calls = calls
        self._publisher = publisher
        self._call_most_ms = int(call_most_s * 1000)

    async def publish(self, asked: rt.PublishRequest, context: Context) -> rt.PublishResponse:
        class_ = CLASSES.get(asked.publication_class)
        if class_ is None:
            raise BadRequest(f"publication_class is none of the classes: {asked.publication_class}")
        said: dict[str, Any] = {"event": asked.event, "data": messages.fragment(asked.data), "class": class_}
        said |= {name: value for name, value in (("id", asked.id), ("key", asked.key)) if value}
        place = Place(caller(context), messages.namespace(asked.ns), names.room_name(asked.room))
        kept = await self._publisher.publish(place, orjson.dumps(said))
        return rt.PublishResponse(id=kept["id"], epoch=kept["epoch"], offset=kept["offset"])

    async def history(self, asked: rt.HistoryRequest, context: Context) -> rt.HistoryResponse:
        query: dict[str, Any] = {"reverse": "1"} if asked.reverse else {}
        if asked.HasField("since"):
            query["since"] = f"{asked.since.epoch}:{asked.since.offset}"
        if asked.limit:
            query["limit"] = asked.limit
        path = f"/rooms/{messages.namespace(asked.ns)}/{names.room_name(asked.room)}/publications"
        said = await self._service.ask(caller(context), "GET", path, urlencode(query))
        return _history(msgspec.json.decode(said, type=messages.History), f"/{messages.namespace(asked.ns)}")

    async def presence(self, asked: rt.PresenceRequest, context: Context) -> rt.PresenceResponse:
        path = f"/rooms/{messages.namespace(asked.ns)}/{names.room_name(asked.room)}/members"
        said = await self._service.ask(caller(context), "GET", path)
        members = msgspec.json.decode(said, type=messages.Members).members
        return rt.PresenceResponse(members=[member.message() for member in members])

    async def call(self, asked: rt.CallRequest, context: Context) -> rt.CallResponse:
        timeout_ms = self._timeout_ms(asked.timeout_ms, context.time_remaining())
        question = {
            "ns": messages.namespace(asked.ns),
            "to": asked.to,
            "method": asked.method,
            "data": messages.fragment(asked.data or "null"),
            "timeout_ms": timeout_ms,
        }
        patience_s = timeout_ms / 1000 + AFTER_CALL_S
        said = await self._calls.ask(caller(context), "POST", "/calls", "", orjson.dumps(question), patience_s)
        return rt.CallResponse(data=messages.text(msgspec.json.decode(said, type=messages.Called).data))

    def _timeout_ms(self, asked: int, left_s: float | None) -> int:
        """What was asked for, but no longer than the client waits."""
        if left_s is None:
            return asked or CALL_MS
        return min(asked or self._call_most_ms, max(1, int(left_s * 1000)))


def _history(said: messages.History, ns: str) -> rt.HistoryResponse:
    """As many as a client takes in one message; `more` says where that cut it."""
    shown: list[rt.Publication] = []
    size = 0
    for publication in said.publications:
        message = publication.message(ns)
        size += message.ByteSize() + 8
        if shown and size > RESPONSE_BYTES:
            break
        shown.append(message)
    more = said.more or len(shown) < len(said.publications)
    return rt.HistoryResponse(position=rt.Position(epoch=said.epoch, offset=said.offset), publications=shown, more=more)

"""`Subscribe`: one room, from a position on."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
from grpc.aio import ServicerContext

from rt_service.gateways.grpc import messages
from rt_service.gateways.grpc import realtime_pb2 as rt
from rt_service.gateways.grpc.caller import caller
from rt_service.gateways.grpc.link import Link, link
from rt_service.gateways.grpc.status import refusal
from rt_service.gateways.grpc.upstream import Upstream
from rt_service.gateways.grpc.writing import write

Context = ServicerContext[rt.SubscribeRequest, rt.SubscribeResponse]
REF = "join"


async def subscribe(upstream: Upstream, asked: rt.SubscribeRequest, context: Context) -> None:
    """Until one side ends it. Raises RtError: the service did, or refuses."""
    namespace = f"/{messages.namespace(asked.ns)}"
    async with link(upstream, caller(context), calls=False) as service:
        joined = await _join(service, namespace, asked)
        await write(context, rt.SubscribeResponse(joined=_start(asked, joined)))
        for missed in joined.publications:
            await write(context, rt.SubscribeResponse(publication=missed.message(namespace)))
        while True:
            await _pass_on(await service.receive(), context)


async def _join(service: Link, namespace: str, asked: rt.SubscribeRequest) -> messages.Joined:
    request: dict[str, Any] = {"op": "join", "ns": namespace, "ref": REF, "room": asked.room}
    if asked.HasField("since"):
        request["since"] = {"epoch": asked.since.epoch, "offset": asked.since.offset}
    await service.send(orjson.dumps(request))
    while True:
        frame = await service.receive()
        kind = msgspec.json.decode(frame, type=messages.Frame)
        if kind.push:
            continue  # nothing of the room comes before the answer
        if not kind.ok:
            raise refusal(orjson.loads(frame)["error"])
        return msgspec.json.decode(frame, type=messages.Joined)


def _start(asked: rt.SubscribeRequest, joined: messages.Joined) -> rt.Joined:
    """What follows comes after what the client has, or else after what there is now."""
    now = rt.Position(epoch=joined.epoch, offset=joined.offset)
    return rt.Joined(position=asked.since if joined.recovered else now, recovered=joined.recovered)


async def _pass_on(frame: bytes, context: Context) -> None:
    if msgspec.json.decode(frame, type=messages.Frame).push == "publication":
        publication = msgspec.json.decode(frame, type=messages.Publication)
        await write(context, rt.SubscribeResponse(publication=publication.message(publication.ns)))

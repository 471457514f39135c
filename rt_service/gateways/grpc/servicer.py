"""`rt.v1.Realtime`: each RPC within its bounds, and whatever is refused as a gRPC status."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from grpc.aio import ServicerContext

from rt_service.core.errors import RtError
from rt_service.gateways.grpc import realtime_pb2 as rt
from rt_service.gateways.grpc.bounds import Bounds
from rt_service.gateways.grpc.peers import Peers
from rt_service.gateways.grpc.realtime_pb2_grpc import RealtimeServicer
from rt_service.gateways.grpc.session import Requests, session
from rt_service.gateways.grpc.status import fault, refuse
from rt_service.gateways.grpc.subscription import subscribe
from rt_service.gateways.grpc.upstream import Upstream
from rt_service.gateways.grpc.verbs import Verbs

T = TypeVar("T")
Context = ServicerContext[Any, Any]


class Realtime(RealtimeServicer):
    def __init__(
        self, service: Upstream, wire_bytes: int, verbs: Verbs, requests: Bounds, streams: Bounds, peers: Peers
    ) -> None:
        self._service = service
        self._wire_bytes = wire_bytes
        self._verbs = verbs
        self._requests = requests
        self._streams = streams
        self._peers = peers

    async def Publish(self, request: rt.PublishRequest, context: Context) -> rt.PublishResponse:
        return await self._ask(context, lambda: self._verbs.publish(request, context))

    async def History(self, request: rt.HistoryRequest, context: Context) -> rt.HistoryResponse:
        return await self._ask(context, lambda: self._verbs.history(request, context))

    async def Presence(self, request: rt.PresenceRequest, context: Context) -> rt.PresenceResponse:
        return await self._ask(context, lambda: self._verbs.presence(request, context))

    async def Call(self, request: rt.CallRequest, context: Context) -> rt.CallResponse:
        return await self._ask(context, lambda: self._verbs.call(request, context))

    async def Subscribe(self, request: rt.SubscribeRequest, context: Context) -> None:
        await self._stream(context, lambda: subscribe(self._service, request, context))

    async def Session(self, request_iterator: Requests, context: Context) -> None:
        say, service = request_iterator, self._service
        await self._stream(context, lambda: session(service, self._wire_bytes, say, context))

    async def _ask(self, context: Context, work: Callable[[], Awaitable[T]]) -> T:
        async def asked() -> T:
            self._peers.ask(context)
            try:
                return await work()
            except asyncio.CancelledError:
                self._peers.cancelled(context)
                raise

        return await guarded(self._requests, context, asked)

    async def _stream(self, context: Context, work: Callable[[], Awaitable[None]]) -> None:
        async def opened() -> None:
            self._peers.open(context)
            await work()

        await guarded(self._streams, context, opened)


async def guarded(bounds: Bounds, context: Context, work: Callable[[], Awaitable[T]]) -> T:
    """The one place where an error becomes a status."""
    try:
        return await bounds.run(work)
    except RtError as error:
        refusal = error
    except Exception as error:  # noqa: BLE001  whatever it is, the client gets a status and no class name
        refusal = fault(error)
    return await refuse(context, refusal)

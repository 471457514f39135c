"""The standard health service and reflection, bounded: anybody may ask them, and keep a stream of either open.

grpcio's own health service writes to who watches under a lock: one that never reads would keep all others, and whoever
says what there is to be told, waiting for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Collection
from typing import Any, TypeAlias

from grpc.aio import ServicerContext
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from rt_service.core.errors import NotFound
from rt_service.gateways.grpc.bounds import Bounds
from rt_service.gateways.grpc.servicer import guarded
from rt_service.gateways.grpc.status import refuse

NAMES = (health.SERVICE_NAME, reflection.SERVICE_NAME)

Asked: TypeAlias = Any  # health_pb2 has no types
Told: TypeAlias = Any
_told = health_pb2.HealthCheckResponse
Context = ServicerContext[Any, Any]


class Health(health_pb2_grpc.HealthServicer):
    def __init__(self, names: Collection[str], streams: Bounds) -> None:
        """`names` are the services whose health it is; they are well together."""
        self._names = names
        self._streams = streams
        self._status: Any = _told.NOT_SERVING
        self._changed = asyncio.Event()
        self._over = False

    def tell(self, serving: bool) -> None:
        if not self._over:
            self._status = _told.SERVING if serving else _told.NOT_SERVING
            self._changed.set()
            self._changed = asyncio.Event()

    def stop(self) -> None:
        """It does not serve, and is not going to."""
        self.tell(False)
        self._over = True

    async def Check(self, request: Asked, context: Context) -> Told:
        if request.service not in self._names:
            await refuse(context, NotFound("there is no such service"))
        return _told(status=self._status)

    async def Watch(self, request: Asked, context: Context) -> None:
        await guarded(self._streams, context, lambda: self._watch(request.service, context))

    async def _watch(self, service: str, context: Context) -> None:
        told = None
        while True:
            changed, status = self._changed, self._status if service in self._names else _told.SERVICE_UNKNOWN
            if status != told:
                await context.write(_told(status=status))
                told = status
            await changed.wait()


class Reflection(reflection.aio.ReflectionServicer):
    def __init__(self, names: Collection[str], streams: Bounds) -> None:
        super().__init__(names)
        self._streams = streams

    async def ServerReflectionInfo(self, requests: AsyncIterable[Any], context: Context) -> None:
        answers = super().ServerReflectionInfo(requests, context)
        await guarded(self._streams, context, lambda: _say(answers, context))


async def _say(answers: AsyncIterable[Any], context: Context) -> None:
    async for answer in answers:
        await context.write(answer)

"""Publications on their way to the service: those of one caller in one room one after the other, many in a request.

While one request is under way the next ones are collected, so a single publication waits for nothing, and many cost
little. Their order is the order in which they came here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple

import orjson

from rt_service.core.errors import RtError
from rt_service.gateways.grpc.caller import Caller
from rt_service.gateways.grpc.http import Connections
from rt_service.gateways.grpc.status import fault, refusal

BATCH = 1000  # the service takes no more in one request


class Waiting(NamedTuple):
    body: bytes
    answer: asyncio.Future[dict[str, Any]]


class Place(NamedTuple):
    who: Caller
    namespace: str
    room: str


class Publisher:
    def __init__(self, service: Connections, request_bytes: int) -> None:
        """`request_bytes` is how much the service takes in one request."""
        self._service = service
        self._request_bytes = request_bytes
        self._lanes: dict[Place, deque[Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish(self, place: Place, body: bytes) -> dict[str, Any]:
        """`id`, `epoch` and `offset` of a publication that is `body`, JSON. Raises RtError."""
        waiting = Waiting(body, asyncio.get_running_loop().create_future())
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = deque()
            task = asyncio.create_task(self._run(place, lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        lane.append(waiting)
        return await waiting.answer

    async def _run(self, place: Place, lane: deque[Waiting]) -> None:
        while lane:
            batch = self._batch(lane)
            try:
                outcomes = await self._send(place, batch)
            except RtError as error:
                outcomes = [error] * len(batch)
            except Exception as error:  # noqa: BLE001  whatever it is, who waits is answered
                outcomes = [fault(error)] * len(batch)
            for waiting, outcome in zip(batch, outcomes, strict=True):
                _settle(waiting.answer, outcome)
        del self._lanes[place]

    def _batch(self, lane: deque[Waiting]) -> list[Waiting]:
        """As many as fit into one request, at least one; without those whose callers have gone."""
        batch: list[Waiting] = []
        size = 2
        while lane and len(batch) < BATCH:
            size += len(lane[0].body) + 1
            if batch and size > self._request_bytes:
                break
            waiting = lane.popleft()
            if not waiting.answer.done():
                batch.append(waiting)
        return batch

    async def _send(self, place: Place, batch: list[Waiting]) -> list[dict[str, Any] | RtError]:
        if not batch:
            return []
        body = b"[%s]" % b",".join(waiting.body for waiting in batch)
        path = f"/rooms/{place.namespace}/{place.room}/publications"
        results = orjson.loads(await self._service.ask(place.who, "POST", path, body=body))["results"]
        if len(results) != len(batch):
            raise ValueError(f"{len(results)} answers to {len(batch)} publications")
        return [one if one["ok"] else refusal(one["error"]) for one in results]


def _settle(answer: asyncio.Future[dict[str, Any]], outcome: dict[str, Any] | RtError) -> None:
    if answer.done():
        return
    if isinstance(outcome, RtError):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)

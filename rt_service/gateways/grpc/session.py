"""`Session`: every verb, and everything that is pushed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Any

import msgspec
import orjson
from grpc.aio import ServicerContext

from rt_service.core import encoding
from rt_service.core.errors import BadRequest, RtError, TooLarge
from rt_service.gateways.grpc import messages
from rt_service.gateways.grpc import realtime_pb2 as rt
from rt_service.gateways.grpc.caller import caller
from rt_service.gateways.grpc.link import Link, link
from rt_service.gateways.grpc.upstream import Upstream
from rt_service.gateways.grpc.writing import write

Context = ServicerContext[rt.SessionRequest, rt.SessionResponse]
Requests = AsyncIterable[rt.SessionRequest]
REF_CHARACTERS = 128
CANCELLED_S = 0.1  # a stream that is cancelled looks like one that has ended, until gRPC cancels its task


async def session(upstream: Upstream, wire_bytes: int, requests: Requests, context: Context) -> None:
    """Until one side ends it. Raises RtError: the service did, or cannot be reached."""
    async with link(upstream, caller(context)) as service:
        await Conversation(service, wire_bytes, requests, context).run()
        await asyncio.sleep(CANCELLED_S)
        await service.goodbye()


class Conversation:
    def __init__(self, service: Link, wire_bytes: int, requests: Requests, context: Context) -> None:
        """`wire_bytes` is how much the service takes in one message; it ends the connection for more."""
        self._service = service
        self._wire_bytes = wire_bytes
        self._requests = requests
        self._context = context
        self._asked = 0  # requests whose answers have not come
        self._answered = asyncio.Event()
        self._turn = asyncio.Lock()  # one message at a time is written

    async def run(self) -> None:
        """Until the client has nothing more to say, and what it asked is answered. Raises RtError."""
        halves = [asyncio.create_task(self._listen()), asyncio.create_task(self._speak())]
        try:
            done, _ = await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
            for half in done:
                half.result()
        finally:
            for half in halves:
                half.cancel()
            await asyncio.gather(*halves, return_exceptions=True)

    # -- client to service

    async def _listen(self) -> None:
        async for asked in self._requests:
            try:
                request = self._frame(asked)
            except RtError as error:
                refused = messages.refused(asked.ref[:REF_CHARACTERS], error.as_dict())
                await self._say(rt.SessionResponse(answer=refused))
                continue
            if asked.ref:
                self._asked += 1
                self._answered.clear()
            await self._service.send(request)
        if self._asked:
            await self._answered.wait()

    def _frame(self, asked: rt.SessionRequest) -> bytes:
        """As `/ws` takes it. Raises BadRequest, InvalidData or TooLarge."""
        frame = orjson.dumps(_request(asked))
        if len(frame) > self._wire_bytes:
            raise TooLarge(f"a request is at most {self._wire_bytes} bytes as JSON")
        return frame

    # -- service to client

    async def _speak(self) -> None:
        while True:
            frame = await self._service.receive()
            response = _response(frame)
            if response is None:
                continue
            await self._say(response)
            if response.HasField("answer") and response.answer.ref:
                self._asked -= 1
                if not self._asked:
                    self._answered.set()

    async def _say(self, response: rt.SessionResponse) -> None:
        async with self._turn:
            await write(self._context, response)


def _request(asked: rt.SessionRequest) -> dict[str, Any]:
    if len(asked.ref) > REF_CHARACTERS:
        raise BadRequest(f"`ref` has at most {REF_CHARACTERS} characters")
    body = messages.parsed(asked.data or "{}")
    if not isinstance(body, dict):
        raise BadRequest('`data` is a JSON object with what the verb takes, such as {"room":"lobby"}')
    encoding.encode(body)  # or it could be nested too deep to be handed on
    frame = {"op": asked.op, "ref": asked.ref or None, "ns": f"/{asked.ns.removeprefix('/')}" if asked.ns else None}
    return body | frame


def _response(frame: bytes) -> rt.SessionResponse | None:
    """None for what this version does not know."""
    push = msgspec.json.decode(frame, type=messages.Frame).push
    if push == "":
        return rt.SessionResponse(answer=messages.answer(frame))
    if push == "publication":
        publication = msgspec.json.decode(frame, type=messages.Publication)
        return rt.SessionResponse(publication=publication.message(publication.ns))
    if push == "presence":
        return rt.SessionResponse(presence=msgspec.json.decode(frame, type=messages.PresenceChange).message())
    if push == "call":
        return rt.SessionResponse(call=msgspec.json.decode(frame, type=messages.Call).message())
    if push == "closing":
        return rt.SessionResponse(closing=msgspec.json.decode(frame, type=messages.Closing).message())
    return None

"""A WebSocket to the service, for as long as one stream of a client lives.

What comes is read only as fast as the client takes it. So what waits for a slow one waits in the service, which knows
what may be dropped and when it is too much (CONTRACT.md section 7).
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode

from rt_service import log
from rt_service.core.errors import RtError, Unavailable
from rt_service.gateways.grpc import messages
from rt_service.gateways.grpc.caller import Caller
from rt_service.gateways.grpc.status import RETRY_MS, answered, closed, unreachable
from rt_service.gateways.grpc.upstream import Upstream

CONNECT_S = 10.0
CLOSE_S = 2.0
FRAMES = 8  # that may wait here
RECEIVE_BYTES = 65_536  # that may wait in the system, besides
SILENT_S = 60.0  # a client that takes nothing for so long is given up; then the service is not heard either


class Link:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._closing: messages.Closing | None = None

    async def send(self, request: bytes) -> None:
        """`request` is JSON. Raises RtError: the connection is over."""
        try:
            await self._socket.send(request, text=True)
        except ConnectionClosed:
            raise self._why() from None

    async def receive(self) -> bytes:
        """The next frame. Raises RtError: the connection is over, and that is why."""
        try:
            frame = await self._socket.recv(decode=False)
        except ConnectionClosed:
            raise self._why() from None
        if b'"push":"closing"' in frame[:64]:
            self._closing = msgspec.json.decode(frame, type=messages.Closing)
        return frame

    async def goodbye(self) -> None:
        """Its client has nothing more to say: who leaves so is gone at once."""
        await self._socket.close()

    async def leave(self) -> None:
        """Its client is gone, maybe to come back."""
        try:
            await self._socket.close(CloseCode.GOING_AWAY)
        except Exception as error:  # noqa: BLE001  a broken one may fail in many ways, and then it is closed
            log.get("grpc").debug("close_failed", error=repr(error))

    def _why(self) -> RtError:
        if self._closing is not None:
            return closed(self._closing.code, self._closing.message_, self._closing.retry_after_ms)
        if self._socket.close_code == CloseCode.POLICY_VIOLATION:
            return closed("timeout", self._socket.close_reason or "", None)
        return Unavailable("the connection to the service was lost; reconnect and recover", retry_after_ms=RETRY_MS)


@asynccontextmanager
async def link(upstream: Upstream, who: Caller, calls: bool = True) -> AsyncIterator[Link]:
    """`calls`: whether it can be called. Raises RtError: the service cannot be reached, or refuses the caller."""
    try:
        socket = await connect(
            _address(upstream, who, calls), ssl=upstream.tls(), additional_headers=who.headers, compression=None,
            proxy=None, max_size=None, max_queue=FRAMES, open_timeout=CONNECT_S, close_timeout=CLOSE_S,
            ping_timeout=SILENT_S,
        )  # fmt: skip
    except InvalidStatus as error:
        raise answered(error.response.status_code, error.response.body) from None
    except (OSError, InvalidHandshake):
        raise unreachable() from None
    _bound(socket)
    one = Link(socket)
    try:
        yield one
    finally:
        await one.leave()


def _address(upstream: Upstream, who: Caller, calls: bool) -> str:
    parts = upstream.parts
    scheme = "wss" if parts.scheme == "https" else "ws"
    query = "&".join(part for part in ("" if calls else "calls=no", who.query) if part)
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/ws?{query}"


def _bound(connection: ClientConnection) -> None:
    """Or the system would hold megabytes for a slow reader before the service sees that it is one."""
    connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)

"""Writing to a stream, which is not broken off."""

from __future__ import annotations

import asyncio
from typing import Any

from grpc.aio import ServicerContext

WRITTEN_S = 1.0  # for a client that takes nothing


async def write(context: ServicerContext[Any, Any], message: Any) -> None:
    """Write a message. Whoever is cancelled meanwhile is cancelled when it is written: before that gRPC takes no status
    (GRPC_CALL_ERROR_TOO_MANY_OPERATIONS), and the client would not be told why its stream ends.
    """
    writing = asyncio.ensure_future(context.write(message))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait((writing,), timeout=WRITTEN_S)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        raise

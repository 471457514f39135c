"""How much is under way at one time, and what is counted of it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from grpc.aio import InternalError

from rt_service.core.errors import RtError, TooManyRequests
from rt_service.gateways.grpc.status import RETRY_MS, closed

T = TypeVar("T")


class Counts:
    """What is told to whoever watches: how often something ended how, since it was told last."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()

    def take(self) -> dict[str, dict[str, int]]:
        taken = {"requests": dict(self.requests), "ended": dict(self.ended)}
        self.requests.clear()
        self.ended.clear()
        return taken


class Bounds:
    """RPCs of one kind. `outcomes` counts how they ended: `ok`, `cancelled` by the client, or an error's code.

    `cut` is the code for those that the service ends when it stops.
    """

    def __init__(self, most: int, name: str, outcomes: Counter[str], cut: str = "unavailable") -> None:
        self._cut = cut
        self._most = most
        self._name = name
        self._outcomes = outcomes
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    def __len__(self) -> int:
        return len(self._tasks)

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` in the task of its RPC.

        Raises:
            TooManyRequests: as many are under way as may be.
            RtError: `stop` was called, or what `work` raises.
        """
        outcome = "internal"
        try:
            result = await self._run(work)
            outcome = "ok"
            return result
        except RtError as error:
            outcome = error.code
            raise
        except (asyncio.CancelledError, InternalError):  # gRPC's own: it wrote to a client that has gone
            outcome = "cancelled"
            raise asyncio.CancelledError from None
        finally:
            self._outcomes[outcome] += 1

    async def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        if self._stopping:
            raise _stopping("unavailable")
        if len(self._tasks) >= self._most:
            raise TooManyRequests(f"{self._most} {self._name} are open; try again", retry_after_ms=RETRY_MS)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await work()
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            task.uncancel()
            raise _stopping(self._cut) from None
        finally:
            self._tasks.discard(task)

    async def emptied(self, seconds: float) -> None:
        """Wait until none is under way, but no longer than `seconds`."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)

    def stop(self) -> None:
        """Tell everybody who is here, and who comes from now on, to come back later."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()


def _stopping(code: str) -> RtError:
    return closed(code, "the service is stopping; reconnect and recover", random.randrange(500, 3000))

"""What the worker processes have in common: counts on standard output, orders on standard input.

They are processes of their own so that they can be frozen and share no interpreter with what they measure.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

COUNTS_S = 0.1
TICK_S = 0.01
RETRY_S = 0.1
NAMESPACE = "/iot"


class Role(Protocol):
    async def run(self) -> None:
        """Start what it does; may go on for ever."""

    def counts(self) -> dict[str, int]:
        """How far it is."""

    def stop(self) -> None:
        """Make no new numbers; those that were made are still brought to their end."""

    def report(self, order: dict[str, Any]) -> dict[str, Any]:
        """Everything that it knows."""


def main(make: Callable[[dict[str, Any]], Role]) -> None:
    """Be the worker that `make` makes of the settings in the first argument."""
    asyncio.run(_serve(make(json.loads(sys.argv[1]))))


async def _serve(role: Role) -> None:
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    tasks = [asyncio.ensure_future(role.run()), asyncio.ensure_future(_tell(role))]
    for task in tasks:
        task.add_done_callback(_failed)
    while line := await orders.readline():
        order = json.loads(line)
        if order["do"] == "stop":
            role.stop()
        else:
            _print(report=role.report(order))


def _failed(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _print(failed=repr(error))
        raise SystemExit(1)


async def _tell(role: Role) -> None:
    while True:
        _print(counts=role.counts())
        await asyncio.sleep(COUNTS_S)


def _print(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def keep_up(live: Callable[[], Awaitable[None]]) -> None:
    """Live one connection after the other, for ever."""
    while True:
        try:
            await live()
        except OSError:
            pass
        await asyncio.sleep(RETRY_S)


async def ticks(step: Callable[[float], None]) -> None:
    """Call `step` with the seconds since the last call, for ever. A process that was frozen makes nothing up for it."""
    last = time.monotonic()
    while True:
        await asyncio.sleep(TICK_S)
        now = time.monotonic()
        step(min(now - last, 0.1))
        last = now

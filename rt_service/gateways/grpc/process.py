"""The process of the gRPC gateway, from its start to its end. Sockets are not patched here: grpcio would hang."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from pathlib import Path

from rt_service import log
from rt_service.gateways.grpc.leash import Leash
from rt_service.gateways.grpc.server import Server
from rt_service.gateways.grpc.upstream import Upstream
from rt_service.settings import Settings, SettingsError, check_loopback

REPORT_S = 0.5
LOG_COUNTS_S = 60.0


def run(settings: Settings, url: str, ready_file: Path | None = None, child: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; as a `child` until SIGTERM or until its parent has gone.

    Raises:
        SettingsError: a setting or the port cannot be used.
    """
    check_loopback(settings, "grpc")
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"--url {url}: the address of the service starts with http:// or https://")
    # What goes wrong in here is caught and logged; what gRPC logs besides is clients that went while being answered.
    logging.getLogger("grpc").setLevel(logging.CRITICAL)
    asyncio.run(_serve(settings, url, ready_file, child))


async def _serve(settings: Settings, url: str, ready_file: Path | None, child: bool) -> None:
    stopping = _signals(child)
    server = Server(settings, Upstream(url, settings.server.cert_file if child else ""))
    address = await server.start()
    if child:
        leash = await Leash.hold()
        leash.say({"grpc": address})
        beside = [_report(server, leash), _watch_parent(leash, stopping)]
    else:
        print(f"gRPC at {address} for {url}; Ctrl-C ends", flush=True)
        beside = [_log_counts(server)]
    if ready_file is not None:
        _write(ready_file, address)
    tasks = [asyncio.create_task(one) for one in (server.watch(), *beside)]
    try:
        await stopping.wait()
        await server.stop()
    finally:
        for task in tasks:
            task.cancel()
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)


def _signals(child: bool) -> asyncio.Event:
    """Set by a signal that ends the process. A terminal's Ctrl-C reaches a child too; its parent decides then."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(stopping.set))
    signal.signal(signal.SIGINT, signal.SIG_IGN if child else lambda *_: loop.call_soon_threadsafe(stopping.set))
    return stopping


async def _watch_parent(leash: Leash, stopping: asyncio.Event) -> None:
    await leash.ended()
    stopping.set()


async def _report(server: Server, leash: Leash) -> None:
    while True:
        await asyncio.sleep(REPORT_S)
        leash.say({"streams": len(server.streams), **server.counts.take()})


async def _log_counts(server: Server) -> None:
    logger = log.get("grpc")
    while True:
        await asyncio.sleep(LOG_COUNTS_S)
        logger.info("counts", streams=len(server.streams), **server.counts.take())


def _write(path: Path, address: str) -> None:
    """The file appears whole. Raises SettingsError."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps({"grpc": address, "pid": os.getpid()}) + "\n")
        part.replace(path)
    except OSError as error:
        raise SettingsError(f"--ready-file {path}: cannot be written: {error.strerror}") from None

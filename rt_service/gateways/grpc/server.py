"""The gRPC server: `rt.v1.Realtime`, the standard health service, and reflection."""

from __future__ import annotations

import asyncio
import os
import socket

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from rt_service import log
from rt_service.core.errors import RtError
from rt_service.gateways.certificates import files_of
from rt_service.gateways.grpc import health
from rt_service.gateways.grpc import realtime_pb2 as rt
from rt_service.gateways.grpc.bounds import Bounds, Counts
from rt_service.gateways.grpc.http import Connections
from rt_service.gateways.grpc.peers import Peers
from rt_service.gateways.grpc.publisher import Publisher
from rt_service.gateways.grpc.realtime_pb2_grpc import add_RealtimeServicer_to_server
from rt_service.gateways.grpc.servicer import Realtime
from rt_service.gateways.grpc.tls import Credentials
from rt_service.gateways.grpc.upstream import Upstream
from rt_service.gateways.grpc.verbs import Verbs
from rt_service.settings import Settings, SettingsError

NAME = rt.DESCRIPTOR.services_by_name["Realtime"].full_name
CONNECTIONS = 32  # to the service, for what is answered at once
PROBE_EVERY_S = 1.0
PROBE_S = 3.0
FINISH_S = 2.0  # when stopping: for streams to be told, and requests that are under way
LISTEN_ON_S = 0.25  # when stopping: to who comes meanwhile
GOODBYE_S = 1.0  # when stopping: for clients to read their last words
LOOKING = 100  # streams of health and of reflection that may be open


class Server:
    def __init__(self, settings: Settings, upstream: Upstream) -> None:
        limits = settings.limits
        self.counts = Counts()
        self.streams = Bounds(settings.grpc.streams, "streams", self.counts.ended, cut="shutdown")
        self._settings = settings
        self._requests = Bounds(settings.grpc.requests, "requests", self.counts.requests)
        self._service = Connections(upstream, CONNECTIONS)
        self._calls = Connections(upstream, settings.grpc.requests)
        publisher = Publisher(self._service, limits.wire_bytes)
        verbs = Verbs(self._service, self._calls, publisher, limits.call_timeout_max_s)
        peers = Peers(limits.connects_per_s, limits.connect_burst)
        self._looking = Bounds(LOOKING, "streams of health and of reflection", self.counts.ended)
        self._health = health.Health(("", NAME), self._looking)
        self._server = grpc.aio.server(options=_options(limits.wire_bytes))
        add_RealtimeServicer_to_server(  # type: ignore[no-untyped-call]
            Realtime(upstream, limits.wire_bytes, verbs, self._requests, self.streams, peers), self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
            health.Reflection((NAME, *health.NAMES), self._looking), self._server
        )
        self._log = log.get("grpc")
        self._reached: bool | None = None  # nobody has looked yet

    async def start(self) -> str:
        """Listen; the address, as a gRPC client takes it. Raises SettingsError: port or certificate cannot be used."""
        host, port = self._settings.host("grpc"), self._settings.grpc.port
        shown = f"[{host}]" if ":" in host else host
        files = files_of(self._settings, "grpc")
        _check_free(host, port)
        try:
            if files is None:
                port = self._server.add_insecure_port(f"{shown}:{port}")
            else:
                port = self._server.add_secure_port(f"{shown}:{port}", Credentials(files).for_server())
        except RuntimeError:
            raise SettingsError(f"grpc.port: cannot listen on {shown}:{port}") from None
        await self._probe()
        await self._server.start()
        return f"{shown}:{port}"

    async def watch(self) -> None:
        """Keep the health service right, until cancelled."""
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            await self._probe()

    async def stop(self) -> None:
        """End streams, finish requests that are under way, refuse what comes then."""
        self._health.stop()
        self.streams.stop()
        await asyncio.gather(self.streams.emptied(FINISH_S), self._requests.emptied(FINISH_S))
        self._requests.stop()
        # What still waits in gRPC would be told that it was cancelled, and not to come back.
        await asyncio.sleep(LISTEN_ON_S)
        self._looking.stop()
        await self._server.stop(GOODBYE_S)
        self._service.close()
        self._calls.close()

    async def _probe(self) -> None:
        try:
            status, _ = await self._service.request("GET", "/livez", [], b"", PROBE_S)
            reached = status == 200
        except RtError:
            reached = False
        if reached != self._reached:
            self._reached = reached
            if reached:
                self._log.info("service_reached")
            else:
                self._log.warning("service_unreachable", help="is it running, and who signed its certificate trusted?")
            self._health.tell(reached)


def _options(wire_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 0),  # or two servers would share a port, each with half of the clients
        ("grpc.max_receive_message_length", wire_bytes),
        ("grpc.max_send_message_length", -1),
        # Past 1,000 that are not yet handed on, gRPC would cancel some at random and tell nobody why; `Bounds` answers.
        ("grpc.server.max_pending_requests", 1_000_000),
        ("grpc.server.max_pending_requests_hard_limit", 1_000_000),
        ("grpc.keepalive_time_ms", 25_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.server_handshake_timeout_ms", 15_000),
        ("grpc.max_connection_idle_ms", 300_000),  # a channel that is used again connects again
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ]


def _check_free(host: str, port: int) -> None:
    """gRPC would only say that it failed, and not why."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise SettingsError(f"grpc.port: cannot listen on {host}:{port}: {why}") from None

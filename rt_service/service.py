"""The roof: builds every object once, starts them in order and stops them in order. Read this to see what exists."""

from __future__ import annotations

import os
import random
import secrets
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Flask

from rt_service import choices, log, runtime
from rt_service.admission import Admission
from rt_service.api import Api
from rt_service.auth.revocations import Revocations
from rt_service.bridge.bridge import Bridge
from rt_service.core import encoding
from rt_service.core.hub import Hub
from rt_service.core.ports import Clock
from rt_service.devices.calls import Calls
from rt_service.devices.registry import Devices
from rt_service.devices.twin import Twins
from rt_service.engines.memory import MemoryEngine
from rt_service.gateways import front
from rt_service.gateways.accounts_http import AccountsHttp
from rt_service.gateways.devices_http import DevicesHttp
from rt_service.gateways.grpc.child import GrpcChild
from rt_service.gateways.http import create_app, create_blueprint
from rt_service.gateways.http_requests import Requests
from rt_service.gateways.listener import Listener
from rt_service.gateways.mqtt.gateway import MqttGateway
from rt_service.gateways.mqtt.guard import OpenGuard, TokenGuard
from rt_service.gateways.mqtt.keeper import StoreKeeper
from rt_service.gateways.mqtt.session import Forgetful
from rt_service.gateways.mqtt.websocket import MqttOverWebSocket
from rt_service.gateways.operations import register
from rt_service.gateways.operator_http import OperatorHttp
from rt_service.gateways.origins import Origins
from rt_service.gateways.polls import Polls
from rt_service.gateways.rooms_http import RoomsHttp
from rt_service.gateways.service_http import ServiceHttp
from rt_service.gateways.sessions_http import SessionsHttp
from rt_service.gateways.socketio.gateway import SocketIoGateway
from rt_service.gateways.streams.gateway import Streams
from rt_service.gateways.ws.echo import Echo
from rt_service.gateways.ws.gateway import WsGateway
from rt_service.gateways.ws.upgrade import PlainWebSockets
from rt_service.metrics import Metrics
from rt_service.mqtt.dead_letters import DeadLetters
from rt_service.mqtt.relay import Relay
from rt_service.settings import Settings, SettingsError
from rt_service.tuning import GarbageCollector, open_files

if TYPE_CHECKING:
    from rt_service.registrar import Registrar

SWEEP_S = 10.0
PRESENCE_SWEEP_S = 0.5
LAG_MOST_S = 1.0  # a loop that is later than this is not ready
FLUSH_MOST_S = 2.0  # when stopping: who has not read its last words by then is not there any more
BETWEEN_CLOSES_S = 0.02  # when stopping: slower than this only helps when there are very many sessions


class Service:
    """One running rt-service."""

    def __init__(self, settings: Settings, app: Flask | None = None) -> None:
        """`app` is an application that is served along, with what it has of its own.

        Raises:
            SettingsError, RoutesError: the settings cannot be used.
        """
        self.routes = choices.check(settings)
        clock, metrics, limits = runtime.SystemClock(), Metrics(), settings.limits
        self.settings = settings
        self.metrics = metrics
        self.engine = choices.engine(settings, clock, metrics)
        self.hub = Hub(self.engine, clock, metrics, choices.hub_bounds(settings), node=secrets.token_hex(4))
        self.calls = Calls(runtime.Waiter, limits.calls_in_flight, limits.calls_per_identity)
        revocations = Revocations(self.engine, clock)
        revocations.restore()
        self.policy = policy = choices.policy(settings, clock, revocations)
        self.admission = Admission(policy, self.hub, clock, revocations)
        self.api = Api(
            self.hub, policy, self.calls, clock, metrics, settings.server.namespaces, choices.api_bounds(settings),
            Twins(self.engine, document_bytes=limits.message_bytes), self.admission,
        )  # fmt: skip
        self.devices = Devices(self.hub, self.engine, clock, limits.device_silent_s)
        self.dead_letters = DeadLetters(
            metrics, self.engine, settings.routes.dead_letters, settings.routes.dead_letter_bytes
        )
        self.relay = Relay(self.routes, self.api, self.devices, self.calls, self.dead_letters, clock)
        self.registrar = self._registrar(clock, metrics) if settings.accounts.enabled else None
        self.bridge = self._bridge(clock) if settings.bridge.url else None
        self.mqtt = self._mqtt_gateway(clock) if settings.mqtt.enabled and not self.bridge else None
        self.grpc = GrpcChild(settings, metrics) if settings.grpc.enabled else None
        self.api.devices = self.bridge or self.mqtt
        self.collector = GarbageCollector(lambda: metrics.publications.total + metrics.mqtt_messages.total)
        self.lag = runtime.LagMeter(lambda seconds: metrics.loop_lag_seconds.observe("", seconds))
        self._build_http(app, clock)
        self.timers: list[Callable[[], runtime.Timer]] = []  # an application's, started with everything else
        self.http_url = self.mqtt_url = ""
        self._log = log.get("service")
        self._front = front.Front(settings, metrics, clock)
        self._listener: Listener | None = None
        self._running: list[runtime.Timer] = []

    # -- building

    def _build_http(self, app: Flask | None, clock: Clock) -> None:
        """Everything that is reached over the HTTP port."""
        settings, metrics = self.settings, self.metrics
        origins = Origins(settings.server.cors_allowed_origins, metrics)
        about = (self.api, origins, settings.server.namespaces)
        ours = create_app(*about) if app is None else create_blueprint(*about)
        self.app: Flask = ours if isinstance(ours, Flask) else app  # type: ignore[assignment]
        self.socketio = SocketIoGateway(self.app, self.hub, self.api, metrics, settings, origins)
        loop, most = self.socketio.socketio.server.eio.loop, settings.limits.waiting_bytes
        self.polls = Polls(self.hub, metrics)
        self.streams = Streams(self.hub, self.api, metrics, loop, most, origins.headers)
        register(ours, self.streams, *self._answering(clock))
        if isinstance(ours, Blueprint):
            self.app.register_blueprint(ours)
        self._build_websockets(origins)

    def _answering(self, clock: Clock) -> tuple[object, ...]:
        """What answers the operations of the HTTP API, besides the streams."""
        settings, limits = self.settings, self.settings.limits
        requests = Requests(
            self.api, self.policy, clock, limits.wire_bytes, limits.publishes_per_s, limits.publish_burst
        )
        return (
            RoomsHttp(self.api, requests, self.polls), DevicesHttp(requests, self.devices),
            ServiceHttp(requests, self.metrics, self.dead_letters, self._checks()),
            SessionsHttp(requests, self.admission),
            AccountsHttp(requests, self.registrar, settings.accounts.registration == "open"),
            OperatorHttp(requests, self.hub, self.routes, settings),
        )  # fmt: skip

    def _build_websockets(self, origins: Origins) -> None:
        """In front of the application: what takes the socket out of a request."""
        settings, limits, eio = self.settings, self.settings.limits, self.socketio.socketio.server.eio
        self.ws = WsGateway(
            self.hub, self.api, self.metrics, settings.server.namespaces, eio.loop, eio.heartbeats,
            limits.waiting_bytes, limits.join_first_s,
        )  # fmt: skip
        self.echo = Echo(eio.loop, eio.heartbeats, limits.waiting_bytes, self.metrics)
        self.app.wsgi_app = PlainWebSockets(  # type: ignore[method-assign]
            self.app.wsgi_app, {"/ws": self.ws, "/echo": self.echo}, origins, limits.wire_bytes
        )
        if self.mqtt and settings.mqtt.websocket:
            self.app.wsgi_app = MqttOverWebSocket(  # type: ignore[method-assign]
                self.app.wsgi_app, self.mqtt, origins, settings.mqtt.packet_bytes
            )

    def _registrar(self, clock: Clock, metrics: Metrics) -> Registrar:
        from rt_service.registrar import Registrar  # with SQLAlchemy, which takes a third of a second to import

        keys = choices.token_keys(self.settings, clock)
        return Registrar(self.settings, self.engine, clock, metrics, self.admission, keys)

    def _mqtt_gateway(self, clock: Clock) -> MqttGateway:
        in_open_mode = self.settings.auth.mode == "open"
        by_secret = self.registrar.device if self.registrar else None
        guard = OpenGuard(self.routes.out_filters) if in_open_mode else TokenGuard(self.routes, self.policy, by_secret)
        forgets = isinstance(self.engine, MemoryEngine)
        keeper = Forgetful() if forgets else StoreKeeper(self.engine, clock)
        gateway = MqttGateway(
            self.relay, self.routes, guard, keeper, clock, self.metrics, choices.broker_bounds(self.settings),
            choices.connection_bounds(self.settings), self.settings.mqtt.max_connections,
        )  # fmt: skip
        if isinstance(keeper, StoreKeeper):
            keeper.restore(gateway.broker)
        self.admission.lines.append(gateway)
        return gateway

    def _bridge(self, clock: Clock) -> Bridge:
        return Bridge(
            self.settings.bridge, self.relay, self.routes, self.calls, clock, self.metrics, self.engine,
            self.engine.read,
        )  # fmt: skip

    def _checks(self) -> dict[str, Callable[[], str | None]]:
        """What /readyz asks."""
        checks: dict[str, Callable[[], str | None]] = {
            "engine": self.engine.healthy,
            "loop": lambda: f"{self.lag.latest_s:.1f} s late" if self.lag.latest_s > LAG_MOST_S else None,
            "stopping": lambda: "the service is stopping" if self.api.draining else None,
        }
        if self.bridge is not None:
            checks["bridge"] = self.bridge.healthy
        if self.registrar is not None:
            checks["accounts"] = self.registrar.healthy
        if self.grpc is not None:
            checks["grpc"] = self.grpc.healthy
        return checks

    # -- starting

    def start(self) -> None:
        """Listen, and start everything. Raises SettingsError when a port cannot be had."""
        open_files()
        runtime.start_threads()
        if self.registrar:
            self.registrar.start()
        http_socket, mqtt_socket = self._listen()
        self.engine.start(self.hub.deliver)
        self.devices.restore()
        tap = self.bridge or self.mqtt
        if tap is not None:
            self.hub.taps.append(tap)
        if self.bridge:
            self.mqtt_url = self.bridge.url
            self.bridge.start()
        if self.mqtt and mqtt_socket:
            self.mqtt_url = self._front.mqtt_url(mqtt_socket)
            self.mqtt.start(self._front.mqtt(mqtt_socket))
        self.http_url = self._front.http_url(http_socket)
        self._listener = self._front.http(http_socket, self.app)
        self._listener.start()
        self._running = [
            runtime.every(SWEEP_S, lambda: self.engine.sweep(self.hub.in_use)),
            runtime.every(PRESENCE_SWEEP_S, self._sweep_presence),
            *(start() for start in self.timers),
        ]
        self.streams.start()
        self.lag.start()
        self.collector.start()
        if self.grpc:
            self._start_grpc(self.grpc)
        self._log.info("started", http=self.http_url, mqtt=self.mqtt_url or None, engine=self.settings.engine.url)

    def _listen(self) -> tuple[socket.socket, socket.socket | None]:
        """The ports of HTTP and of the embedded broker: all that can be had, before anything starts."""
        server, mqtt, grpc = self.settings.server, self.settings.mqtt, self.settings.grpc
        http_socket = front.listen("server", server.host, server.port, server.backlog)
        mqtt_socket = front.listen("mqtt", self.settings.host("mqtt"), mqtt.port, server.backlog) if self.mqtt else None
        if self.grpc:  # only its process listens, but one that cannot is to be known by now
            front.listen("grpc", self.settings.host("grpc"), grpc.port, 1).close()
        return http_socket, mqtt_socket

    def _start_grpc(self, grpc: GrpcChild) -> None:
        try:
            grpc.start(self.http_url)
        except SettingsError:
            self.stop()
            raise

    def _sweep_presence(self) -> None:
        self.hub.sweep()
        self.devices.sweep()
        self.admission.sweep()

    def write_ready_file(self, path: Path) -> None:
        """Say where everything is, now that it accepts; the file appears whole. Raises SettingsError."""
        grpc = self.grpc.address if self.grpc else None
        ready = {"http": self.http_url, "mqtt": self.mqtt_url or None, "grpc": grpc, "pid": os.getpid()}
        part = path.with_name(path.name + ".part")
        try:
            part.write_bytes(encoding.dumps(ready) + b"\n")
            part.replace(path)
        except OSError as error:
            raise SettingsError(f"--ready-file {path}: cannot be written: {error.strerror}") from None

    # -- stopping

    def serve(self, signals: runtime.Signals) -> None:
        """Serve until one of them comes."""
        number = signals.wait()
        self._log.info("stopping", signal=signal.Signals(number).name, sessions=len(self.hub.sessions))

    def stop(self) -> None:
        """Refuse what is new, tell who is here, flush, leave: within the drain time."""
        drain_s = self.settings.server.drain_s
        clock = runtime.SystemClock()
        until = clock.monotonic() + drain_s
        if self.grpc:  # first: what its clients have under way still reaches the service
            self.grpc.stop(0.4 * drain_s)
        self.api.draining = True
        if self._listener:
            self._listener.stop()
        if self.mqtt:
            self.mqtt.stop_listening()
        self.polls.stop()
        self.ws.stop()
        self.echo.stop()
        self._close_sessions(drain_s * 0.7)
        self._flush(min(FLUSH_MOST_S, until - 0.2 * drain_s - clock.monotonic()))
        if self.bridge:
            self.bridge.stop(min(2.0, 0.2 * drain_s))
        if self.mqtt:
            self.mqtt.stop()
        for stop in (self.streams.stop, self.lag.stop, self.collector.stop, *(timer.stop for timer in self._running)):
            stop()
        if self.registrar:
            self.registrar.stop()
        runtime.sleep(0.05)  # last words are written by greenlets that run now
        self.engine.stop()
        self._log.info("stopped", sessions=len(self.hub.sessions))

    def _close_sessions(self, window_s: float) -> None:
        """Spread over the window, and with pauses of different length, so that clients do not all return at once."""
        sessions = list(self.hub.sessions)
        pause = min(BETWEEN_CLOSES_S, window_s / max(1, len(sessions)))
        for session in sessions:
            if not session.open:
                continue
            session.transport.close(
                "shutdown", "the service is stopping; reconnect and recover", reconnect=True,
                retry_after_ms=random.randrange(500, 3000),
            )  # fmt: skip
            runtime.sleep(pause)

    def _flush(self, seconds: float) -> None:
        """Wait until everything that was said is sent, but no longer than that."""
        clock = runtime.SystemClock()
        until = clock.monotonic() + seconds
        ways = (self.socketio, self.ws, self.streams)
        while clock.monotonic() < until and not all(way.flushed for way in ways):
            runtime.sleep(0.01)

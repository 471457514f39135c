"""The embedded broker among the rooms: devices' messages in, the rooms' publications and calls out."""

from __future__ import annotations

from typing import Any

from rt_service import runtime
from rt_service.admission import Talk
from rt_service.core.errors import NotOnline, RtError
from rt_service.core.model import Publication, Who
from rt_service.core.ports import Clock
from rt_service.gateways.acceptor import Acceptor, Over
from rt_service.gateways.mqtt.broker import Broker, BrokerBounds, Taken
from rt_service.gateways.mqtt.connection import Connection
from rt_service.gateways.mqtt.handshake import ConnectionBounds, Guard, no_room
from rt_service.gateways.mqtt.message import Message
from rt_service.gateways.mqtt.output import ByteStream
from rt_service.gateways.mqtt.session import Keeper
from rt_service.gateways.mqtt.streams import TcpStream
from rt_service.gateways.mqtt.subscriptions import Entry
from rt_service.metrics import Metrics
from rt_service.mqtt import relay
from rt_service.mqtt.relay import Outcome, Relay
from rt_service.mqtt.routes import Routes
from rt_service.mqtt.wire import Framer, ProtocolViolation, Reason

SWEEP_S = 1.0


class MqttGateway:
    """One more way into the rooms; a tap of the hub and the api's way to devices."""

    def __init__(
        self,
        relay: Relay,
        routes: Routes,
        guard: Guard,
        keeper: Keeper,
        clock: Clock,
        metrics: Metrics,
        bounds: BrokerBounds,
        connection_bounds: ConnectionBounds,
        max_connections: int,
    ) -> None:
        self.broker = Broker(self._take, keeper, clock, metrics, bounds)
        self._relay = relay
        self._routes = routes
        self._retained = {class_ for route, _ in routes.out_routes if route.retain for class_ in route.classes}
        self._guard = guard
        self._clock = clock
        self._metrics = metrics
        self._bounds = connection_bounds
        self._max_connections = max_connections
        self._acceptor: Acceptor | None = None
        self._connections: set[Connection] = set()
        self._sweeper: runtime.Timer | None = None

    # -- starting and stopping

    def start(self, acceptor: Acceptor) -> None:
        self._acceptor = acceptor
        self._sweeper = runtime.every(SWEEP_S, self.broker.sweep)
        acceptor.start(self)

    def stop_listening(self) -> None:
        if self._acceptor is not None:
            self._acceptor.stop()

    def stop(self) -> None:
        """Tell every client that the server shuts down, and close. Wills are sent: the devices are out of reach."""
        self.stop_listening()
        if self._sweeper is not None:
            self._sweeper.stop()
        for connection in list(self._connections):
            connection.end(Reason.SERVER_SHUTTING_DOWN)

    # -- connections; see acceptor.Door

    def serve(self, sock: Any, address: Any, over: Over) -> None:
        self.serve_stream(TcpStream(sock))

    def refuse(self, sock: Any, reason: str, retry_after_s: float) -> None:
        """MQTT has an answer to a CONNECT only, so that is read."""
        self._metrics.mqtt_refused.labels(reason).inc()
        framer, packets = Framer(65_536), list[tuple[int, bytes]]()
        try:
            while reason != "tls" and not packets:
                data = sock.recv(4096)
                if not data:
                    return
                packets = framer.feed(data)
        except ProtocolViolation:
            return
        if packets:
            sock.sendall(no_room(*packets[0], reason))

    def serve_stream(self, stream: ByteStream) -> None:
        """Serve MQTT on a stream until it ends."""
        if len(self._connections) >= self._max_connections:
            self._metrics.mqtt_refused.labels("connections").inc()
            stream.close()
            return
        self._serve(stream)

    def _serve(self, stream: ByteStream) -> None:
        connection = Connection(stream, self.broker, self._guard, self._clock, self._metrics, self._bounds)
        self._connections.add(connection)
        try:
            connection.run()
        finally:
            self._connections.discard(connection)

    # -- who is connected; see `admission.Line`

    def sessions(self) -> list[Talk]:
        return [
            Talk(f"mqtt:{c.client_id}", c.who, "mqtt", c.output.waiting, c.since)
            for c in self._connections
            if c.who is not None
        ]

    def end(self, sid: str, code: str) -> None:
        reason = Reason.NOT_AUTHORIZED if code == "token_expired" else Reason.ADMINISTRATIVE_ACTION
        for connection in [c for c in self._connections if f"mqtt:{c.client_id}" == sid]:
            self._metrics.closed.labels(code).inc()
            connection.end(reason)

    # -- devices' messages in

    def _take(self, message: Message, who: Who, done: Taken) -> None:
        """See `broker.Sink`."""
        self._relay.receive(
            relay.Message(message.topic, message.payload, who, token=message.token),
            lambda outcome: done(outcome if isinstance(outcome, RtError) else outcome is not Outcome.UNROUTED),
        )

    # -- the rooms out

    def __call__(self, publication: Publication) -> None:
        """Hand on what was published in a room, if a client has subscribed to it."""
        if not self.broker.subscriptions and publication.class_ not in self._retained:
            return
        for out in self._routes.outgoing(publication):
            entries = self.broker.subscriptions.match(out.topic)
            if entries or out.route.retain:
                message = Message(out.topic, out.payload, out.route.qos, out.route.retain)
                self._say(message, entries)

    def call(self, device: str, call_id: str, asked: Publication, timeout_s: float) -> None:
        """Ask a device that is connected; one that comes back later must not be told to do old things."""
        properties: dict[str, Any] = {
            "correlation_data": call_id.encode(),
            "message_expiry_interval": max(1, round(timeout_s)),
        }
        reply_topic = self._routes.reply_topic(device, call_id)
        if reply_topic is not None:
            properties["response_topic"] = reply_topic
        reached, now = 0, self._clock.monotonic()
        for out in self._routes.calls(device, call_id, asked):
            entries = self._connected(out.topic)
            self._say(Message.at(now, out.topic, out.payload, out.route.qos, False, properties), entries)
            reached += len(entries)
        if not reached:
            raise NotOnline(f"device:{device} is not online: nobody listens for its calls")

    def send(self, device: str, publication: Publication) -> int:
        """Hand over to the device's connections; how many there were."""
        reached = 0
        for out in self._routes.sends(device, publication):
            entries = self._connected(out.topic)
            self._say(Message(out.topic, out.payload, out.route.qos), entries)
            reached += len(entries)
        return reached

    def _connected(self, topic: str) -> list[Entry]:
        return [e for e in self.broker.subscriptions.match(topic) if e.session.connection is not None]

    def _say(self, message: Message, entries: list[Entry]) -> None:
        if message.retain:
            self.broker.retain(message)
        self.broker.deliver(message, entries)

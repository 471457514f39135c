"""The rooms and an outside broker: devices' messages in, the rooms' publications and calls out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from typing import Any

from rt_service import log, runtime
from rt_service.bridge.backlog import Backlog, Read
from rt_service.bridge.link import NO_MATCHING_SUBSCRIBERS, Link, Received
from rt_service.core.errors import NotOnline, RtError
from rt_service.core.model import Identity, Publication, PublicationClass, known_as
from rt_service.core.ports import Clock, Store
from rt_service.devices.calls import Calls
from rt_service.metrics import Metrics
from rt_service.mqtt import relay
from rt_service.mqtt.relay import Done, Outcome, Relay
from rt_service.mqtt.routes import Outgoing, Routes
from rt_service.settings.sections import Bridge as BridgeSettings

RETRY_S = 0.25
ONE_READ = 4096  # more messages than one read brings: reading pauses only between reads


class Outbox:
    """Publications that wait for the broker, oldest first; of a latest one only the newest of its topic."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._waiting: dict[Any, Outgoing] = {}
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, out: Outgoing) -> bool:
        """Whether there was room for it."""
        latest = out.publication.class_ is PublicationClass.LATEST
        key = (out.topic, out.publication.key) if latest else next(self._numbers)
        if key not in self._waiting and len(self._waiting) >= self._bound:
            return False
        self._waiting[key] = out
        return True

    def take(self, most: int) -> Iterator[Outgoing]:
        while self._waiting and most > 0:
            yield self._waiting.pop(next(iter(self._waiting)))
            most -= 1


def _resumable(publication: Publication, outs: list[Outgoing]) -> bool:
    """Whether it is in the history, and the broker says when it has it."""
    return publication.offset is not None and any(out.route.qos for out in outs)


class Taking:
    """A message of the broker on its way into its room."""

    __slots__ = ("received", "taken")

    def __init__(self, received: Received) -> None:
        self.received = received
        self.taken = False


class Round:
    """Messages that are handed over together; once one could not be kept, no more are, so that none overtakes it."""

    def __init__(self) -> None:
        self._open = 1
        self._failed = False
        self._over = runtime.Waiter()

    def take(self, messages: Iterable[Taking], submit: Callable[[Received, Done], None]) -> None:
        """Returns when each that was handed over is taken, or could not be."""
        for message in messages:
            if self._failed:
                break
            if not message.taken:
                self._open += 1
                submit(message.received, partial(self._settled, message))
        self._close()
        self._over.wait()

    def _settled(self, message: Taking, outcome: Outcome | RtError) -> None:
        message.taken = not isinstance(outcome, RtError)
        self._failed = self._failed or not message.taken
        self._close()

    def _close(self) -> None:
        self._open -= 1
        if not self._open:
            self._over.resolve()


class Bridge:
    """A tap of the hub and the api's way to devices, like the embedded broker's gateway."""

    def __init__(
        self,
        settings: BridgeSettings,
        relay: Relay,
        routes: Routes,
        calls: Calls,
        clock: Clock,
        metrics: Metrics,
        store: Store,
        read: Read,
    ) -> None:
        self._settings = settings
        self._relay = relay
        self._routes = routes
        self._calls = calls
        self._metrics = metrics
        self._log = log.get("bridge")
        self._who = known_as(Identity("service", settings.client_id))
        self._status_topic = f"rt/services/{settings.client_id}/status"
        self._inbox = runtime.Mailbox(settings.inbox + ONE_READ)
        self._outbox = Outbox(settings.outbox)
        self._backlog = Backlog(store, read, lambda count: metrics.dropped.labels("bridge_history").inc(count))
        self._in_flight: dict[int, Publication] = {}
        self._asked: dict[int, tuple[str, Identity]] = {}
        self._link = Link(
            settings, routes.filters, (self._status_topic, b"offline"), clock, received=self._received,
            may_read=lambda: len(self._inbox) < settings.inbox, up=self._up, done=self._done,
        )  # fmt: skip

    @property
    def url(self) -> str:
        return str(self._link.address)

    def start(self) -> None:
        self._backlog.begin()
        self._link.start()
        runtime.spawn(self._work)

    def stop(self, timeout_s: float) -> None:
        self._link.stop((self._status_topic, b"offline"), timeout_s)
        self._metrics.bridge_up.set(0)

    def healthy(self) -> str | None:
        """None, or one line that says what is wrong."""
        self._metrics.bridge_up.set(self._link.connected)
        return None if self._link.connected else f"the broker {self.url} is not connected"

    # -- in

    def _received(self, received: Received) -> None:
        self._metrics.bridge_messages.labels("in").inc()
        if not self._inbox.put(received):
            self._metrics.dropped.labels("bridge_inbox").inc()

    def _work(self) -> None:
        while True:
            self._take(self._inbox.take())

    def _take(self, messages: list[Received]) -> None:
        """Take messages for good and acknowledge them in order; while one cannot be kept, it and all behind it wait."""
        waiting = deque(Taking(received) for received in messages)
        told = False
        while True:
            Round().take(waiting, self._submit)
            while waiting and waiting[0].taken:
                self._link.acknowledge(waiting.popleft().received.delivery)
            if not waiting:
                return
            if not told:
                self._log.warning("not_taken_yet", topic=waiting[0].received.topic, messages=len(waiting))
            told = True
            runtime.sleep(RETRY_S)

    def _submit(self, received: Received, done: Done) -> None:
        message = relay.Message(received.topic, received.payload, self._who, received.retained, received.token)
        try:
            self._relay.receive(message, done)
        except Exception as error:  # noqa: BLE001  a fault of ours must not end the bridge
            self._log.error("internal_error", topic=received.topic, exc_info=error)
            done(Outcome.DEAD)

    # -- out

    def __call__(self, publication: Publication) -> None:
        outs = self._routes.outgoing(publication)
        if outs and (not _resumable(publication, outs) or self._backlog.offer(publication)):
            self._queue(publication, outs)
        self._pump()

    def _queue(self, publication: Publication, outs: list[Outgoing]) -> bool:
        """Whether there was room for it."""
        if len(self._outbox) + len(outs) > self._settings.outbox and _resumable(publication, outs):
            self._backlog.postpone(publication)
            return False
        for out in outs:
            if not self._outbox.put(out):
                self._metrics.dropped.labels("bridge_outbox").inc()
        return True

    def _refill(self) -> None:
        """Rooms that are behind, once there is room again."""
        if not self._backlog.waiting or len(self._outbox) > self._settings.outbox // 2:
            return
        for publication in self._backlog.late():
            outs = self._routes.outgoing(publication)
            if _resumable(publication, outs) and not self._queue(publication, outs):
                return

    def call(self, device: str, call_id: str, asked: Publication, timeout_s: float) -> None:
        """Ask a device; a broker that speaks MQTT 5 tells at once when nobody listens."""
        if not self._link.connected:
            raise NotOnline(f"device:{device} cannot be reached: the broker is not connected")
        properties: dict[str, Any] = {
            "CorrelationData": call_id.encode(),
            "MessageExpiryInterval": max(1, round(timeout_s)),
        }
        reply_topic = self._routes.reply_topic(device, call_id)
        if reply_topic is not None:
            properties["ResponseTopic"] = reply_topic
        for out in self._routes.calls(device, call_id, asked):
            mid = self._publish(out, **properties)
            self._asked[mid] = (call_id, Identity("device", device))

    def send(self, device: str, publication: Publication) -> int:
        """Hand over to the broker; how many messages, since it does not tell who got them."""
        if not self._link.connected:
            return 0
        return len([self._publish(out) for out in self._routes.sends(device, publication)])

    def _up(self) -> None:
        self._metrics.bridge_connects.inc()
        self._metrics.bridge_up.set(1)
        self._link.publish(self._status_topic, b"online", 1, True)
        self._pump()

    def _pump(self) -> None:
        """Hand over what waits, as far as the broker's receive maximum allows."""
        if not self._link.connected:
            return
        self._refill()
        for out in self._outbox.take(self._link.in_flight_most - len(self._in_flight)):
            mid = self._publish(out)
            if out.route.qos:  # at QoS 0 nothing comes back after a connection is lost
                self._in_flight[mid] = out.publication

    def _publish(self, out: Outgoing, **properties: Any) -> int:
        self._metrics.bridge_messages.labels("out").inc()
        return self._link.publish(out.topic, out.payload, out.route.qos, out.route.retain, **properties)

    def _done(self, mid: int, reason: int) -> None:
        publication = self._in_flight.pop(mid, None)
        if publication is not None:
            self._backlog.confirmed(publication)
        call_id, device = self._asked.pop(mid, (None, None))
        if call_id is not None and device is not None and reason == NO_MATCHING_SUBSCRIBERS:
            try:
                self._calls.fail(call_id, device, NotOnline(f"{device} is not online: nobody listens for its calls"))
            except RtError:
                pass  # it timed out meanwhile
        self._pump()

"""What is counted, for Prometheus: every metric is made here, so this file is their list.

Counting happens several times for each publication, so it is an addition to a plain number; prometheus-client, whose
counters take a lock and a microsecond each, writes the numbers out when they are asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Number:
    """One time series of a counter or a gauge."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        self.value += amount

    def dec(self, amount: float = 1) -> None:
        self.value -= amount

    def set(self, value: float) -> None:
        self.value = value


class Family:
    """The time series of one metric, by the value of its label."""

    def __init__(self, kind: type[CounterMetricFamily | GaugeMetricFamily], name: str, text: str, label: str) -> None:
        self.name = name
        self._kind = kind
        self._text = text
        self._label = label
        self._numbers: dict[str, Number] = {}

    def labels(self, value: str) -> Number:
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = Number()
        return number

    @property
    def total(self) -> float:
        return sum(number.value for number in self._numbers.values())

    def collect(self) -> Metric:
        family = self._kind(self.name, self._text, labels=[self._label] if self._label else [])
        for value, number in self._numbers.items():
            family.add_metric([value] if self._label else [], number.value)
        return family


class Durations:
    """Histograms of seconds, by the value of a label."""

    def __init__(self, name: str, text: str, label: str) -> None:
        self.name = name
        self._text = text
        self._label = label
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def observe(self, value: str, seconds: float) -> None:
        counts = self._counts.get(value)
        if counts is None:
            counts = self._counts[value] = [0] * (len(_SECONDS) + 1)
            self._sums[value] = 0.0
        counts[bisect_left(_SECONDS, seconds)] += 1
        self._sums[value] += seconds

    def collect(self) -> Metric:
        family = HistogramMetricFamily(self.name, self._text, labels=[self._label] if self._label else [])
        for value, counts in self._counts.items():
            total, buckets = 0, []
            for bound, count in zip((*map(str, _SECONDS), "+Inf"), counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([value] if self._label else [], buckets, self._sums[value])
        return family


class Metrics:
    """One registry per service, so that two services in one process (as in tests) do not add up."""

    def __init__(self) -> None:
        self._families: list[Family | Durations] = []
        self.registry = CollectorRegistry()
        self.registry.register(self)

        self.sessions = self._gauge("sessions", "Open sessions", "transport")
        self.polls = self._gauge("polls", "Requests that wait for something new in a room").labels("")
        self.publications = self._counter("publications", "Publications taken", "namespace")
        self.repeated = self._counter(
            "publications_repeated", "Publications answered with the receipt of the first", "namespace"
        )
        self.deliveries = self._counter("deliveries", "Publications handed to sessions", "namespace")
        self.dropped = self._counter("dropped", "What was not delivered, by reason", "reason")
        self.closed = self._counter("sessions_closed", "Sessions that the service closed, by reason", "reason")
        self.refused = self._counter("refused", "Requests that were refused, by error code", "code")
        self.presence_not_pushed = self._counter(
            "presence_not_pushed", "Presence changes not pushed because the room is too full"
        ).labels("")
        self.forgotten = self._counter(
            "rooms_forgotten", "Rooms of which memory had no place any more for history and latest values"
        ).labels("")
        self.calls = self._counter("calls", "Calls, by outcome", "outcome")
        self.dead_letters = self._counter("dead_letters", "Device messages that became nothing, by reason", "reason")
        self.verb_seconds = self._durations("verb_seconds", "Time to answer a verb", "verb")
        self.loop_lag_seconds = self._durations("loop_lag_seconds", "How late the loop was")
        self.mqtt_messages = self._counter(
            "mqtt_messages", "MQTT messages of the embedded broker, by direction", "direction"
        )
        self.mqtt_paused = self._counter(
            "mqtt_paused_seconds", "Time for which MQTT connections that publish too fast were not read"
        ).labels("")
        self.mqtt_refused = self._counter("mqtt_refused", "MQTT requests that were refused, by reason", "reason")
        self.logins = self._counter("logins", "Log-ins, by outcome", "outcome")
        self.grpc_streams = self._gauge("grpc_streams", "Open Subscribe and Session streams").labels("")
        self.grpc_requests = self._counter("grpc_requests", "gRPC requests without streams, by outcome", "outcome")
        self.grpc_streams_ended = self._counter("grpc_streams_ended", "gRPC streams that ended, by outcome", "outcome")
        self.bridge_up = self._gauge("bridge_up", "Whether the outside broker is connected").labels("")
        self.bridge_messages = self._counter(
            "bridge_messages", "MQTT messages over the bridge, by direction", "direction"
        )
        self.bridge_connects = self._counter("bridge_connects", "Connections made to the outside broker").labels("")

    def collect(self) -> Iterator[Metric]:
        """prometheus-client asks for this."""
        for family in self._families:
            yield family.collect()

    def text(self) -> bytes:
        """Everything, in the Prometheus text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, label: str = "") -> Family:
        return self._family(Family(CounterMetricFamily, f"rt_{name}", text, label))

    def _gauge(self, name: str, text: str, label: str = "") -> Family:
        return self._family(Family(GaugeMetricFamily, f"rt_{name}", text, label))

    def _durations(self, name: str, text: str, label: str = "") -> Durations:
        durations = Durations(f"rt_{name}", text, label)
        self._families.append(durations)
        return durations

    def _family(self, family: Family) -> Family:
        self._families.append(family)
        return family

"""What is counted, as Prometheus metrics: every one of them is made here, so this file is their list."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """One registry per service, so that two services in one process (as in tests) do not add up."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"rt_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"rt_{name}", text, labels, registry=registry)

        self.sessions = gauge("sessions", "Open sessions", "transport")
        self.publications = counter("publications", "Publications taken", "namespace")
        self.repeated = counter(
            "publications_repeated", "Publications answered with the receipt of the first", "namespace"
        )
        self.deliveries = counter("deliveries", "Publications handed to sessions", "namespace")
        self.dropped = counter("dropped", "What was not delivered, by reason", "reason")
        self.closed = counter("sessions_closed", "Sessions that the service closed, by reason", "reason")
        self.refused = counter("refused", "Requests that were refused, by error code", "code")
        self.presence_not_pushed = counter(
            "presence_not_pushed", "Presence changes not pushed because the room is too full"
        )
        self.calls = counter("calls", "Calls, by outcome", "outcome")
        self.dead_letters = counter("dead_letters", "Device messages that became nothing, by reason", "reason")
        self.verb_seconds = Histogram(
            "rt_verb_seconds", "Time to answer a verb", ["verb"], buckets=_FAST, registry=registry
        )
        self.loop_lag_seconds = Histogram(
            "rt_loop_lag_seconds", "How late the loop was", buckets=_FAST, registry=registry
        )
        self.mqtt_messages = counter("mqtt_messages", "MQTT messages of the embedded broker, by direction", "direction")
        self.mqtt_refused = counter("mqtt_refused", "MQTT requests that were refused, by reason", "reason")
        self.bridge_up = gauge("bridge_up", "Whether the outside broker is connected")
        self.bridge_messages = counter("bridge_messages", "MQTT messages over the bridge, by direction", "direction")
        self.bridge_connects = counter("bridge_connects", "Connections made to the outside broker")

    def text(self) -> bytes:
        """Everything, in the Prometheus text format."""
        return generate_latest(self.registry)

"""The service's core without sockets: a hub with sessions whose wire is a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from rt_service.admission import Admission, Talk
from rt_service.api import Api
from rt_service.auth.policy import OpenPolicy, Policy
from rt_service.auth.revocations import Revocations
from rt_service.core.hub import Hub, HubBounds
from rt_service.core.model import Publication
from rt_service.core.ports import Engine
from rt_service.core.session import Session
from rt_service.core.stream import StreamBounds
from rt_service.devices.calls import Calls
from rt_service.devices.twin import Twins
from rt_service.engines.memory import MemoryEngine
from rt_service.metrics import Metrics
from rt_service.publishing import ApiBounds
from tests.support.clock import ManualClock
from tests.support.verbs import Verbs

NAMESPACES = ("/chat", "/game", "/iot")


class PlainWire:
    """A wire format for tests: a publication is its dictionary, an outbox a list."""

    name = "plain"

    def publication(self, publication: Publication) -> dict[str, Any]:
        return publication.as_dict()

    def push(self, namespace: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"push": name, **body}

    def broadcast(
        self, outboxes: Iterable[list[Any]], frame: dict[str, Any], publication: Publication | None = None
    ) -> None:
        for outbox in outboxes:
            outbox.append(frame)


class ListTransport:
    """A wire whose far end reads everything at once: what was sent stands in `outbox`."""

    wire = PlainWire()
    waiting = 0
    answers_calls = True

    def __init__(self) -> None:
        self.outbox: list[dict[str, Any]] = []
        self.on_call: Callable[[dict[str, Any]], Any] | None = None
        self.closed: dict[str, Any] | None = None

    def ask(self, body: dict[str, Any], answered: Callable[[Any], None]) -> Callable[[], object]:
        if self.on_call is not None:
            answered(self.on_call(body))
        return lambda: None

    def close(self, code: str, message: str, *, reconnect: bool, retry_after_ms: int = 0) -> None:
        self.closed = self.closed or {"code": code, "message": message, "reconnect": reconnect}


class ListLine:
    """A way in whose conversations are a list: what was ended stands in `ended`."""

    def __init__(self, talks: list[Talk]) -> None:
        self.talks = talks
        self.ended: list[tuple[str, str]] = []

    def sessions(self) -> list[Talk]:
        return list(self.talks)

    def end(self, sid: str, code: str) -> None:
        self.talks = [talk for talk in self.talks if talk.sid != sid]
        self.ended.append((sid, code))


class NowWaiter:
    """A waiter for tests without greenlets: the answer is there already, or it times out."""

    def __init__(self) -> None:
        self._values: list[Any] = []

    def resolve(self, value: Any) -> None:
        self._values.append(value)

    def wait(self, timeout_s: float) -> Any:
        if not self._values:
            raise TimeoutError
        return self._values[0]


class Client(Verbs):
    """A session, spoken to as its client would."""

    def __init__(self, core: Core, session: Session, transport: ListTransport) -> None:
        self.core = core
        self.session = session
        self.transport = transport

    @property
    def on_call(self) -> Callable[[dict[str, Any]], Any] | None:
        return self.transport.on_call

    @on_call.setter
    def on_call(self, answer: Callable[[dict[str, Any]], Any] | None) -> None:
        self.transport.on_call = answer

    def ask(self, verb: str, request: Any = None) -> dict[str, Any]:
        answers: list[dict[str, Any]] = []
        self.core.api.answer(self.session, verb, request, answers.append)
        (answer,) = answers
        try:
            read: dict[str, Any] = orjson.loads(orjson.dumps(answer))  # publications stand in it as JSON
        except TypeError:  # binary
            return answer
        return read

    @property
    def publications(self) -> list[dict[str, Any]]:
        return [frame for frame in self.transport.outbox if "push" not in frame]

    def pushed(self, name: str) -> list[dict[str, Any]]:
        return [{k: v for k, v in frame.items() if k != "push"} for frame in self.pushes if frame["push"] == name]

    @property
    def pushes(self) -> list[dict[str, Any]]:
        return [frame for frame in self.transport.outbox if "push" in frame]

    def data(self) -> list[Any]:
        return [frame["data"] for frame in self.publications]


class Core:
    def __init__(
        self,
        engine: Engine | None = None,
        hub_bounds: HubBounds | None = None,
        api_bounds: ApiBounds | None = None,
        stream_bounds: StreamBounds | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.engine = engine or MemoryEngine(self.clock, stream_bounds or StreamBounds())
        self.hub = Hub(self.engine, self.clock, self.metrics, hub_bounds or HubBounds(), node="t")
        self.calls = Calls(NowWaiter, 10, 10)
        policy = policy or OpenPolicy()
        self.revocations = Revocations(self.engine, self.clock)  # type: ignore[arg-type]
        self.admission = Admission(policy, self.hub, self.clock, self.revocations)
        self.api = Api(
            self.hub,
            policy,
            self.calls,
            self.clock,
            self.metrics,
            NAMESPACES,
            api_bounds or ApiBounds(),
            Twins(MemoryEngine(self.clock, StreamBounds())),
            self.admission,
        )
        self.engine.start(self.hub.deliver)
        self._sids = 0

    def client(
        self, user: str | None = None, namespace: str = "/chat", info: Any = None, token: str | None = None
    ) -> Client:
        self._sids += 1
        transport = ListTransport()
        auth = {"info": info, "token": token} | ({"user": user} if user else {})
        return Client(self, self.api.connect(f"s{self._sids}", namespace, auth, transport), transport)

    def count(self, counter: Any, **labels: str) -> float:
        """The value of one of `metrics`."""
        return float((counter.labels(*labels.values()) if labels else counter).value)

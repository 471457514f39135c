"""To one identity alone, wherever it is: a session of this service, or a device that speaks MQTT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_service.core import encoding
from rt_service.core.errors import NotOnline, RtError, TooLarge
from rt_service.core.hub import Hub
from rt_service.core.model import Identity, Publication
from rt_service.core.ports import DeviceLink
from rt_service.core.session import Session
from rt_service.devices.calls import Calls
from rt_service.metrics import Metrics


class Asking:
    """`devices` is the way to devices that speak MQTT, once there is one."""

    def __init__(self, hub: Hub, calls: Calls, metrics: Metrics, answer_bytes: int) -> None:
        self.devices: DeviceLink | None = None
        self._hub = hub
        self._calls = calls
        self._metrics = metrics
        self._answer_bytes = answer_bytes

    def send(self, to: Identity, publication: Publication) -> int:
        """How many sessions and connections got it. Raises NotOnline when nobody did."""
        delivered = 0
        if to.kind == "device" and self.devices is not None:
            delivered = self.devices.send(to.id, publication)
        try:
            return delivered + self._hub.send(to, publication)
        except NotOnline:
            if not delivered:
                raise
            return delivered

    def ask(self, caller: Session, to: Identity, question: Publication, timeout_s: float) -> Any:
        """What the callee answered.

        Raises:
            NotOnline: nobody of that name is there.
            TooManyRequests: as many calls wait as may.
            TooLarge: its answer is.
            Timeout, or another RtError: it did not answer in time, or with an error.
        """
        try:
            answer = self._ask(caller, to, question, timeout_s)
            size = len(encoding.encode(answer).json)  # whatever a callee says has to fit into an answer
            if size > self._answer_bytes:
                raise TooLarge(f"what {to} answered is {size} bytes as JSON, more than {self._answer_bytes}")
        except RtError as error:
            self._metrics.calls.labels(error.code).inc()
            raise
        self._metrics.calls.labels("answered").inc()
        return answer

    def _ask(self, caller: Session, to: Identity, question: Publication, timeout_s: float) -> Any:
        callees = [s for s in self._hub.sessions.of(to, question.namespace) if s.transport.answers_calls]
        call = self._calls.open(to, caller.identity)
        forget: Callable[[], object] | None = None
        try:
            if callees:
                sender = question.as_dict()["from"]
                body = {"id": call.id, "method": question.event, "data": question.data, "from": sender}
                forget = callees[-1].transport.ask(body, call.answered)
            elif to.kind == "device" and self.devices is not None:
                self.devices.call(to.id, call.id, question, timeout_s)
            else:
                raise NotOnline(f"{to} is not online")
            return self._calls.wait(call, timeout_s)
        finally:
            if forget is not None:
                forget()
            self._calls.drop(call)

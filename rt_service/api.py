"""The one door: every verb of CONTRACT.md section 2, once. Validate, limit, authorise, do, answer.

A gateway hands over what a client sent and writes back what it gets; it decides nothing about rooms or permissions.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from rt_service import log, verbs
from rt_service.admission import Admission
from rt_service.asking import Asking
from rt_service.auth.policy import Policy, allow
from rt_service.core import names
from rt_service.core.errors import (
    BadRequest,
    Internal,
    NotMember,
    RtError,
    Unavailable,
)
from rt_service.core.hub import Hub, Joined
from rt_service.core.limits import Pace, TokenBucket
from rt_service.core.model import Position, Publication
from rt_service.core.ports import Clock, DeviceLink, Receipt, Transport
from rt_service.core.session import Session
from rt_service.devices.calls import Calls
from rt_service.devices.registry import NAMESPACE as DEVICES
from rt_service.devices.registry import room_of
from rt_service.devices.twin import Change, Twins
from rt_service.devices.twin_rooms import TwinRooms
from rt_service.metrics import Metrics
from rt_service.publishing import ApiBounds, Publishing

Answer = dict[str, Any]
Reply = Callable[[Answer], None]
# What a verb does for a session with what was asked: the answer, or None where the reply gets it later.
Verb = Callable[[Session, Any, Reply], Answer | None]


class Api:
    def __init__(
        self,
        hub: Hub,
        policy: Policy,
        calls: Calls,
        clock: Clock,
        metrics: Metrics,
        namespaces: Collection[str],
        bounds: ApiBounds,
        twins: Twins,
        admission: Admission,
    ) -> None:
        self._admission = admission
        self._people = Asking(hub, calls, metrics, bounds.message_bytes)
        self.draining = False
        self.publishing = publishing = Publishing(hub, policy, clock, namespaces, bounds)
        self._joins = Pace("joins", bounds.joins_per_s, bounds.join_burst)
        self._hub = hub
        self._policy = policy
        self._clock = clock
        self._metrics = metrics
        self._bounds = bounds
        self.twins = TwinRooms(twins, publishing.publish)
        self._log = log.get("api")
        self._verbs: dict[str, tuple[type[msgspec.Struct], Verb]] = {
            "join": (verbs.Join, self._join),
            "leave": (verbs.Room, self._leave),
            "publish": (verbs.Publish, self._publish),
            "send": (verbs.Send, self._send),
            "call": (verbs.Call, self._call),
            "history": (verbs.History, self._history),
            "presence": (verbs.Room, self._presence),
            "rooms": (verbs.Rooms, self._rooms),
            "twin": (verbs.Twin, self._twin),
            "twin.update": (verbs.TwinUpdate, self._twin_update),
            "refresh": (verbs.Refresh, self._refresh),
            "ping": (verbs.Ping, self._ping),
        }

    @property
    def devices(self) -> DeviceLink | None:
        """The way to devices that speak MQTT, once there is one."""
        return self._people.devices

    @devices.setter
    def devices(self, link: DeviceLink | None) -> None:
        self._people.devices = link

    # -- for gateways

    def connect(self, sid: str, namespace: str, credentials: Mapping[str, Any], transport: Transport) -> Session:
        """Open a session.

        Raises:
            RtError: it may not, see `Admission.open`.
            Unavailable: the service is about to stop.
        """
        if self.draining:
            raise Unavailable("the service is stopping; reconnect", retry_after_ms=1000)
        bucket = TokenBucket(self._bounds.publishes_per_s, self._bounds.publish_burst, self._clock.monotonic())
        return self._admission.open(sid, namespace, credentials, transport, bucket)

    def check(self, credentials: Mapping[str, Any]) -> None:
        """Raises Unauthorized, TokenExpired or BadRequest: nobody comes in with these."""
        self._admission.check(credentials)

    def disconnect(self, session: Session) -> None:
        self._hub.close(session)

    def answer(self, session: Session, verb: str, request: Any, reply: Reply) -> None:
        """Do what a client asks and hand the answer to `reply`, whatever happens; what a join held follows after it.

        The answer to a publish comes when it is kept; meanwhile the client's next request may be handled.
        """
        started = self._clock.monotonic()

        def finish(answer: Answer) -> None:
            try:
                reply(answer)
            except Exception as error:  # noqa: BLE001  an answer that cannot be written; the client gets another one
                if verb == "join" and answer["ok"]:
                    self._hub.leave(session, request["room"])
                answer = self.failure(error, verb=verb)
                reply(answer)
            if verb == "join" and answer["ok"]:
                self._hub.release(session, request["room"])
            if answer["ok"] or verb in self._verbs:
                self._metrics.verb_seconds.observe(verb, self._clock.monotonic() - started)

        try:
            answer = self._do(session, verb, request, finish)
        except RtError as error:
            finish(self.refusal(error))
        except Exception as error:  # noqa: BLE001  whatever it is, the client gets an answer
            finish(self.failure(error, verb=verb))
        else:
            if answer is not None:
                finish({"ok": True, **answer})

    def refusal(self, error: RtError) -> Answer:
        """The answer that says no, counted."""
        self._metrics.refused.labels(error.code).inc()
        return {"ok": False, "error": error.as_dict()}

    def failure(self, error: Exception, **about: Any) -> Answer:
        """The answer to what should not have happened: the details go to the log, under a reference the client gets."""
        reference = secrets.token_hex(4)
        self._log.error("internal_error", reference=reference, exc_info=error, **about)
        return self.refusal(Internal(f"something went wrong here; the reference is {reference}"))

    def follow(self, session: Session, room: Any, since: Position | None) -> Joined:
        """Join a room; what is published from now on is held until `Hub.release`. Raises RtError, see `Hub.join`."""
        room = self._room(session, "join", room)
        self._joins.check(str(session.identity), self._clock.monotonic())
        self.publishing.check_new(session.who, session.namespace, room)
        return self._hub.join(session, room, since)

    # -- verbs

    def _do(self, session: Session, verb: str, request: Any, finish: Reply) -> Answer | None:
        """The answer, or None where `finish` gets it later."""
        known = self._verbs.get(verb)
        if known is None:
            there_are = ", ".join(self._verbs)
            raise BadRequest(
                f"there is no verb {verb[:64]!r}; there are {there_are}; `publish` takes room, event and data"
            )
        kind, run = known
        return run(session, verbs.convert(verb, {} if request is None else request, kind), finish)

    def _join(self, session: Session, asked: verbs.Join, reply: Reply) -> Answer:
        joined = self.follow(session, asked.room, asked.since.position() if asked.since else None)
        return {
            "epoch": joined.page.epoch,
            "offset": joined.page.offset,
            "recovered": joined.recovered.recovered,
            "publications": [p.shown() for p in joined.recovered.publications],
            "latest": [p.shown() for p in joined.latest],
            "members": [m.as_dict() for m in joined.members],
        }

    def _leave(self, session: Session, asked: verbs.Room, reply: Reply) -> Answer:
        room = names.room_name(asked.room)
        if not self._hub.leave(session, room):
            raise NotMember(f"this session is not in {room}")
        return {}

    def _publish(self, session: Session, asked: verbs.Publish, finish: Reply) -> None:
        self.publishing.take_token(session)
        if type(asked.room) is not str or asked.room not in session.rooms:
            raise NotMember(f"join {names.room_name(asked.room)} before publishing in it")
        publication = self.publishing.made(session, asked)

        def kept(receipt: Receipt | RtError) -> None:
            if isinstance(receipt, RtError):
                finish(self.refusal(receipt))
                return
            finish({"ok": True, "id": publication.id, "epoch": receipt.epoch, "offset": receipt.offset})

        self._hub.publish(publication, kept)

    def _send(self, session: Session, asked: verbs.Send, reply: Reply) -> Answer:
        self.publishing.take_token(session)
        to = names.address(asked.to)
        publication = self._hub.publication(
            session.namespace, None, names.event_name(asked.event), asked.data, session.identity
        )
        self.publishing.check_size(publication)
        allow(self._policy, session.who, "send", session.namespace, str(to), publication.event)
        return {"delivered": self._people.send(to, publication)}

    def _call(self, session: Session, asked: verbs.Call, reply: Reply) -> Answer:
        self.publishing.take_token(session)
        to, method = names.address(asked.to), names.method_name(asked.method)
        timeout_s = asked.timeout_ms / 1000
        if timeout_s > self._bounds.call_timeout_max_s:
            raise BadRequest(f"timeout_ms is at most {self._bounds.call_timeout_max_s * 1000:.0f}")
        question = self._hub.publication(session.namespace, None, method, asked.data, session.identity)
        self.publishing.check_size(question)
        allow(self._policy, session.who, "call", session.namespace, str(to), method)
        return {"data": self._people.ask(session, to, question, timeout_s)}

    def _history(self, session: Session, asked: verbs.History, reply: Reply) -> Answer:
        room = self._room(session, "history", asked.room)
        since = asked.since.position() if asked.since else None
        page = self._hub.read(session.namespace, room, since, asked.limit, asked.reverse)
        fitting = self._fitting(page.publications)
        return {
            "epoch": page.epoch,
            "offset": page.offset,
            "publications": [p.shown() for p in fitting],
            "more": page.more or len(fitting) < len(page.publications),
        }

    def _fitting(self, publications: Sequence[Publication]) -> Sequence[Publication]:
        """As many as fit into one answer."""
        size = 0
        for count, publication in enumerate(publications):
            size += publication.size
            if size > self._bounds.answer_bytes and count:
                return publications[:count]
        return publications

    def _presence(self, session: Session, asked: verbs.Room, reply: Reply) -> Answer:
        room = self._room(session, "presence", asked.room)
        return {"members": [m.as_dict() for m in self._hub.presence.members(session.namespace, room)]}

    def _rooms(self, session: Session, asked: verbs.Rooms, reply: Reply) -> Answer:
        allow(self._policy, session.who, "rooms", session.namespace, None, None)
        may, count = self._policy.may, self._hub.presence.count
        found = (
            {"room": name, "members": count(session.namespace, name)}
            for name in self._hub.room_names(session.namespace, asked.prefix)
            if name > asked.after and may(session.who, "join", session.namespace, name, None)
        )
        rooms = list(islice(found, asked.limit))
        return {"rooms": rooms, "more": next(found, None) is not None}

    def _twin(self, session: Session, asked: verbs.Twin, reply: Reply) -> Answer:
        device = self._device(session, "twin", asked.device)
        return self.twins.get(device).as_dict()

    def _twin_update(self, session: Session, asked: verbs.TwinUpdate, reply: Reply) -> None:
        self.publishing.take_token(session)
        device = self._device(session, "twin.update", asked.device)

        def done(change: Change | RtError) -> None:
            if isinstance(change, RtError):
                reply(self.refusal(change))
            else:
                reply({"ok": True, **change.after.as_dict()})

        self.twins.change(done, session.who, device, "desired", asked.desired, asked.version)

    def _device(self, session: Session, verb: str, value: Any) -> str:
        if not names.is_name(value):
            raise BadRequest("`device` is 1-128 of A-Za-z0-9_.:@-")
        allow(self._policy, session.who, verb, DEVICES, room_of(value), None)
        return str(value)

    def _refresh(self, session: Session, asked: verbs.Refresh, reply: Reply) -> Answer:
        return {"expires_at": self._admission.refresh(session, asked.token)}

    def _ping(self, session: Session, asked: verbs.Ping, reply: Reply) -> Answer:
        return {"at": self._clock.ms()}

    # -- checks

    def _room(self, session: Session, verb: str, value: Any) -> str:
        room = names.room_name(value)
        allow(self._policy, session.who, verb, session.namespace, room, None)
        return room

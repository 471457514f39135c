"""What a device's message does in the service: the same over the embedded broker and over an outside one."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, NamedTuple

from rt_service.api import Api
from rt_service.core import names
from rt_service.core.errors import BadRequest, RtError
from rt_service.core.model import Identity, PublicationClass, Token, Who, known_as
from rt_service.core.ports import Clock
from rt_service.devices.calls import Calls, error_of
from rt_service.devices.registry import Devices
from rt_service.mqtt.dead_letters import DeadLetters
from rt_service.mqtt.payloads import CODECS
from rt_service.mqtt.routes import Incoming, Routes


class Message(NamedTuple):
    """What came in. `sender` is who the broker says it is; `stale` marks a retained message of earlier; `token` is how
    a redelivery is recognised."""

    topic: str
    payload: bytes
    sender: Who
    stale: bool = False
    token: Token | None = None


class Outcome(Enum):
    TAKEN = auto()  # it did what its route says
    DEAD = auto()  # it could not: counted, kept to look at, and acknowledged
    UNROUTED = auto()  # no route is for it


Done = Callable[[Outcome | RtError], None]


class Relay:
    def __init__(
        self,
        routes: Routes,
        api: Api,
        devices: Devices,
        calls: Calls,
        dead_letters: DeadLetters,
        clock: Clock,
    ) -> None:
        self._routes = routes
        self._api = api
        self._devices = devices
        self._calls = calls
        self._dead_letters = dead_letters
        self._clock = clock
        self._does = {
            "status": self._status,
            "reply": self._reply,
            "failure": self._failure,
            "refuse": self._refuse,
        }

    def receive(self, message: Message, done: Done) -> None:
        """Do what the message's route says, and say when the message may be acknowledged.

        `done` is called once, now or later; with an error, a temporary one, where the message was not taken and has to
        come again.
        """
        incoming = self._routes.incoming(message.topic)
        if incoming is None:
            done(Outcome.UNROUTED)
            return
        try:
            if incoming.device and incoming.route.does != "status" and not message.stale:
                self._devices.heard(_device(incoming).id)
            if incoming.route.does == "publish":
                self._publish(incoming, message, done)
                return
            if incoming.route.does == "reported":
                self._reported(incoming, message, done)
                return
            self._does[incoming.route.does](incoming, message)
        except RtError as error:
            if not error.temporary:
                self._bury(error, message)
            done(error if error.temporary else Outcome.DEAD)
        else:
            done(Outcome.TAKEN)

    def _bury(self, error: RtError, message: Message) -> None:
        self._dead_letters.add(
            error.code, error.message, message.topic, message.payload, str(message.sender.identity), self._clock.ms()
        )

    def _publish(self, incoming: Incoming, message: Message, done: Done) -> None:
        sender = _speaker(_device(incoming), message) if incoming.device else message.sender
        class_, key = incoming.route.class_, incoming.key
        data = _data(incoming, message)
        if message.stale:
            if self._api.publishing.is_latest(incoming.namespace, incoming.room, key or incoming.event, data):
                done(Outcome.TAKEN)  # it comes again with every connection to the broker
                return
            if class_ is PublicationClass.KEPT:
                class_ = PublicationClass.LATEST  # no news: said before, and kept by the broker since
        self._api.publishing.publish(
            lambda receipt: done(receipt if isinstance(receipt, RtError) else Outcome.TAKEN),
            sender, incoming.namespace, incoming.room, incoming.event, data,
            class_=class_, key=key, token=message.token,
        )  # fmt: skip

    def _reported(self, incoming: Incoming, message: Message, done: Done) -> None:
        device = _device(incoming)
        self._api.twins.change(
            lambda change: done(change if isinstance(change, RtError) else Outcome.TAKEN),
            _speaker(device, message), device.id, "reported", _data(incoming, message),
        )  # fmt: skip

    def _status(self, incoming: Incoming, message: Message) -> None:
        said = str(_data(incoming, message)).strip().strip('"').lower()
        if said not in ("online", "offline", ""):
            raise BadRequest("a status is online or offline")
        self._devices.status(_device(incoming).id, said == "online")

    def _reply(self, incoming: Incoming, message: Message) -> None:
        self._calls.answer(incoming.call, _device(incoming), _data(incoming, message))

    def _failure(self, incoming: Incoming, message: Message) -> None:
        device = _device(incoming)
        self._calls.fail(incoming.call, device, error_of(device, _data(incoming, message)))

    def _refuse(self, incoming: Incoming, message: Message) -> None:
        raise NoRoute("there is no route for this topic")


class NoRoute(BadRequest):
    """The reason of a dead letter; no client ever sees it."""

    code = "no_route"


def _device(incoming: Incoming) -> Identity:
    return Identity("device", names.device_id(incoming.device))


def _speaker(device: Identity, message: Message) -> Who:
    """A device, with what is known of it where it speaks for itself."""
    return message.sender if message.sender.identity == device else known_as(device)


def _data(incoming: Incoming, message: Message) -> Any:
    return CODECS[incoming.route.codec].decode(message.payload)

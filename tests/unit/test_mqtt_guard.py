"""Who may what on the embedded broker."""

from __future__ import annotations

import pytest

from rt_service import settings
from rt_service.core.errors import RtError, TooManyRequests, Unauthorized, Unavailable
from rt_service.core.model import Grant, Identity, Who, known_as
from rt_service.gateways.mqtt.broker import Refused
from rt_service.gateways.mqtt.guard import OpenGuard, TokenGuard
from rt_service.mqtt import routes
from rt_service.mqtt.wire import Reason
from tests.support import tokens
from tests.unit.test_tokens import policy

ROUTES = routes.load(settings.config_dir() / "routes.toml")
SECRET = "s" * 43
LAMP = known_as(Identity("device", "lamp"))
ALICE = Who(Identity("user", "alice"), role="user")
NAMESAKE = Who(Identity("user", "lamp"), role="user")
ADMIN = Who(Identity("user", "root"), role="admin")
SERVICE = known_as(Identity("service", "billing"))


def granted(kind: str, rooms: str, *verbs: str) -> Who:
    return Who(Identity(kind, "g"), role=kind, grants=(Grant((rooms,), verbs),))


class Door:
    """A guard who knows one device; `trouble` is what becomes of looking it up."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.trouble: RtError | None = None
        self.guard = TokenGuard(ROUTES, policy(), self._look)

    def _look(self, id: str, secret: str) -> Who | None:
        self.asked.append(id)
        if self.trouble:
            raise self.trouble
        if (id, secret) != ("lamp", SECRET):
            raise Unauthorized("no such device, or not its secret")
        return LAMP

    def refused(self, client_id: str, username: str | None, password: bytes | None) -> Reason:
        with pytest.raises(Refused) as caught:
            self.guard.connect(client_id, username, password)
        return caught.value.reason


@pytest.fixture
def door() -> Door:
    return Door()


# -- open mode


def test_in_open_mode_a_device_is_called_as_its_client_id_or_something_that_stays() -> None:
    guard = OpenGuard([])
    assert guard.connect("lamp", None, None) == LAMP
    odd, again, other = (guard.connect(id, None, None).identity for id in ("a/b", "a/b", "a/c"))
    assert odd == again != other and odd.kind == "device" and odd.id.startswith("anon-") and len(odd.id) == 17


def test_in_open_mode_nobody_speaks_for_the_service() -> None:
    guard = OpenGuard(ROUTES.out_filters)
    for topic in ("$SYS/uptime", "rt/out/chat/lobby/say", "devices/lamp/calls/1/m", "rt/services/rt"):
        assert not guard.publish(LAMP, topic) and guard.subscribe(LAMP, topic)
    assert guard.publish(LAMP, "devices/pump/telemetry")


# -- coming in


@pytest.mark.parametrize(("client_id", "username"), [("lamp", "lamp"), ("lamp", None), ("auto-1", "lamp")])
def test_a_device_comes_in_with_its_secret(door: Door, client_id: str, username: str | None) -> None:
    assert door.guard.connect(client_id, username, SECRET.encode()) == LAMP


@pytest.mark.parametrize(
    ("client_id", "username", "password", "reason"),
    [
        ("lamp", "pump", SECRET.encode(), Reason.BAD_CREDENTIALS),
        ("pump", None, SECRET.encode(), Reason.BAD_CREDENTIALS),
        ("lamp", "lamp", b"wrong", Reason.BAD_CREDENTIALS),
        ("lamp", "lamp", b"\xff\xfe", Reason.BAD_CREDENTIALS),
        ("lamp", "lamp", b"", Reason.BAD_CREDENTIALS),
        ("lamp", None, None, Reason.BAD_CREDENTIALS),
        ("lamp", None, b"a.b.c", Reason.BAD_CREDENTIALS),
        ("pump", "lamp", SECRET.encode(), Reason.CLIENT_ID_NOT_VALID),
        ("pump", None, tokens.make("lamp", kind="device").encode(), Reason.CLIENT_ID_NOT_VALID),
    ],
)
def test_whoever_is_not_that_device_stays_out(
    door: Door, client_id: str, username: str | None, password: bytes | None, reason: Reason
) -> None:
    assert door.refused(client_id, username, password) is reason


@pytest.mark.parametrize("kind", ["user", "service"])
def test_whoever_is_no_device_may_call_its_client_as_it_likes(door: Door, kind: str) -> None:
    found = door.guard.connect("my-script", None, tokens.make("a", kind=kind).encode())
    assert found.identity == Identity(kind, "a") and door.asked == []


def test_nothing_is_looked_up_that_can_be_no_secret(door: Door) -> None:
    for password in (None, b"", tokens.make("lamp", kind="device", key="x" * 32).encode()):
        assert door.refused("lamp", "lamp", password) is Reason.BAD_CREDENTIALS
    assert door.asked == []


@pytest.mark.parametrize("trouble", [TooManyRequests("later"), Unavailable("it is down")])
def test_whoever_cannot_be_looked_up_now_is_not_told_that_its_secret_is_wrong(door: Door, trouble: RtError) -> None:
    door.trouble = trouble
    assert door.refused("lamp", "lamp", SECRET.encode()) is Reason.SERVER_UNAVAILABLE


def test_without_secrets_of_devices_there_are_tokens_only() -> None:
    guard = TokenGuard(ROUTES, policy(), None)
    assert guard.connect("lamp", None, tokens.make("lamp", kind="device").encode()).identity == LAMP.identity
    with pytest.raises(Refused):
        guard.connect("lamp", "lamp", SECRET.encode())


# -- publishing


@pytest.mark.parametrize(
    ("who", "topic", "may"),
    [
        (LAMP, "devices/lamp/telemetry", True),
        (LAMP, "devices/lamp/status", True),
        (LAMP, "devices/pump/telemetry", False),
        (LAMP, "devices/pump/status", False),
        (LAMP, "rt/in/iot/device:lamp/telemetry", True),
        (LAMP, "rt/in/chat/lobby/say", False),
        (LAMP, "home/kitchen", False),
        (NAMESAKE, "devices/lamp/telemetry", False),
        (ALICE, "rt/in/chat/lobby/say", True),
        (ALICE, "rt/in/game/lobby/say", False),
        (ALICE, "home/kitchen", False),
        (granted("user", "/chat:lobby", "publish:say"), "rt/in/chat/lobby/say", True),
        (granted("user", "/chat:lobby", "publish:say"), "rt/in/chat/lobby/shout", False),
        (granted("user", "/iot:device:*", "publish"), "devices/pump/status", True),
        (granted("user", "/chat:device:*", "publish"), "devices/pump/status", False),
        (granted("service", "/chat:lobby", "publish"), "home/kitchen", False),
        (SERVICE, "home/kitchen", True),
        (ADMIN, "home/kitchen", True),
        (ADMIN, "devices/pump/telemetry", True),
        (ADMIN, "rt/out/chat/lobby/say", False),
        (SERVICE, "rt/out/chat/lobby/say", False),
        (LAMP, "devices/lamp/calls/1/m", False),
        (ADMIN, "$SYS/uptime", False),
    ],
)
def test_in_token_mode_one_publishes_what_one_may(door: Door, who: Who, topic: str, may: bool) -> None:
    assert door.guard.publish(who, topic) is may


# -- subscribing


@pytest.mark.parametrize(
    ("who", "filter", "may"),
    [
        (LAMP, "devices/lamp/#", True),
        (LAMP, "devices/lamp/calls/+/+", True),
        (LAMP, "$share/g/devices/lamp/calls/#", True),
        (LAMP, "devices/lamp2/#", False),
        (LAMP, "devices/pump/calls/#", False),
        (LAMP, "devices/+/calls/#", False),
        (LAMP, "$share/g/devices/#", False),
        (LAMP, "#", False),
        (NAMESAKE, "devices/lamp/calls/#", False),
        (LAMP, "rt/out/chat/lobby/+", False),
        (LAMP, "rt/out/iot/device:lamp/+", True),
        (ALICE, "rt/out/chat/lobby/+", True),
        (ALICE, "$share/g/rt/out/chat/lobby/+", True),
        (ALICE, "rt/out/iot/device:lamp/+", True),
        (ALICE, "rt/out/iot/lobby/+", False),
        (ALICE, "rt/out/chat/user:bob/+", False),
        (ALICE, "rt/out/chat/+/say", False),
        (ALICE, "home/#", False),
        (granted("user", "/chat:lobby", "publish"), "rt/out/chat/lobby/+", False),
        (granted("service", "/chat:lobby", "join"), "#", False),
        (granted("service", "/chat:lobby", "join"), "rt/out/chat/lobby/#", True),
        (SERVICE, "#", True),
        (ADMIN, "#", True),
    ],
)
def test_in_token_mode_one_subscribes_to_what_one_may(door: Door, who: Who, filter: str, may: bool) -> None:
    assert door.guard.subscribe(who, filter) is may

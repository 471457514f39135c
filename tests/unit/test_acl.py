"""What an outside Mosquitto is told that devices may."""

from __future__ import annotations

from pathlib import Path

import pytest

from rt_service import settings
from rt_service.core.model import Grant
from rt_service.mqtt import routes
from rt_service.mqtt.acl import Acl, acl
from rt_service.mqtt.routes import Routes

OWN = """\
pattern write devices/%u/telemetry
pattern write devices/%u/events/+
pattern write devices/%u/status
pattern write devices/%u/twin/reported
pattern write devices/%u/replies/+
pattern write devices/%u/replies/+/error
pattern read devices/%u/twin/desired
pattern read devices/%u/inbox/+
pattern read devices/%u/calls/+/+
""".splitlines()


@pytest.fixture(scope="module")
def default() -> Routes:
    return routes.load(settings.config_dir() / "routes.toml")


def lamp(found: Routes, *grants: Grant) -> Acl:
    return acl(found, "rt", {"lamp": grants})


def said(found: Acl, user: str = "lamp") -> list[str]:
    """What stands below a user's name."""
    _, _, rest = found.text.partition(f"user {user}\n")
    return rest.partition("\nuser")[0].split("\n")[:-1]


def patterns(found: Acl) -> list[str]:
    return [line for line in found.text.splitlines() if line.startswith("pattern")]


def test_the_service_may_everything_and_a_device_what_is_its_own(default: Routes) -> None:
    found = lamp(default)
    assert said(found, "rt")[0] == "topic readwrite #" and patterns(found) == OWN
    assert said(found) == [] and found.unsaid == []


@pytest.mark.parametrize(
    ("room", "verbs", "lines"),
    [
        ("/chat:lobby", ["join"], ["read rt/out/chat/lobby/+"]),
        ("/chat:lobby", ["publish"], ["write rt/in/chat/lobby/+"]),
        ("/chat:lobby", ["publish:say", "publish:say"], ["write rt/in/chat/lobby/say"]),
        ("/chat:lobby", ["*"], ["write rt/in/chat/lobby/+", "read rt/out/chat/lobby/+"]),
        ("/chat:lobby", ["history", "presence"], []),
        (
            "/iot:device:pump",
            ["join", "publish"],
            ["read rt/out/iot/device:pump/+", "read devices/pump/twin/desired", "write rt/in/iot/device:pump/+"],
        ),
    ],
)
def test_a_device_may_what_it_was_granted(default: Routes, room: str, verbs: list[str], lines: list[str]) -> None:
    found = lamp(default, Grant((room,), tuple(verbs)))
    assert said(found) == [f"topic {line}" for line in lines] and found.unsaid == []


@pytest.mark.parametrize(
    ("verb", "told"), [("join", True), ("publish", True), ("publish:say", True), ("*", True), ("presence", False)]
)
def test_a_pattern_that_mqtt_cannot_say_is_told_if_it_matters_there(default: Routes, verb: str, told: bool) -> None:
    found = lamp(default, Grant(("/chat:*", "/iot:device:l*"), (verb,)))
    assert said(found) == []
    assert found.unsaid == (["lamp: /chat:*", "lamp: /iot:device:l*"] if told else [])


ROUTES = """
[[in]]
topic = "boxes/{id}/{event}"
namespace = "/iot"
room = "device:{id}"
event = "{event}"
device = "{id}"

[[in]]
topic = "boxes-{id}/{event}"
namespace = "/iot"
room = "device:{id}"
event = "{event}"
device = "{id}"

[[in]]
topic = "old/{id}"
does = "refuse"
device = "{id}"

[[in]]
topic = "older"
does = "refuse"
namespace = "/chat"
room = "lobby"

[[in]]
topic = "gate/{event}"
namespace = "/iot"
room = "device:gate"
event = "{event}"
device = "gate"

[[in]]
topic = "say/{event}"
namespace = "/chat"
room = "lobby"
event = "{event}"

[[in]]
topic = "alarm"
namespace = "/chat"
room = "alarm"
event = "alarm"

[[out]]
topic = "mirror/{id}"
room = "{id}"
namespace = "/chat"

[[out]]
topic = "gate/said"
room = "device:gate"
namespace = "/iot"

[[out]]
topic = "said/{id}"
room = "device:{id}"
namespace = "/iot"
event = "say"

[[out]]
topic = "said/{id}"
room = "device:{id}"
namespace = "/iot"
event = "shout"

[[out]]
does = "send"
topic = "inbox/{id}/{event}"
"""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Routes:
    path: Path = tmp_path_factory.mktemp("routes") / "routes.toml"
    path.write_text(ROUTES)
    return routes.load(path)


def test_only_topics_with_the_device_as_a_level_are_everybodys_own(other: Routes) -> None:
    assert patterns(lamp(other)) == ["pattern write boxes/%u/+", "pattern read said/%u", "pattern read inbox/%u/+"]


def test_a_grant_opens_the_topics_of_its_room_and_events_and_no_others(other: Routes) -> None:
    grants = [Grant((room,), ("join", "publish")) for room in ("/chat:lobby", "/chat:alarm", "/iot:device:gate")]
    assert said(lamp(other, *grants)) == [
        "topic read mirror/lobby",
        "topic write say/+",
        "topic read mirror/alarm",
        "topic write alarm",
        "topic read gate/said",
        "topic read said/gate",
    ]
    assert said(lamp(other, Grant(("/chat:alarm",), ("publish:say",)))) == []

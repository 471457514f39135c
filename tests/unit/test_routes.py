from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rt_service import settings
from rt_service.core.errors import BadRequest
from rt_service.core.model import Identity, Publication, PublicationClass
from rt_service.mqtt import routes
from rt_service.mqtt.explain import explained
from rt_service.mqtt.payloads import CODECS
from rt_service.mqtt.routes import Routes, RoutesError


@pytest.fixture(scope="module")
def default() -> Routes:
    return routes.load(settings.config_dir() / "routes.toml")


def say(room: str = "lobby", namespace: str = "/chat", event: str = "say", **more: Any) -> Publication:
    return Publication(namespace, room, event, {"x": 1}, Identity("user", "a"), "i", 5, offset=1, **more)


def test_the_default_routes_are_those_of_the_contract(default: Routes) -> None:
    into = default.incoming("rt/in/chat/lobby/say")
    assert into and (into.namespace, into.room, into.event, into.device) == ("/chat", "lobby", "say", "")
    telemetry = default.incoming("devices/p/telemetry")
    assert telemetry and (telemetry.namespace, telemetry.room, telemetry.event, telemetry.key, telemetry.device) == (
        "/iot", "device:p", "telemetry", "telemetry", "p",
    )  # fmt: skip
    assert telemetry.route.class_ is PublicationClass.KEPT
    event = default.incoming("devices/p/events/leak")
    assert event and (event.room, event.event, event.key) == ("device:p", "leak", None)
    does = {topic: found.route.does for topic in TOPICS if (found := default.incoming(topic))}
    assert does == TOPICS


TOPICS = {
    "devices/p/status": "status",
    "devices/p/replies/c1": "reply",
    "devices/p/replies/c1/error": "failure",
    "rt/in/chat": "refuse",
    "rt/in/chat/lobby/say/more": "refuse",
    "devices/p/nonsense": "refuse",
}


def test_topics_of_others_are_nobodys(default: Routes) -> None:
    for topic in ("home/kitchen", "rt/out/chat/lobby/say", "devices/p/calls/c/m", "devices/p/inbox/e", "rt/inn"):
        assert default.incoming(topic) is None


def test_in_and_out_never_share_a_topic(default: Routes) -> None:
    for out in default.outgoing(say()) + default.calls("p", "c", say()) + default.sends("p", say()):
        assert default.incoming(out.topic) is None, out.topic


def test_kept_and_latest_publications_go_out_whole_and_volatile_ones_do_not(default: Routes) -> None:
    (out,) = default.outgoing(say())
    assert (out.topic, out.payload, out.route.qos) == ("rt/out/chat/lobby/say", say().json, 1)
    assert default.outgoing(say(class_=PublicationClass.LATEST, key="k"))
    assert default.outgoing(say(class_=PublicationClass.VOLATILE)) == []


def test_a_call_goes_to_the_device_with_its_data_alone(default: Routes) -> None:
    (out,) = default.calls("p", "c1", say(event="set"))
    assert (out.topic, out.payload) == ("devices/p/calls/c1/set", b'{"x":1}')
    assert default.reply_topic("p", "c1") == "devices/p/replies/c1"


def test_an_outside_broker_is_asked_for_nothing_twice(default: Routes) -> None:
    assert sorted(default.filters) == [
        "devices/+/+", "devices/+/events/+", "devices/+/replies/+", "devices/+/replies/+/error",
        "devices/+/twin/reported", "rt/in/#",
    ]  # fmt: skip


def load(tmp_path: Path, text: str) -> Routes:
    path = tmp_path / "routes.toml"
    path.write_text(text)
    return routes.load(path)


def test_an_operator_may_add_routes(tmp_path: Path) -> None:
    found = load(tmp_path, """
        [[in]]
        topic = "legacy/{site}/{sensor}/value"
        namespace = "/iot"
        room = "site:{site}"
        event = "value"
        class = "latest"
        key = "{sensor}"
        codec = "text"
        [[out]]
        topic = "legacy/{room}/out"
        namespace = "/iot"
        room = "site:{room}"
        event = "{event}"
        classes = ["kept"]
        payload = "data"
        codec = "msgpack"
        qos = 0
        retain = true
    """)  # fmt: skip
    into = found.incoming("legacy/7/t1/value")
    assert into and (into.room, into.key, into.route.class_, into.route.codec) == ("site:7", "t1", "latest", "text")
    (out,) = found.outgoing(say("site:7", "/iot"))
    assert (out.topic, out.payload, out.route.retain) == ("legacy/7/out", CODECS["msgpack"].encode({"x": 1}), True)
    assert found.outgoing(say("site:7", "/chat")) == [] and found.outgoing(say("lobby", "/iot")) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[in]]\ntopic = 'a'", "needs `namespace`"),
        ("[[in]]\ntopic = 'a/{x}'\ndoes = 'status'\ndevice = '{y}'", "{y} is not known here, only {x}"),
        ("[[in]]\ntopic = 'a'\ndoes = 'fly'", "does"),
        ("[[in]]\ntopic = 'a/+'\ndoes = 'refuse'", "stands for itself"),
        ("[[in]]\ntopic = 'a'\ncolour = 'red'", "colour"),
        ("[[in]]\ntopic = 'a'\nnamespace = '/n'\nroom = 'r'\nevent = 'e'\ncodec = 'xml'", "codec"),
        ("[[out]]\ntopic = 'a/{room}/#'", "ends in #"),
        ("[[out]]\ntopic = 'a/{device}'", "{device} is not known"),
        ("[[out]]\ntopic = 'a'\nqos = 3", "qos"),
        ("[in]\ntopic = 'a'", "two brackets"),
        ("[[inn]]\ntopic = 'a'", "no 'inn'"),
        ("topic =", "is not TOML"),
    ],
)
def test_a_route_that_makes_no_sense_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(RoutesError) as caught:
        load(tmp_path, text)
    assert says in str(caught.value) and "routes.toml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_routes_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RoutesError, match="cannot be read"):
        routes.load(tmp_path / "none.toml")


def test_explaining_a_topic_says_what_it_becomes(default: Routes) -> None:
    def says(topic: str) -> str:
        return "\n".join(explained(topic, default, ["/chat", "/iot"]))

    assert "event telemetry in room device:pump-1 of /iot" in says("devices/pump-1/telemetry")
    assert "refused" in says("rt/in/x")
    assert "may not publish" in says("rt/out/chat/lobby/say")
    assert "may not publish" in says("rt/services/rt-1/status")
    assert "ordinary MQTT" in says("home/kitchen")
    assert "not_found: there is no namespace /chta; there are /chat, /iot" in says("rt/in/chta/lobby/say")
    assert "invalid_event" in says("rt/in/chat/lobby/presence")
    assert "bad_request" in says("devices/a b/telemetry")
    with pytest.raises(BadRequest):
        says("devices/+/telemetry")

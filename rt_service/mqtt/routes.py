"""What a topic becomes, and what topic a publication becomes: config/routes.toml, read and compiled."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rt_service.core import names
from rt_service.core.errors import NotFound
from rt_service.core.model import Publication, PublicationClass
from rt_service.mqtt.patterns import Pattern, PatternError, widest
from rt_service.mqtt.payloads import CODECS
from rt_service.mqtt.topics import Trie

SERVICE_TOPICS = ("rt/services/#",)  # what services say of themselves; devices may not publish there
REMEMBERED = 256  # characters of a topic up to which it is remembered what it becomes
CodecName = Literal["json", "text", "raw", "msgpack", "cbor"]


class RoutesError(Exception):
    """The routes file cannot be used; the message is one line that says which route and why."""


class InRoute(BaseModel):
    """`[[in]]`: what a message that a device publishes becomes. The first that fits is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str = Field(description="topic with {placeholders}; may end in /#")
    does: Literal["publish", "status", "reported", "reply", "failure", "refuse"] = Field(
        "publish",
        description="publish it in a room; take it as a device's online or offline; as a patch of its twin's reported "
        "state; as the answer to a call; as the failure of a call; or refuse it, as a dead letter",
    )
    namespace: str = Field("", description="publish: the namespace")
    room: str = Field("", description="publish: the room")
    event: str = Field("", description="publish: the event")
    class_: PublicationClass = Field(
        PublicationClass.KEPT, alias="class", description="publish: kept, latest or volatile"
    )
    key: str | None = Field(None, description="publish: it is also the newest value of this key")
    device: str = Field("", description="whose message it is; publish: without it, the connection's own identity")
    call: str = Field("", description="reply and failure: the call's id")
    codec: CodecName = Field("json", description="how the payload is read")

    def needs(self) -> list[str]:
        return {
            "publish": ["namespace", "room", "event"],
            "status": ["device"],
            "reported": ["device"],
            "reply": ["device", "call"],
            "failure": ["device", "call"],
            "refuse": [],
        }[self.does]


class OutRoute(BaseModel):
    """`[[out]]`: what is published on MQTT when something happens. All that fit are taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str = Field(description="topic with {placeholders}")
    does: Literal["publication", "send", "call"] = Field(
        "publication", description="for a room's publications; for what is sent to a device; for calls to a device"
    )
    namespace: str = Field("/{ns}", description="publication: namespaces it is for")
    room: str = Field("{room}", description="publication: rooms it is for")
    event: str = Field("{event}", description="publication: events it is for")
    classes: frozenset[PublicationClass] = Field(
        frozenset({PublicationClass.KEPT, PublicationClass.LATEST}), description="publication: classes it is for"
    )
    payload: Literal["publication", "data"] = Field("publication", description="the whole publication or its data")
    codec: CodecName = Field("json", description="how the payload is written")
    qos: Literal[0, 1, 2] = Field(1, description="MQTT QoS")
    retain: bool = Field(False, description="MQTT retain flag")

    def names(self) -> set[str]:
        """The placeholders that the topic may use."""
        if self.does == "publication":
            return {p for text in (self.namespace, self.room, self.event) for p in Pattern(text).placeholders}
        return {"id", "call", "method"} if self.does == "call" else {"id", "event"}


class Incoming(NamedTuple):
    """A route that fits a topic, with the names of the topic filled in."""

    route: InRoute
    namespace: str
    room: str
    event: str
    key: str | None
    device: str
    call: str


class Outgoing(NamedTuple):
    """A message for MQTT."""

    topic: str
    route: OutRoute
    publication: Publication

    @property
    def payload(self) -> bytes:
        codec, whole = CODECS[self.route.codec], self.route.payload == "publication"
        if self.route.codec == "json":
            return self.publication.json if whole else self.publication.encoded.json
        return codec.encode(self.publication.as_dict() if whole else self.publication.data)


class Routes:
    def __init__(self, incoming: list[InRoute], outgoing: list[OutRoute]) -> None:
        """Raises RoutesError when a route makes no sense."""
        self._in: list[tuple[Pattern, InRoute]] = []
        self._trie: Trie[int] = Trie()
        self._out: dict[str, list[tuple[OutRoute, Pattern]]] = {"publication": [], "send": [], "call": []}
        for number, route in enumerate(incoming):
            pattern = _checked_in(route)
            self._in.append((pattern, route))
            self._trie.add(pattern.filter, number)
        for out in outgoing:
            self._out[out.does].append((out, _checked_out(out)))
        self._remembered = lru_cache(4096)(self._incoming)
        self._topics_of = lru_cache(4096)(self._find_topics)

    @property
    def filters(self) -> list[str]:
        """What to subscribe to at an outside broker."""
        return widest([pattern.filter for pattern, _ in self._in])

    @property
    def out_routes(self) -> list[tuple[OutRoute, Pattern]]:
        return [one for routes in self._out.values() for one in routes]

    @property
    def in_routes(self) -> list[tuple[InRoute, Pattern]]:
        return [(route, pattern) for pattern, route in self._in]

    @property
    def out_filters(self) -> list[str]:
        """The topics that only the service publishes on; none where it is but the broker of other services."""
        filters = [pattern.filter for _, pattern in self.out_routes]
        return [*filters, *SERVICE_TOPICS] if filters else []

    def incoming(self, topic: str) -> Incoming | None:
        """The first route that fits a topic, if there is one."""
        return self._remembered(topic) if len(topic) <= REMEMBERED else self._incoming(topic)

    def _incoming(self, topic: str) -> Incoming | None:
        for number in sorted(self._trie.match(topic)):
            pattern, route = self._in[number]
            names = pattern.read(topic)
            if names is not None:
                fields = (Pattern(getattr(route, f) or "").write(names) for f in Incoming._fields[1:])
                namespace, room, event, key, device, call = fields
                return Incoming(route, namespace, room, event, key or None, device, call)
        return None

    def outgoing(self, publication: Publication) -> list[Outgoing]:
        """What a room's publication becomes on MQTT."""
        assert publication.room is not None
        found = self._topics_of(publication.namespace, publication.room, publication.event)
        return [Outgoing(t, route, publication) for route, t in found if publication.class_ in route.classes]

    def room_of(self, filter: str) -> tuple[str, str] | None:
        """The namespace and the room that everything is about which a filter on topics out matches, if it is one."""
        for route, pattern in self._out["publication"]:
            names = pattern.names_of(filter)
            if names is not None and {*Pattern(route.namespace).placeholders, *Pattern(route.room).placeholders} <= {
                *names
            }:
                return Pattern(route.namespace).write(names), Pattern(route.room).write(names)
        return None

    def sends(self, device: str, publication: Publication) -> list[Outgoing]:
        """What something sent to one device becomes."""
        names = {"id": device, "event": publication.event}
        return [Outgoing(pattern.write(names), route, publication) for route, pattern in self._out["send"]]

    def calls(self, device: str, call: str, asked: Publication) -> list[Outgoing]:
        """What a call to a device becomes; the method is the event of `asked`."""
        names = {"id": device, "call": call, "method": asked.event}
        return [Outgoing(pattern.write(names), route, asked) for route, pattern in self._out["call"]]

    def reply_topic(self, device: str, call: str) -> str | None:
        """Where the answer to a call is expected: MQTT 5 devices are told it as the response topic."""
        for pattern, route in self._in:
            if route.does == "reply" and route.device == "{id}" and route.call == "{call}":
                return pattern.write({"id": device, "call": call})
        return None

    def _find_topics(self, namespace: str, room: str, event: str) -> list[tuple[OutRoute, str]]:
        found = []
        for route, pattern in self._out["publication"]:
            names: dict[str, str] = {}
            for text, value in ((route.namespace, namespace), (route.room, room), (route.event, event)):
                read = Pattern(text).read(value)
                if read is None:
                    break
                names |= read
            else:
                found.append((route, pattern.write(names)))
        return found


def load(path: Path) -> Routes:
    """Raises RoutesError when the file cannot be read or a route makes no sense."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RoutesError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RoutesError(f"{path}: is not TOML: {error}") from None
    unknown = document.keys() - {"in", "out"}
    if unknown:
        raise RoutesError(f"{path}: there are [[in]] and [[out]] routes, no {sorted(unknown)[0]!r}")
    try:
        incoming = [_parsed(InRoute, table, f"[[in]] {n}") for n, table in _tables(document, "in")]
        outgoing = [_parsed(OutRoute, table, f"[[out]] {n}") for n, table in _tables(document, "out")]
        return Routes(incoming, outgoing)
    except RoutesError as error:
        raise RoutesError(f"{path}: {error}") from None


def _tables(document: dict[str, Any], name: str) -> list[tuple[int, Any]]:
    tables = document.get(name, [])
    if not isinstance(tables, list):
        raise RoutesError(f"write [[{name}]], with two brackets")
    return list(enumerate(tables, 1))


def _parsed(kind: type, table: Any, where: str) -> Any:
    try:
        return kind.model_validate(table)  # type: ignore[attr-defined]
    except ValidationError as error:
        first = error.errors()[0]
        raise RoutesError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from None


def _checked_in(route: InRoute) -> Pattern:
    try:
        topic = Pattern(route.topic)
        for field in route.needs():
            if not getattr(route, field):
                raise RoutesError(f"{route.topic}: a route that does {route.does!r} needs `{field}`")
        for field in Incoming._fields[1:]:
            _check_names(route.topic, Pattern(getattr(route, field) or ""), set(topic.placeholders))
    except PatternError as error:
        raise RoutesError(str(error)) from None
    return topic


def _checked_out(route: OutRoute) -> Pattern:
    try:
        topic = Pattern(route.topic)
        if topic.text.endswith("#"):
            raise RoutesError(f"{route.topic}: nothing can be published on a topic that ends in #")
        _check_names(route.topic, topic, route.names())
    except PatternError as error:
        raise RoutesError(str(error)) from None
    return topic


def _check_names(route: str, pattern: Pattern, known: set[str]) -> None:
    unknown = set(pattern.placeholders) - known
    if unknown:
        known_text = ", ".join(f"{{{name}}}" for name in sorted(known)) or "no names"
        raise RoutesError(f"{route}: {{{min(unknown)}}} is not known here, only {known_text}")


def check_names(incoming: Incoming, namespaces: Collection[str]) -> None:
    """Raises one of the contract's errors where a name that was read out of a topic is none."""
    if incoming.device:
        names.device_id(incoming.device)
    if incoming.route.does == "publish":
        names.room_name(incoming.room)
        names.event_name(incoming.event)
        if incoming.namespace not in namespaces:
            raise NotFound(f"there is no namespace {incoming.namespace}; there are {', '.join(namespaces)}")

"""What devices may on an outside Mosquitto, as its ACL file says it: the same as on the embedded broker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rt_service.core.model import Grant
from rt_service.mqtt.patterns import Pattern
from rt_service.mqtt.routes import InRoute, OutRoute, Routes

USER_NAME = "%u"  # what Mosquitto puts a client's user name in place of


class Acl(NamedTuple):
    """`unsaid` are the patterns of grants that MQTT has no filter for."""

    text: str
    unsaid: list[str]


def acl(routes: Routes, service: str, devices: Mapping[str, Iterable[Grant]]) -> Acl:
    """The file, for the service's own user name and the grants of each device."""
    lines = ["# written by `rt-service mosquitto-config`; what nothing here allows is refused", "", f"user {service}"]
    lines += ["topic readwrite #", ""]
    lines += [f"pattern write {filter}" for filter in _published(routes)]
    lines += [f"pattern read {filter}" for filter in _subscribed(routes)]
    unsaid: list[str] = []
    for id, grants in devices.items():
        lines += ["", f"user {id}"]
        for grant in grants:
            for rooms in grant.rooms:
                found = _granted(routes, rooms, grant.verbs)
                lines += found
                unsaid += [] if found or not _speaks(grant.verbs) else [f"{id}: {rooms}"]
    return Acl("\n".join(lines) + "\n", unsaid)


def _published(routes: Routes) -> list[str]:
    """What a device says of itself, with Mosquitto's sign for its user name."""
    found = [(route.device, pattern) for route, pattern in routes.in_routes if route.does != "refuse"]
    return _own(found)


def _subscribed(routes: Routes) -> list[str]:
    """What is for one device alone."""
    return _own((_addressee(route), pattern) for route, pattern in routes.out_routes)


def _addressee(route: OutRoute) -> str:
    if route.does == "publication":
        return route.room.removeprefix("device:") if route.room.startswith("device:") else ""
    return "{id}"


def _own(found: Iterable[tuple[str, Pattern]]) -> list[str]:
    filters = [
        pattern.filter_for({device[1:-1]: USER_NAME})
        for device, pattern in found
        if device[1:-1] in pattern.placeholders and f"/{device}/" in f"/{pattern.text}/"
    ]
    return list(dict.fromkeys(filters))


def _speaks(verbs: tuple[str, ...]) -> bool:
    return any(verb in ("*", "join") or verb.partition(":")[0] == "publish" for verb in verbs)


def _granted(routes: Routes, rooms: str, verbs: tuple[str, ...]) -> list[str]:
    namespace, _, room = rooms.partition(":")
    if "*" in room:
        return []  # a filter's + stands for a whole level, and would mean the rooms that belong to somebody too
    lines = []
    for verb in verbs:
        name, _, event = verb.partition(":")
        if name in ("publish", "*"):
            ins = [pair for pair in routes.in_routes if pair[0].does == "publish" and not pair[0].device]
            lines += [f"topic write {filter}" for filter in _about(ins, namespace, room, event)]
        if name in ("join", "*"):
            outs = [pair for pair in routes.out_routes if pair[0].does == "publication"]
            lines += [f"topic read {filter}" for filter in _about(outs, namespace, room, "")]
    return list(dict.fromkeys(lines))


def _about(
    found: Iterable[tuple[InRoute, Pattern]] | Iterable[tuple[OutRoute, Pattern]], namespace: str, room: str, event: str
) -> list[str]:
    """Filters for what is said about a room and an event (none: any)."""
    filters = []
    for route, pattern in found:
        names: dict[str, str] = {}
        for text, value in ((route.namespace, namespace), (route.room, room), (route.event, event)):
            read = Pattern(text).read(value) if value else {}
            if read is None:
                break
            names |= read
        else:
            filters.append(pattern.filter_for(names))
    return filters

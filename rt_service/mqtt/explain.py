"""What a message on a topic becomes, and what it is that is published on it, in words."""

from __future__ import annotations

from collections.abc import Collection

from rt_service.core.errors import BadRequest, RtError
from rt_service.mqtt.routes import SERVICE_TOPICS, Incoming, Routes, check_names
from rt_service.mqtt.topics import is_topic, matches


def explained(topic: str, routes: Routes, namespaces: Collection[str]) -> list[str]:
    """What `routes explain` and the console show, line by line. Raises BadRequest where that is no topic."""
    if not is_topic(topic):
        raise BadRequest(
            f"{topic[:200]!r} is no topic to publish on: it is empty, too long or too deep, or has a +, # or NUL"
        )
    incoming = routes.incoming(topic)
    if incoming is not None:
        return [f"route: {incoming.route.topic}", *_says(incoming, namespaces)]
    sent = [route.topic for route, pattern in routes.out_routes if pattern.read(topic) is not None]
    if sent or any(matches(filter, topic) for filter in SERVICE_TOPICS):
        route = sent[0] if sent else SERVICE_TOPICS[0]
        return [f"route: {route}", "published by the service; devices subscribe to it and may not publish on it"]
    return ["no route: on the embedded broker ordinary MQTT between devices; an outside broker is not asked for it"]


def _says(incoming: Incoming, namespaces: Collection[str]) -> list[str]:
    route = incoming.route
    try:
        check_names(incoming, namespaces)
    except RtError as error:
        return [f"a dead letter with reason {error.code}: {error.message}"]
    if route.does == "publish":
        sender = f"device:{incoming.device}" if incoming.device else "the connection's own identity"
        key = f", newest of key {incoming.key}" if incoming.key else ""
        return [
            f"publishes event {incoming.event} in room {incoming.room} of {incoming.namespace}",
            f"from {sender}, class {route.class_.value}{key}, payload read as {route.codec}",
        ]
    meaning = {
        "status": f"says whether device:{incoming.device} is online",
        "reported": f"patches the reported state of device:{incoming.device}'s twin",
        "reply": f"answers call {incoming.call} for device:{incoming.device}",
        "failure": f"fails call {incoming.call} for device:{incoming.device}",
        "refuse": "refused: a dead letter with reason no_route",
    }
    return [meaning[route.does]]

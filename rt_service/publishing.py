"""What somebody wants to say, made a publication: by the names, the rights, the pace and the size that it may have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from rt_service import verbs
from rt_service.auth.policy import Policy, allow
from rt_service.core import encoding, names
from rt_service.core.errors import BadRequest, NotFound, TooLarge, TooManyRequests
from rt_service.core.hub import Hub
from rt_service.core.limits import Pace
from rt_service.core.model import Publication, PublicationClass, Token, Who
from rt_service.core.ports import Clock, Kept
from rt_service.core.session import Session
from rt_service.hooks import Hooks, Said


@dataclass(frozen=True)
class ApiBounds:
    message_bytes: int = 65_536
    answer_bytes: int = 1 << 20  # of publications in a history; there is always one
    publishes_per_s: float = 200.0
    publish_burst: int = 400
    call_timeout_max_s: float = 60.0
    joins_per_s: float = 50.0
    join_burst: int = 200
    new_rooms_per_s: float = 10.0
    new_room_burst: int = 100


class Publishing:
    """`hooks` are what an application adds."""

    def __init__(self, hub: Hub, policy: Policy, clock: Clock, namespaces: Collection[str], bounds: ApiBounds) -> None:
        self.hooks = Hooks()
        self._hub = hub
        self._policy = policy
        self._clock = clock
        self._namespaces = namespaces
        self._bounds = bounds
        self._new_rooms = Pace("new rooms", bounds.new_rooms_per_s, bounds.new_room_burst)

    def publish(
        self,
        done: Kept,
        who: Who,
        namespace: str,
        room: str,
        event: str,
        data: Any,
        *,
        class_: PublicationClass = PublicationClass.KEPT,
        key: str | None = None,
        token: Token | None = None,
    ) -> None:
        """Publish for somebody who has no session and joins no rooms: a device, an HTTP client, an application.

        Raises:
            RtError: refused, as the verb would be; `done` is not called then (see `Engine.publish`).
        """
        self.check_namespace(namespace)
        publication = self._publication(
            who, namespace, names.room_name(room), event, data, class_=class_, key=key, token=token
        )
        self._hub.publish(publication, done)

    def is_latest(self, namespace: str, room: str, key: str, data: Any) -> bool:
        """Whether the newest value of a room's `key` is `data`."""
        found = (p for p in self._hub.latest(namespace, room) if p.key == key)
        return any(p.encoded == encoding.encode(data) for p in found)

    def made(self, session: Session, asked: verbs.Publish) -> Publication:
        """What a session publishes, checked, for `keep`. Raises RtError where it may not."""
        return self._publication(
            session.who, session.namespace, names.room_name(asked.room), asked.event, asked.data,
            id=asked.id, class_=asked.class_, key=asked.key,
        )  # fmt: skip

    def keep(self, publication: Publication, done: Kept) -> None:
        """See `Engine.publish`."""
        self._hub.publish(publication, done)

    # -- checks

    def check_namespace(self, namespace: str) -> None:
        """Raises NotFound where there is none of that name."""
        if namespace not in self._namespaces:
            raise NotFound(f"there is no namespace {namespace[:64]}; there are {', '.join(self._namespaces)}")

    def check_new(self, who: Who, namespace: str, room: str) -> None:
        """Raises TooManyRequests where somebody makes rooms faster than it may; services and admins are not asked."""
        if who.role not in ("service", "admin") and not self._hub.exists(namespace, room):
            self._new_rooms.check(str(who.identity), self._clock.monotonic())

    def take_token(self, session: Session) -> None:
        """Raises TooManyRequests when the session publishes faster than it may."""
        wait_s = session.publishes.take(self._clock.monotonic())
        if wait_s:
            raise TooManyRequests(
                f"more than {self._bounds.publishes_per_s:g} publications a second",
                retry_after_ms=int(wait_s * 1000) + 1,
            )

    def check_size(self, publication: Publication) -> None:
        """Raises TooLarge where its data is more than may be said."""
        size, most = len(publication.encoded.json), self._bounds.message_bytes
        if size > most:
            raise TooLarge(f"data is {size} bytes as JSON, more than {most}")

    def _publication(
        self,
        who: Who,
        namespace: str,
        room: str,
        event: Any,
        data: Any,
        *,
        id: str | None = None,
        class_: PublicationClass,
        key: str | None,
        token: Token | None = None,
    ) -> Publication:
        event = names.event_name(event)
        if (id is not None and not names.is_name(id)) or (key is not None and not names.is_name(key)):
            raise BadRequest("`id` and `key` are 1-128 of A-Za-z0-9_.:@-")
        if class_ is PublicationClass.LATEST:
            key = key or event
        allow(self._policy, who, "publish", namespace, room, event)
        self.check_new(who, namespace, room)
        if self.hooks:
            said = Said(namespace, room, event, data, who.identity, class_, key)
            self.hooks.run(said)
            data = said.data
        publication = self._hub.publication(
            namespace, room, event, data, who.identity, id=id, class_=class_, key=key, token=token
        )
        self.check_size(publication)
        return publication

"""Who may what, on the embedded broker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from rt_service.auth.policy import Policy
from rt_service.core import names
from rt_service.core.errors import RtError, TooManyRequests, Unavailable
from rt_service.core.model import Identity, Who, known_as
from rt_service.gateways.mqtt.broker import Refused
from rt_service.mqtt.patterns import covers
from rt_service.mqtt.routes import Routes
from rt_service.mqtt.topics import Trie
from rt_service.mqtt.wire import Reason

# (device id, secret) -> who that is, or None
Credentials = Callable[[str, str], Who | None]


class OpenGuard:
    """Open mode: everybody everything but speak in the service's own name.

    `reserved` are the filters of topics that only the service publishes on; so are those that begin with `$`.
    """

    def __init__(self, reserved: Iterable[str]) -> None:
        self._reserved: Trie[bool] = Trie()
        for filter in reserved:
            self._reserved.add(filter, True)

    def connect(self, client_id: str, username: str | None, password: bytes | None) -> Who:
        """A device of the client id's name; one that is no name here gets another, always the same."""
        if names.is_name(client_id):
            return known_as(Identity("device", client_id))
        return known_as(Identity("device", f"anon-{hashlib.sha256(client_id.encode()).hexdigest()[:12]}"))

    def publish(self, who: Who, topic: str) -> bool:
        return not topic.startswith("$") and not any(self._reserved.match(topic))

    def subscribe(self, who: Who, filter: str) -> bool:
        return True


class TokenGuard(OpenGuard):
    """Token mode: the password is a token, or a device's own secret with its id as the user name.

    A device has its own `devices/<id>/#` and the rooms that it is granted; a service or an admin has every topic.
    """

    def __init__(self, routes: Routes, policy: Policy, credentials: Credentials | None) -> None:
        super().__init__(routes.out_filters)
        self._routes = routes
        self._policy = policy
        self._credentials = credentials

    def connect(self, client_id: str, username: str | None, password: bytes | None) -> Who:
        """Raises Refused."""
        try:
            secret = (password or b"").decode()
            who = self._by_secret(username or client_id, secret) or self._policy.identify({"token": secret})
        except (TooManyRequests, Unavailable):
            raise Refused(Reason.SERVER_UNAVAILABLE) from None  # its secret may be right: it comes again
        except (RtError, UnicodeDecodeError):
            raise Refused(Reason.BAD_CREDENTIALS) from None
        if who.identity.kind == "device" and client_id != who.identity.id and not client_id.startswith("auto-"):
            raise Refused(Reason.CLIENT_ID_NOT_VALID)  # or it would take the session of another device away
        return who

    def _by_secret(self, name: str, secret: str) -> Who | None:
        return self._credentials(name, secret) if self._credentials and secret and "." not in secret else None

    def publish(self, who: Who, topic: str) -> bool:
        if not super().publish(who, topic):
            return False
        incoming = self._routes.incoming(topic)
        if incoming is None:
            return self._anything(who)
        room = f"device:{incoming.device}" if incoming.device else incoming.room
        namespace = "/iot" if incoming.device else incoming.namespace
        return self._policy.may(who, "publish", namespace, room, incoming.event or None)

    def subscribe(self, who: Who, filter: str) -> bool:
        if self._anything(who):
            return True
        if filter.startswith("$share/"):
            filter = filter.split("/", 2)[-1]
        if who.identity.kind == "device" and covers(f"devices/{who.identity.id}/#", filter):
            return True
        found = self._routes.room_of(filter)
        return found is not None and self._policy.may(who, "join", *found, None)

    def _anything(self, who: Who) -> bool:
        return who.role in ("admin", "service") and who.grants is None

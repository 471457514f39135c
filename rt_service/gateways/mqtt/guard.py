"""Who may, on the embedded broker, in open mode: everybody everything but speak in the service's own name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from rt_service.core import names
from rt_service.core.model import Identity
from rt_service.mqtt.topics import Trie


class OpenGuard:
    """`reserved` are the filters of topics that only the service publishes on; so are those that begin with `$`."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._reserved: Trie[bool] = Trie()
        for filter in reserved:
            self._reserved.add(filter, True)

    def connect(self, client_id: str, username: str | None, password: bytes | None) -> Identity:
        """A device of the client id's name; one that is no name here gets another, always the same."""
        if names.is_name(client_id):
            return Identity("device", client_id)
        return Identity("device", f"anon-{hashlib.sha256(client_id.encode()).hexdigest()[:12]}")

    def publish(self, identity: Identity, topic: str) -> bool:
        return not topic.startswith("$") and not any(self._reserved.match(topic))

    def subscribe(self, identity: Identity, filter: str) -> bool:
        return True

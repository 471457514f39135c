"""Which devices are online, from their status messages and wills; shown as presence of the room `device:<id>`."""

from __future__ import annotations

from rt_service.core.errors import TooManyRequests
from rt_service.core.hub import Hub
from rt_service.core.model import Identity

NAMESPACE = "/iot"


def room_of(device: str) -> str:
    return f"device:{device}"


class Devices:
    def __init__(self, hub: Hub, bound: int = 100_000) -> None:
        self._hub = hub
        self._bound = bound
        self._online: set[str] = set()

    def online(self, device: str) -> bool:
        return device in self._online

    def status(self, device: str, online: bool) -> None:
        """A device said, or its will said for it, whether it is there. Saying it again changes nothing.

        Raises:
            TooManyRequests: more devices are online than can be kept track of.
        """
        if online == (device in self._online):
            return
        identity = Identity("device", device)
        if online:
            if len(self._online) >= self._bound:
                raise TooManyRequests(f"{self._bound} devices are online, the most there may be")
            self._online.add(device)
            self._hub.arrive(NAMESPACE, room_of(device), identity, None, "online")
        else:
            self._online.discard(device)
            self._hub.depart(NAMESPACE, room_of(device), identity, "offline")

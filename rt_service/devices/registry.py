"""Which devices are there, and since when: from their status, their last will, and whether they still speak.

Shown as presence of the room `device:<id>`. A device that says `online` is there until it, or its will, says `offline`.
One that never says anything of itself is there while it speaks.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, NamedTuple

from rt_service.core import encoding
from rt_service.core.errors import TooManyRequests
from rt_service.core.hub import Hub
from rt_service.core.model import Identity
from rt_service.core.ports import Clock, Store

NAMESPACE = "/iot"
SHELF = "device"
DOUBT_S = 30.0  # after a restart, for a device that was online to say something


def room_of(device: str) -> str:
    return f"device:{device}"


class State(NamedTuple):
    """`since` is Unix time in ms; `until` on the monotonic clock: offline then, unless it says something before."""

    online: bool
    since: int
    until: float | None = None


class Devices:
    def __init__(self, hub: Hub, store: Store, clock: Clock, silent_s: float = 60.0, bound: int = 100_000) -> None:
        self._hub = hub
        self._store = store
        self._clock = clock
        self._silent_s = silent_s
        self._bound = bound
        self._states: dict[str, State] = {}
        self._seen: dict[str, int] = {}  # Unix ms, by those of the devices above that said something since the start

    def restore(self) -> None:
        """What an earlier process knew; devices that were online have a little time to say something."""
        until = self._clock.monotonic() + DOUBT_S
        for device, value in self._store.load(SHELF):
            online, since = encoding.loads(value)
            self._states[device] = State(online, since, until if online else None)
            if online:
                self._hub.arrive(NAMESPACE, room_of(device), Identity("device", device), {"since": since}, "online")

    def online(self, device: str) -> bool:
        state = self._states.get(device)
        return state is not None and state.online

    def known(self, filter: str = "", limit: int | None = None) -> list[dict[str, Any]]:
        """Devices with `filter` in their id, at most `limit`, those that came or went last first."""
        text = filter.lower()
        found = (
            {"id": id, "online": state.online, "since": state.since, "seen": self._seen.get(id)}
            for id, state in reversed(self._states.items())
            if text in id.lower()
        )
        return list(islice(found, limit))

    def count(self, filter: str = "") -> int:
        """How many are known with `filter` in their id."""
        text = filter.lower()
        return sum(text in id.lower() for id in self._states) if text else len(self._states)

    def status(self, device: str, online: bool) -> None:
        """A device said, or its will said for it, whether it is there.

        Raises:
            TooManyRequests: more devices are known than can be kept track of.
        """
        self._set(device, online, None)

    def heard(self, device: str) -> None:
        """A device said something else. Raises TooManyRequests as `status` does."""
        state = self._states.get(device)
        if state is not None:
            self._seen[device] = self._clock.ms()
        if state is not None and state.online and state.until is None:
            return  # it says itself when it goes
        self._set(device, True, self._clock.monotonic() + self._silent_s)

    def sweep(self) -> None:
        """Devices that did not speak for too long are offline; called now and then."""
        now = self._clock.monotonic()
        for device, state in list(self._states.items()):
            if state.online and state.until is not None and state.until <= now:
                self._set(device, False, None)

    def _set(self, device: str, online: bool, until: float | None) -> None:
        state = self._states.get(device)
        if state is None and len(self._states) >= self._bound and not self._forget_one():
            raise TooManyRequests(f"{self._bound} devices are online, the most there may be")
        if state is not None and state.online == online:
            self._states[device] = state._replace(until=until)
            return
        since = self._clock.ms()
        self._states.pop(device, None)  # the one that changed last stands last
        self._states[device] = State(online, since, until)
        if online:
            self._seen[device] = since
        self._store.put(SHELF, device, encoding.dumps([online, since]))
        identity = Identity("device", device)
        if online:
            self._hub.arrive(NAMESPACE, room_of(device), identity, {"since": since}, "online")
        elif state is not None:
            self._hub.depart(NAMESPACE, room_of(device), identity, "offline", {"since": since})

    def _forget_one(self) -> bool:
        """Make room: the device that has been offline for longest."""
        oldest = next((device for device, state in self._states.items() if not state.online), None)
        if oldest is None:
            return False
        del self._states[oldest]
        self._seen.pop(oldest, None)
        self._store.put(SHELF, oldest, None)
        return True

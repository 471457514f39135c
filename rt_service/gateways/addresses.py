"""Who connects, by address: how many connections each has, how fast it makes new ones, and which stand for others."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable

from rt_service.core.limits import Buckets
from rt_service.core.ports import Clock

ADDRESSES = 10_000  # whose rates are remembered
FULL_S = 5.0  # after which it is worth to try again, for who has as many connections as may be

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parsed(text: str) -> Address | None:
    """An address; None where it is none. IPv4 in IPv6's clothes is IPv4."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def counted(text: str) -> str:
    """What an address is counted as: of IPv6 the /64 that every household has for itself."""
    address = parsed(text)
    if isinstance(address, ipaddress.IPv6Address):
        return f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64"
    return str(address or text)


class Networks:
    """Addresses and networks that the settings name."""

    def __init__(self, named: Iterable[str]) -> None:
        """Raises ValueError."""
        self._networks = [ipaddress.ip_network(name.strip(), strict=False) for name in named]

    def __contains__(self, text: str) -> bool:
        if not self._networks:
            return False
        address = parsed(text)
        return address is not None and any(address in network for network in self._networks)


class Crowded(Exception):
    """An address has as many connections as may be, or makes them too fast; `reason` says which, for counting."""

    def __init__(self, reason: str, retry_after_s: float) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class Addresses:
    """Bounded: it knows those that are connected, and of `ADDRESSES` how fast they were."""

    def __init__(self, most: int, per_s: float, burst: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._rates = Buckets(per_s, burst, ADDRESSES)
        self._open: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, address: str) -> Callable[[], None]:
        """One connection more; what is returned is to be called once when it is over. Raises Crowded."""
        name = counted(address)
        if self._open.get(name, 0) >= self._most:
            raise Crowded("connections_per_address", FULL_S)
        now = self._clock.monotonic()
        wait_s = self._rates.of(name, now).take(now)
        if wait_s:
            raise Crowded("connects_per_address", wait_s)
        self._open[name] = self._open.get(name, 0) + 1
        return lambda: self._leave(name)

    def _leave(self, name: str) -> None:
        self._open[name] -= 1
        if not self._open[name]:
            del self._open[name]

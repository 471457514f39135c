"""At which names the service may be asked for.

A page of a stranger can let its name point at 127.0.0.1, and is then of the service's own origin for a browser (DNS
rebinding). What it cannot change is the name, which the browser sends as Host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rt_service.gateways.addresses import parsed

ANY = "*"
_host = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?").fullmatch
_name = re.compile(r"[A-Za-z0-9._-]+").fullmatch


class Hosts:
    """Addresses and `localhost` are nobody's to point elsewhere; other names have to be `allowed`."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """Raises ValueError."""
        names = [name.rstrip(".").lower() for name in allowed]
        wrong = next((name for name in names if name != ANY and not _name(name)), None)
        if wrong is not None:
            raise ValueError(f"{wrong!r} is no name of a host: write it without scheme and port")
        self._names = frozenset(["localhost", *names])

    def __call__(self, host: str | None) -> bool:
        """Whether a request with this `Host` may go on. Only what is no browser sends none."""
        if not host or ANY in self._names:
            return True
        found = _host(host)
        if found is None:
            return False
        name = found[1].rstrip(".").lower()
        return name in self._names or parsed(name.strip("[]")) is not None

"""Who sent a request that a proxy hands on: believed of the proxies that the settings name, and of nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rt_service.gateways.addresses import Networks, parsed

HOPS = 20  # that are looked at


class Proxies:
    def __init__(self, trusted: Networks, header: str) -> None:
        """`header` is what they set: `Forwarded` (RFC 7239), or `X-Forwarded-For` together with `X-Forwarded-Proto`."""
        self._trusted = trusted
        self._hops = _forwarded if header == "Forwarded" else _x_forwarded

    def reveal(self, environ: dict[str, Any]) -> bool:
        """Whether it came through a proxy from somebody, whose address and scheme are then those of the request."""
        found, scheme = None, ""
        if environ["REMOTE_ADDR"] in self._trusted:
            for name, said in self._hops(environ):  # the nearest first: what is further away anybody may have made up
                scheme = said or scheme
                address = parsed(_bare(name))
                if address is None:
                    break
                found = str(address)
                if found not in self._trusted:
                    break
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        if found is None:
            return False
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = found, ""
        return found not in self._trusted


def _x_forwarded(environ: dict[str, Any]) -> Iterator[tuple[str, str]]:
    scheme = _items(environ.get("HTTP_X_FORWARDED_PROTO", ""), ",")[-1].lower()
    for name in _items(environ.get("HTTP_X_FORWARDED_FOR", ""), ",")[: -HOPS - 1 : -1]:
        yield name, scheme


def _forwarded(environ: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for hop in _items(environ.get("HTTP_FORWARDED", ""), ",")[: -HOPS - 1 : -1]:
        pairs = (pair.partition("=") for pair in _items(hop, ";"))
        said = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        yield said.get("for", ""), said.get("proto", "").lower()


def _items(text: str, separator: str) -> list[str]:
    """What is between the separators; in quotes there is none."""
    items, quoted = [""], False
    for character in text:
        quoted ^= character == '"'
        if character == separator and not quoted:
            items.append("")
        else:
            items[-1] += character
    return [item.strip() for item in items]


def _bare(name: str) -> str:
    """An address without the port that some proxies add."""
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0] if name.count(":") == 1 else name

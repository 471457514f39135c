"""Device twins: what a device should be, and what it says it is, as two documents that are patched (RFC 7396)."""

from __future__ import annotations

from typing import Any, NamedTuple

from rt_service.core import encoding
from rt_service.core.errors import BadRequest, Conflict, TooLarge, TooManyRequests
from rt_service.core.ports import Store

SHELF = "twin"


class Twin(NamedTuple):
    """`version` grows by one with every change of either document."""

    desired: dict[str, Any]
    reported: dict[str, Any]
    version: int

    def as_dict(self) -> dict[str, Any]:
        return self._asdict()


class Change(NamedTuple):
    """What an update does; `delta` is the part of it that was different before."""

    device: str
    before: Twin | None
    after: Twin
    delta: dict[str, Any]


class Twins:
    """Every twin is in memory, and on disk where the store is."""

    def __init__(self, store: Store, bound: int = 100_000, document_bytes: int = 65_536) -> None:
        self._store = store
        self._bound = bound
        self._document_bytes = document_bytes
        self._twins = {device: Twin(*encoding.loads(value)) for device, value in store.load(SHELF)}

    def get(self, device: str) -> Twin:
        """The twin; an empty one of version 0 if there is none yet."""
        return self._twins.get(device, Twin({}, {}, 0))

    def change(self, device: str, which: str, patch: Any, version: int | None = None) -> Change:
        """Apply a merge patch to `desired` or `reported`; the store is told. A patch that changes nothing is none.

        Raises:
            BadRequest: the patch is no object, or nested too deep.
            Conflict: `version` is not the twin's.
            TooLarge: the document would be larger than it may be.
            TooManyRequests: there are as many twins as there may be.
        """
        twin = self.get(device)
        if not isinstance(patch, dict):
            raise BadRequest(f"{which} is patched with an object (RFC 7396)")
        if version is not None and version != twin.version:
            raise Conflict(f"the twin is at version {twin.version}, not {version}; read it again")
        if device not in self._twins and len(self._twins) >= self._bound:
            raise TooManyRequests(f"there are {self._bound} twins, the most there may be")
        encoding.encode(patch)  # or it could be too deep to walk through
        old: dict[str, Any] = getattr(twin, which)
        new = merged(old, patch)
        size = len(encoding.encode(new).json)
        if size > self._document_bytes:
            raise TooLarge(f"{which} would be {size} bytes as JSON, more than {self._document_bytes}")
        delta = difference(old, patch)
        after = twin._replace(**{which: new}, version=twin.version + 1) if delta else twin
        change = Change(device, self._twins.get(device), after, delta)
        if delta:
            self._set(device, after)
        return change

    def revert(self, change: Change) -> None:
        """It could not be kept."""
        if self._twins.get(change.device) == change.after:
            self._set(change.device, change.before)

    def _set(self, device: str, twin: Twin | None) -> None:
        if twin is None:
            self._twins.pop(device, None)
        else:
            self._twins[device] = twin
        self._store.put(SHELF, device, None if twin is None else encoding.dumps(list(twin)))


def merged(document: Any, patch: Any) -> Any:
    """The merge patch applied (RFC 7396 section 2): null removes, objects go deeper, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def difference(document: Any, patch: dict[str, Any]) -> dict[str, Any]:
    """The part of `patch` that changes `document`."""
    found: dict[str, Any] = {}
    for name, value in patch.items():
        there = isinstance(document, dict) and name in document
        old = document[name] if there else None
        if value is None:
            if there:
                found[name] = None
        elif isinstance(value, dict) and isinstance(old, dict):
            deeper = difference(old, value)
            if deeper:
                found[name] = deeper
        elif not there or merged(None, value) != old:
            found[name] = value
    return found

"""What an application adds to publishing: it sees, changes or refuses what is said before it is kept."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rt_service import log
from rt_service.core.errors import Internal, RtError
from rt_service.core.model import Identity, PublicationClass

EVERY_EVENT = "*"


@dataclass(slots=True)
class Said:
    """What somebody is about to publish. A hook may put something else into `data`."""

    namespace: str
    room: str
    event: str
    data: Any
    sender: Identity
    class_: PublicationClass
    key: str | None


Hook = Callable[[Said], None]


class Failed(Internal):
    """A hook did something it should not. The same would fail again: a device's message is not held up by it."""

    temporary = False


class Hooks:
    """Hooks by namespace and event; false while there are none."""

    def __init__(self) -> None:
        self._hooks: dict[tuple[str, str], list[Hook]] = {}
        self._log = log.get("application")

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def add(self, namespace: str, event: str, hook: Hook) -> None:
        """`event` may be `*`, for all of a namespace; those run first."""
        self._hooks.setdefault((namespace, event), []).append(hook)

    def run(self, said: Said) -> None:
        """Ask every hook, in the order in which they were added.

        Raises:
            RtError: what a hook raised, or Failed (`internal`) where that was something else.
        """
        for name in (EVERY_EVENT, said.event):
            for hook in self._hooks.get((said.namespace, name), ()):
                try:
                    hook(said)
                except RtError:
                    raise
                except Exception as error:  # noqa: BLE001  an application's fault must not end anything of ours
                    reference = secrets.token_hex(4)
                    where = getattr(hook, "__qualname__", repr(hook))
                    self._log.error("hook_failed", hook=where, reference=reference, exc_info=error)
                    raise Failed(f"the application failed here; the reference is {reference}") from None

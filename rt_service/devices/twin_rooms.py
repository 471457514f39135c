"""Changes of device twins, told in the devices' rooms: as they happen, and as newest values to who comes later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rt_service.core.errors import RtError
from rt_service.core.model import PublicationClass, Who
from rt_service.core.ports import Receipt
from rt_service.devices.registry import NAMESPACE, room_of
from rt_service.devices.twin import Change, Twin, Twins


class TwinRooms:
    """`publish` is the api's."""

    def __init__(self, twins: Twins, publish: Callable[..., None]) -> None:
        self._twins = twins
        self._publish = publish

    def get(self, device: str) -> Twin:
        return self._twins.get(device)

    def change(
        self,
        done: Callable[[Change | RtError], None],
        who: Who,
        device: str,
        which: str,
        patch: Any,
        version: int | None = None,
    ) -> None:
        """Patch a device's `desired` or `reported`; `done` is called once that is kept and told.

        Raises:
            RtError: refused; `done` is not called then (see `Twins.change`).
        """
        change = self._twins.change(device, which, patch, version)
        if not change.delta:
            done(change)
            return

        def kept(receipt: Receipt | RtError) -> None:
            if isinstance(receipt, RtError):
                self._twins.revert(change)
            done(receipt if isinstance(receipt, RtError) else change)

        try:
            if which == "desired":  # what the device is told, on its retained topic
                wanted = {"desired": change.after.desired, "version": change.after.version}
                self._tell(_nobody, who, device, "twin.desired", wanted)
            self._tell(kept, who, device, "twin", {**change.after.as_dict(), "delta": {which: change.delta}})
        except RtError:
            self._twins.revert(change)
            raise

    def _tell(self, done: Callable[[Receipt | RtError], None], who: Who, device: str, event: str, said: Any) -> None:
        self._publish(done, who, NAMESPACE, room_of(device), event, said, class_=PublicationClass.LATEST, key=event)


def _nobody(receipt: Receipt | RtError) -> None:
    """What is published after it says what became of both."""

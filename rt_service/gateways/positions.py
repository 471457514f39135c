"""A position as one word of an address or a header: `epoch:offset`."""

from __future__ import annotations

from rt_service.core.errors import BadRequest
from rt_service.core.model import Position

EPOCH_CHARACTERS = 64
OFFSET_DIGITS = 15  # fewer than a JSON number can hold exactly


def position(text: str, name: str) -> Position:
    """What `text`, the value of `name`, stands for. Raises BadRequest."""
    epoch, _, offset = text.rpartition(":")
    fits = 0 < len(epoch) <= EPOCH_CHARACTERS and epoch.isascii() and epoch.isalnum()
    if not fits or not (offset.isascii() and offset.isdigit()) or len(offset) > OFFSET_DIGITS:
        raise BadRequest(f"{name} is a position: epoch:offset")
    return Position(epoch, int(offset))

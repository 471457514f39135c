"""A client of rt-service: rooms that recover by themselves, publishing until it is answered, calls."""

from rt_client.client import Client
from rt_client.model import (
    Closing,
    History,
    Identity,
    Joined,
    Member,
    Position,
    PresenceChange,
    Publication,
    Receipt,
    RtError,
    Twin,
)
from rt_client.room import Room

__all__ = [
    "Client", "Closing", "History", "Identity", "Joined", "Member", "Position", "PresenceChange", "Publication",
    "Receipt", "Room", "RtError", "Twin",
]  # fmt: skip

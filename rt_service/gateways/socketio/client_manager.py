"""python-socketio's view of the hub: connections are listed here, rooms and their members are the hub's."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable
from typing import Any

from rt_service.core import names
from rt_service.core.hub import Hub
from rt_service.core.session import Session
from rt_service.gateways.engineio.client_manager import Connections


class HubManager(Connections):
    """The `client_manager` of the Socket.IO server: an application's `join_room` and the verb `join` are the same."""

    def __init__(self, hub: Hub, connected: Callable[[str, str], None]) -> None:
        """`connected(sid, namespace)` is called when a client has been told that it is."""
        super().__init__()
        self._hub = hub
        self._told = connected
        self._questions = itertools.count(random.randrange(1, 1_000_000_000))

    def _generate_ack_id(self, sid: str, callback: Callable[..., None]) -> int:
        """One that no session had: who answers late, over its next connection, must not answer another question."""
        number = next(self._questions)
        self.callbacks.setdefault(sid, {})[number] = callback
        return number

    def connect(self, sid: str, namespace: str) -> str | None:
        connected = super().connect(sid, namespace)
        if connected is not None:
            self._told(connected, namespace)
        return connected

    def sids_in(self, namespace: str, room: str | None) -> Iterable[str]:
        if room is None:
            return self._connected.get(namespace, ())
        if self.is_sid_room(namespace, room):
            return (room,)
        return [session.sid for session in self._hub.rooms.members(namespace, room)]

    def leave_all(self, sid: str, namespace: str) -> None:
        session = self._hub.sessions.get(sid)
        if session is not None:
            self._hub.close(session)

    def basic_enter_room(self, sid: str, namespace: str, room: str, eio_sid: str | None = None) -> None:
        if sid != room:
            self._hub.enter(self._session(sid), names.room_name(room))

    def basic_leave_room(self, sid: str, namespace: str, room: str) -> None:
        self._hub.leave(self._session(sid), room)

    def basic_close_room(self, room: str, namespace: str) -> None:
        for session in list(self._hub.rooms.members(namespace, room)):
            self._hub.leave(session, room)

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        session = self._hub.sessions.get(sid)
        return [sid, *session.rooms] if session is not None else []

    @property
    def rooms(self) -> dict[str, dict[Any, Any]]:
        """Who is connected, in the shape that python-socketio's own manager has."""
        return {namespace: {None: sids} for namespace, sids in self._connected.items()}

    @rooms.setter
    def rooms(self, value: Any) -> None:
        """BaseManager sets a table of its own here; there is only one, the hub's."""

    def _session(self, sid: str) -> Session:
        session = self._hub.sessions.get(sid)
        if session is None:
            raise ValueError("sid is not connected to requested namespace")
        return session

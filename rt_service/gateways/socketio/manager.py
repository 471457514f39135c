"""The `client_manager` of python-socketio: its seam to whoever keeps connections and rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import socketio

from rt_service.api import Api
from rt_service.core import names
from rt_service.core.hub import Hub
from rt_service.core.session import Session


class HubManager(socketio.Manager):
    """python-socketio's view of the hub: connections are listed here, rooms and their members are the hub's."""

    def __init__(self, hub: Hub, api: Api, connected: Callable[[str, str], None]) -> None:
        """`connected(sid, namespace)` is called when a client has been told that it is."""
        super().__init__()
        self._told = connected
        self._hub = hub
        self._api = api
        self._eio_sids: dict[tuple[str, str], str] = {}  # (namespace, sid) -> Engine.IO sid
        self._sids: dict[tuple[str, str], str] = {}  # (namespace, Engine.IO sid) -> sid
        self._connected: set[tuple[str, str]] = set()  # (namespace, sid)

    # -- connections

    def get_namespaces(self) -> list[str]:
        return list({namespace for namespace, _ in self._eio_sids})

    def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        if (namespace, eio_sid) in self._sids:
            return None
        sid: str = self.server.eio.generate_id()
        self._eio_sids[namespace, sid] = eio_sid
        self._sids[namespace, eio_sid] = sid
        return sid

    def connect(self, sid: str, namespace: str) -> str:
        self._connected.add((namespace, sid))
        self._told(sid, namespace)
        return sid

    def is_connected(self, sid: str, namespace: str) -> bool:
        return (namespace, sid) in self._connected

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        return self._sids.get((namespace, eio_sid))

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        return self._eio_sids.get((namespace, sid))

    def namespaces_of(self, eio_sid: str) -> list[str]:
        return [namespace for namespace, one in self._sids if one == eio_sid]

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        self._connected.discard((namespace, sid))
        return self._eio_sids.get((namespace, sid))

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        self._connected.discard((namespace, sid))
        eio_sid = self._eio_sids.pop((namespace, sid), None)
        if eio_sid is not None:
            self._sids.pop((namespace, eio_sid), None)
        self.callbacks.pop(sid, None)
        session = self._hub.sessions.get(sid)
        if session is not None:
            self._api.disconnect(session)

    # -- rooms

    @property
    def rooms(self) -> Mapping[str, Any]:
        """Namespaces with somebody in them; python-socketio asks it only whether there is one."""
        return dict.fromkeys(self.get_namespaces())

    @rooms.setter
    def rooms(self, value: Any) -> None:
        """BaseManager sets its own table here; there is only one, the hub's."""

    def is_sid_room(self, namespace: str, room: str) -> bool:
        return (namespace, room) in self._eio_sids

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        rooms = room if isinstance(room, (list, tuple, set)) else [room]
        for sid in dict.fromkeys(sid for one in rooms for sid in self._sids_in(namespace, one)):
            eio_sid = self._eio_sids.get((namespace, sid))
            if eio_sid is not None:
                yield sid, eio_sid

    def _sids_in(self, namespace: str, room: str | None) -> list[str]:
        if room is None:
            return [sid for ns, sid in self._connected if ns == namespace]
        if self.is_sid_room(namespace, room):
            return [room]
        return [session.sid for session in self._hub.rooms.members(namespace, room)]

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

    def _session(self, sid: str) -> Session:
        session = self._hub.sessions.get(sid)
        if session is None:
            raise ValueError("sid is not connected to requested namespace")
        return session

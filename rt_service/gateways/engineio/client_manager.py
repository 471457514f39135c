"""python-socketio's client manager with rooms that know their connections: emitting is appending to their outboxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import socketio
from engineio import packet as eio
from socketio import packet as sio


class Connections(socketio.Manager):
    """Who is connected, found both ways. Rooms are left to subclasses: `sids_in`, `basic_enter_room` and the like."""

    def __init__(self) -> None:
        super().__init__()
        self._eio_sids: dict[tuple[str, str], str] = {}  # (namespace, sid) -> Engine.IO sid
        self._sids: dict[tuple[str, str], str] = {}  # (namespace, Engine.IO sid) -> sid
        self._connected: dict[str, dict[str, None]] = {}  # namespace -> sids
        self._namespaces: Counter[str] = Counter()  # how many are there, or about to be

    # -- connections

    def get_namespaces(self) -> list[str]:
        return list(self._namespaces)

    def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        if (namespace, eio_sid) in self._sids:
            return None
        sid: str = self.server.eio.generate_id()
        self._eio_sids[namespace, sid] = eio_sid
        self._namespaces[namespace] += 1
        self._sids[namespace, eio_sid] = sid
        return sid

    def connect(self, sid: str, namespace: str) -> str | None:
        """`sid` was given by `pre_connect`; an Engine.IO sid connects at once, as python-socketio's own tests do."""
        if (namespace, sid) not in self._eio_sids:
            connected = self.pre_connect(sid, namespace)
            if connected is None:
                return None
            sid = connected
        self._connected.setdefault(namespace, {})[sid] = None
        return sid

    def is_connected(self, sid: str, namespace: str) -> bool:
        return sid in self._connected.get(namespace, ())

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        return self._sids.get((namespace, eio_sid))

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        return self._eio_sids.get((namespace, sid))

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        self._connected.get(namespace, {}).pop(sid, None)
        return self._eio_sids.get((namespace, sid))

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        self._connected.get(namespace, {}).pop(sid, None)
        if not self._connected.get(namespace, True):
            del self._connected[namespace]
        self.leave_all(sid, namespace)
        eio_sid = self._eio_sids.pop((namespace, sid), None)
        if eio_sid is not None:
            self._sids.pop((namespace, eio_sid), None)
            self._namespaces[namespace] -= 1
            if not self._namespaces[namespace]:
                del self._namespaces[namespace]
        self.callbacks.pop(sid, None)

    # -- rooms, for subclasses

    def sids_in(self, namespace: str, room: str | None) -> Iterable[str]:
        """Members of a room; `None` is everybody in the namespace, a sid is a room of its own."""
        raise NotImplementedError

    def leave_all(self, sid: str, namespace: str) -> None:
        """A client is gone."""
        raise NotImplementedError

    def is_sid_room(self, namespace: str, room: Any) -> bool:
        return (namespace, room) in self._eio_sids

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        rooms = room if isinstance(room, (list, tuple, set)) else [room]
        for sid in dict.fromkeys(sid for one in rooms for sid in self.sids_in(namespace, one)):
            eio_sid = self._eio_sids.get((namespace, sid))
            if eio_sid is not None:
                yield sid, eio_sid

    # -- emitting

    def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **kwargs: Any,
    ) -> None:
        arguments = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        skipped = skip_sid if isinstance(skip_sid, list) else [skip_sid]
        participants = [
            (sid, eio_sid) for sid, eio_sid in self.get_participants(namespace, to or room) if sid not in skipped
        ]
        if not participants:
            return
        if callback:
            for sid, eio_sid in participants:
                number = self._generate_ack_id(sid, callback)
                packet = self.server.packet_class(sio.EVENT, namespace=namespace, data=[event, *arguments], id=number)
                self.server._send_packet(eio_sid, packet)
            return
        self._broadcast(namespace, [event, *arguments], [eio_sid for _, eio_sid in participants])

    def _broadcast(self, namespace: str, data: list[Any], eio_sids: list[str]) -> None:
        sockets, outboxes, others = self.server.eio.sockets, [], []
        for eio_sid in eio_sids:
            connection = sockets.get(eio_sid)
            if connection is not None:
                outboxes.append(connection.out)
            else:
                others.append(eio_sid)
        if outboxes:
            frame = self.server.frame_of(sio.Packet(sio.EVENT, namespace=namespace, data=data))
            self.server.eio.loop.broadcast(outboxes, frame)
        if others:  # Flask-SocketIO's test client: it takes packets from a method that it replaced
            encoded = self.server.packet_class(sio.EVENT, namespace=namespace, data=data).encode()
            for eio_sid in others:
                for part in encoded if isinstance(encoded, list) else [encoded]:
                    self.server._send_eio_packet(eio_sid, eio.Packet(eio.MESSAGE, part))


class RoomManager(Connections):
    """Rooms of one process. Leaving takes time in the rooms of that client, not in all there are."""

    def __init__(self) -> None:
        super().__init__()
        self._members: dict[str, dict[Any, dict[str, None]]] = {}  # namespace -> room -> sids
        self._rooms_of: dict[tuple[str, str], dict[Any, None]] = {}  # (namespace, sid) -> rooms

    def sids_in(self, namespace: str, room: Any) -> Iterable[str]:
        if room is None:
            return self._connected.get(namespace, ())
        if self.is_sid_room(namespace, room):
            return (room,)
        return self._members.get(namespace, {}).get(room, ())

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: str | None = None) -> None:
        if room == sid:
            return
        if (namespace, sid) not in self._eio_sids:
            raise ValueError("sid is not connected to requested namespace")
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot enter a sid room")
        self._members.setdefault(namespace, {}).setdefault(room, {})[sid] = None
        self._rooms_of.setdefault((namespace, sid), {})[room] = None

    def basic_leave_room(self, sid: str, namespace: str, room: Any) -> None:
        rooms = self._members.get(namespace, {})
        members = rooms.get(room, {})
        members.pop(sid, None)
        if room in rooms and not members:
            del rooms[room]
            if not rooms:
                del self._members[namespace]
        self._rooms_of.get((namespace, sid), {}).pop(room, None)

    def basic_close_room(self, room: Any, namespace: str) -> None:
        if self.is_sid_room(namespace, room):
            raise ValueError("cannot close a sid room")
        for sid in list(self.sids_in(namespace, room)):
            self.basic_leave_room(sid, namespace, room)

    def get_rooms(self, sid: str, namespace: str) -> list[Any]:
        known = (namespace, sid) in self._eio_sids
        return [sid, *self._rooms_of.get((namespace, sid), ())] if known else []

    def leave_all(self, sid: str, namespace: str) -> None:
        for room in list(self._rooms_of.get((namespace, sid), ())):
            self.basic_leave_room(sid, namespace, room)
        self._rooms_of.pop((namespace, sid), None)

    @property
    def rooms(self) -> dict[str, dict[Any, Any]]:
        """The shape that python-socketio's own manager has, for `instrument()` and others who look."""
        return {
            namespace: {None: members, **self._members.get(namespace, {})}
            for namespace, members in self._connected.items()
        }

    @rooms.setter
    def rooms(self, value: Any) -> None:
        """BaseManager sets a table of its own here; this one is it."""

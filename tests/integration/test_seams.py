"""The undocumented parts of libraries that are relied on. When a new version breaks one of these, look there first."""

from __future__ import annotations

import inspect

import eventlet.wsgi
import flask_socketio
import pytest
import socketio
from eventlet.websocket import WebSocketWSGI
from flask import Flask
from paho.mqtt import client as paho

from rt_service.bridge.paho import LoopClient
from tests.support.service import Service
from tests.support.socketio_client import SocketIoClient
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def server() -> socketio.Server:
    return flask_socketio.SocketIO(Flask(__name__), async_mode="threading").server


def test_python_socketio_hands_events_to_replaceable_methods(server: socketio.Server) -> None:
    assert list(inspect.signature(server._handle_event).parameters) == ["eio_sid", "namespace", "id", "data"]
    assert list(inspect.signature(server._trigger_event).parameters) == ["event", "namespace", "args"]
    source = inspect.getsource(type(server))
    for call in ("self._handle_event(eio_sid,", "self._trigger_event(", "self.manager.connect(sid, namespace)"):
        assert call in source


def test_python_socketio_tells_the_manager_that_a_client_is_connected_after_telling_the_client() -> None:
    source = inspect.getsource(socketio.Server._handle_connect)
    assert source.rindex("packet.CONNECT,") < source.rindex("self.manager.connect(")


def test_python_socketio_sends_through_one_method_that_the_test_client_replaces(server: socketio.Server) -> None:
    assert list(inspect.signature(server._send_eio_packet).parameters) == ["eio_sid", "eio_pkt"]
    assert "_send_eio_packet" in inspect.getsource(flask_socketio.test_client)


def test_engineio_makes_each_connections_queue_through_the_server(server: socketio.Server) -> None:
    import engineio.base_socket

    assert "self.server.create_queue()" in inspect.getsource(engineio.base_socket)


def test_eventlets_wsgi_server_serves_single_connections() -> None:
    assert list(inspect.signature(eventlet.wsgi.Server.process_request).parameters) == ["self", "conn_state"]
    assert "conn_state[1]" in inspect.getsource(eventlet.wsgi.HttpProtocol.__init__)


def test_eventlet_reads_a_request_and_its_body_through_methods_that_are_replaced() -> None:
    protocol, body = eventlet.wsgi.HttpProtocol, eventlet.wsgi.Input
    assert "self.handle_one_request()" in inspect.getsource(protocol.handle)
    assert "self.application(self.environ, start_response)" in inspect.getsource(protocol.handle_one_response)
    assert "self.headers_sent" in inspect.getsource(body.send_hundred_continue_response)
    handled = inspect.getsource(protocol.handle_one_response)
    for used in ("discard()", "position", "content_length", "chunked_input", "should_send_hundred_continue"):
        assert f"request_input.{used}" in handled
    assert list(inspect.signature(body.__init__).parameters)[1:] == [
        "rfile", "content_length", "sock", "wfile", "wfile_line", "chunked_input",
    ]  # fmt: skip


def test_eventlets_websockets_can_be_kept_from_compressing() -> None:
    assert callable(WebSocketWSGI._negotiate_permessage_deflate)


def test_paho_reads_through_methods_that_can_be_replaced() -> None:
    assert "self._sock_recv(" in inspect.getsource(paho.Client._packet_read)
    client = LoopClient(paho.CallbackAPIVersion.VERSION2)
    assert all(type(getattr(client, name)).__name__ == "_NoLock" for name in vars(client) if name.endswith("_mutex"))
    assert isinstance(client._max_inflight_messages, int)
    assert client._registered_write is False


def test_an_applications_own_handlers_and_rooms_share_the_hubs_rooms() -> None:
    """`join_room` of Flask-SocketIO makes a session a member like the verb does: one membership table."""
    from rt_service.core.hub import Hub
    from rt_service.gateways.socketio.client_manager import HubManager
    from tests.support.core import Core

    core = Core()
    alice = core.client("alice")
    manager = HubManager(core.hub, lambda sid, namespace: None)
    manager.set_server(flask_socketio.SocketIO(Flask(__name__), async_mode="threading").server)
    manager.basic_enter_room(alice.session.sid, "/chat", "lobby")
    assert isinstance(core.hub, Hub)
    assert manager.get_rooms(alice.session.sid, "/chat") == [alice.session.sid, "lobby"]
    alice.ok("publish", room="lobby", event="say", data=1)
    assert alice.data() == [1]
    manager.basic_leave_room(alice.session.sid, "/chat", "lobby")
    assert alice.refused("publish", room="lobby", event="say", data=1) == "not_member"


def test_a_disconnected_client_leaves_nothing_behind(service: Service) -> None:
    with SocketIoClient(service.http, user="leaver") as client:
        client.ok("join", room="left")
    with SocketIoClient(service.http, user="looker") as client:
        eventually(lambda: client.ok("presence", room="left")["members"] == [])
        assert client.ok("rooms", prefix="left")["rooms"] == []

"""TLS on a socket that never waits, against Python's own on the other side of a real connection."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import eventlet
import pytest

from rt_service.gateways.certificates import Files, read
from rt_service.gateways.engineio.frames import Message, Reader
from rt_service.gateways.engineio.tls import DetachedSocket, DetachedTls, Tls
from rt_service.gateways.engineio.wire import TlsWire
from tests.support.certificates import Authority


class Receiver:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.writable_again = self.over = 0

    def received(self, messages: list[Message]) -> None:
        self.messages += messages

    def writable(self) -> None:
        self.writable_again += 1

    def lost(self, code: int, reason: str) -> None:
        self.over += 1


class Client:
    """Reads only when it is told to."""

    def __init__(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        self.socket = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.received = b""
        self.goodbye = False

    def step(self, do: Callable[[], Any]) -> bool:
        """Whether it is done."""
        try:
            done = do()
        except ssl.SSLWantReadError:
            done = None
        self.socket.sendall(self.outgoing.read())
        return done is not None

    def read(self) -> None:
        """All that has come."""
        try:
            while data := self.socket.recv(65_536):
                self.incoming.write(data)
        except BlockingIOError:
            pass
        try:
            while part := self.tls.read(65_536):
                self.received += part
            self.goodbye = True
        except ssl.SSLWantReadError:
            pass


@pytest.fixture
def connected(tmp_path: Path) -> Iterator[tuple[TlsWire, Client, Receiver]]:
    """Both ends after the handshake; the system holds little of what is not read."""
    authority = Authority(tmp_path)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    theirs = socket.socket()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    theirs.connect(listener.getsockname())
    ours = listener.accept()[0]
    certificate, key = authority.issue("server")
    tls = Tls(read("server", Files(str(certificate), str(key))))
    client = Client(ssl.create_default_context(cafile=str(authority.ca)), theirs)
    done = False
    while not done:
        client.step(lambda: client.tls.do_handshake() or True)
        done = tls.handshake(ours.recv(65_536))
        ours.sendall(tls.due())
        client.incoming.write(theirs.recv(65_536))
    theirs.setblocking(False)
    wire, receiver = TlsWire(DetachedTls(DetachedSocket(fileno=ours.detach()), tls), Reader(1 << 20)), Receiver()
    wire.start(receiver)
    yield wire, client, receiver
    wire.close()
    theirs.close()
    listener.close()


def until(condition: Callable[[], Any], client: Client) -> None:
    """Lets the hub run while the client reads."""
    with eventlet.Timeout(10):
        while not condition():
            client.read()
            eventlet.sleep(0.001)


def test_what_was_taken_leaves_though_nobody_waits_to_write(connected: Any) -> None:
    wire, client, receiver = connected
    assert wire.send(b"x" * 60_000) == 60_000
    assert wire._socket.held, "the system took all of it; then this tests nothing"
    until(lambda: len(client.received) == 60_000, client)
    assert not receiver.writable_again


def test_nothing_more_is_taken_before_that_has_left(connected: Any) -> None:
    wire, client, receiver = connected
    wire.send(b"a" * 60_000)
    with pytest.raises(BlockingIOError):
        wire.send(b"b" * 10)
    wire.wait_writable()
    until(lambda: receiver.writable_again, client)
    wire.sent_all()
    assert wire.send(b"c" * 10) == 10  # another than was offered before, which the library for sockets would not allow
    until(lambda: client.received == b"a" * 60_000 + b"c" * 10, client)


def test_the_goodbye_follows_what_is_held(connected: Any) -> None:
    wire, client, _ = connected
    wire.send(b"x" * 60_000)
    wire.shut()
    until(lambda: client.goodbye, client)
    assert len(client.received) == 60_000


def test_a_goodbye_ends_the_connection_though_the_socket_stays_open(connected: Any) -> None:
    _wire, client, receiver = connected
    client.step(lambda: client.tls.unwrap())
    until(lambda: receiver.over, client)


def test_what_is_no_tls_ends_the_connection(connected: Any) -> None:
    _wire, client, receiver = connected
    client.socket.sendall(b"\x17\x03\x03\x00\x10" + b"not encrypted...")
    until(lambda: receiver.over, client)

"""Accepts connections for one port, each for a greenlet of its own: bounded, also by address, and behind its handshake.

Nothing that strangers do ends the loop, or makes it wait.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, Protocol

from rt_service import log, runtime
from rt_service.gateways.addresses import FULL_S, Addresses, Crowded, Networks
from rt_service.gateways.certificates import Certificates
from rt_service.gateways.engineio import tls
from rt_service.metrics import Metrics

PER_TURN = 16  # connections that are accepted before the others get their turn
REFUSED_MOST = 100  # that are told why at one time; the rest is closed without a word
REFUSED_S = 1.0  # for each of them
REFUSED_READS = 16
NOTHING_LEFT_S = 0.1  # to wait where not even the spare descriptor helps
NOTHING_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Over = list[Callable[[], object]]


class Door(Protocol):
    """What a port is for."""

    def serve(self, sock: Any, address: Any, over: Over) -> None:
        """Serve a connection until it ends. `over` is called then; whoever takes the socket away takes it along."""

    def refuse(self, sock: Any, reason: str, retry_after_s: float) -> None:
        """Tell why there is no room. Raises OSError."""


class Acceptor:
    def __init__(
        self,
        name: str,
        listener: socket.socket,
        most: int,
        addresses: Addresses,
        proxies: Networks,
        metrics: Metrics,
        certificates: Certificates | None,
        handshake_s: float,
    ) -> None:
        """`proxies` are not counted by address: many come through them."""
        self._name = name
        self._listener: socket.socket | None = listener
        self._most = most
        self._addresses = addresses
        self._proxies = proxies
        self._metrics = metrics
        self._certificates = certificates
        self._handshake_s = handshake_s
        self._open = self._refusing = 0
        self._log = log.Seldom(log.get("listener"), runtime.SystemClock())
        self._spare = _spare()

    def start(self, door: Door) -> None:
        runtime.spawn(self._accept, self._listener, door)

    def stop(self) -> None:
        """Accept no more; connections that are open stay."""
        listener, self._listener = self._listener, None
        if listener is not None:
            runtime.stop_listening(listener)

    def _accept(self, listener: socket.socket, door: Door) -> None:
        accepted, short = 0, False
        while self._listener is listener:
            try:
                if short:  # then accepting fails whether somebody waits or not
                    runtime.wait_readable(listener)
                sock, address = listener.accept()
            except OSError as error:
                if self._listener is listener:
                    short = self._failed(listener, error)
                continue
            short = False
            self._take(door, sock, address)
            accepted += 1
            if not accepted % PER_TURN:
                runtime.sleep(0)

    # -- where accepting fails

    def _failed(self, listener: socket.socket, error: OSError) -> bool:
        """Whether there are no descriptors left."""
        self._log.info("accept_failed", port=self._name, error=error.strerror)
        if error.errno not in NOTHING_LEFT:  # it was gone already
            runtime.sleep(0)
        elif self._spare is None:
            runtime.sleep(NOTHING_LEFT_S)
            self._spare = _spare()
        else:
            self._shed(listener, self._spare)
        return error.errno in NOTHING_LEFT

    def _shed(self, listener: socket.socket, spare: int) -> None:
        """Close one that waits: without a descriptor nobody would ever answer it."""
        os.close(spare)
        try:
            runtime.shed(listener)
            self._metrics.refused.labels("descriptors").inc()
        except OSError:
            pass  # nobody waits
        self._spare = _spare()

    # -- one connection

    def _take(self, door: Door, sock: Any, address: Any) -> None:
        over: Over = []
        try:
            if self._open >= self._most:
                raise Crowded("connections", FULL_S)
            if address[0] not in self._proxies:
                over.append(self._addresses.enter(address[0]))
        except Crowded as crowded:
            self._refuse(door, sock, address, crowded)
            return
        self._open += 1
        over.append(self._ended)
        runtime.spawn(self._serve, door, sock, address, over)

    def _ended(self) -> None:
        self._open -= 1

    def _serve(self, door: Door, sock: Any, address: Any, over: Over) -> None:
        try:
            stream = self._secured(door, sock, address)
            if stream is not None:
                door.serve(stream, address, over)
        except OSError:
            pass  # it is gone
        finally:
            sock.close()
            for call in over:
                call()

    def _secured(self, door: Door, sock: Any, address: Any) -> Any:
        """The connection behind its handshake; None where that failed."""
        if self._certificates is None:
            return sock
        try:
            with runtime.deadline(self._handshake_s):
                return tls.accept(sock, self._certificates.context())
        except (OSError, TimeoutError) as error:
            self._metrics.refused.labels("tls").inc()
            reason = getattr(error, "reason", None) or str(error) or "it took too long"
            self._log.info("handshake_failed", port=self._name, address=address[0], error=reason)
            if isinstance(error, ssl.SSLError) and error.reason == "HTTP_REQUEST":
                self._tell(door, sock, "tls", 0)
            return None

    # -- no room

    def _refuse(self, door: Door, sock: Any, address: Any, crowded: Crowded) -> None:
        self._metrics.refused.labels(crowded.reason).inc()
        help = "if it is a proxy, name it in server.proxies" if crowded.reason != "connections" else None
        self._log.info("connection_refused", port=self._name, address=address[0], reason=crowded.reason, help=help)
        if self._certificates is not None or self._refusing >= REFUSED_MOST:  # a handshake is more than it gets
            sock.close()
            return
        self._refusing += 1
        runtime.spawn(self._refuse_kindly, door, sock, crowded)

    def _refuse_kindly(self, door: Door, sock: Any, crowded: Crowded) -> None:
        try:
            self._tell(door, sock, crowded.reason, crowded.retry_after_s)
        finally:
            self._refusing -= 1
            sock.close()

    def _tell(self, door: Door, sock: Any, reason: str, retry_after_s: float) -> None:
        try:
            with runtime.deadline(REFUSED_S):
                door.refuse(sock, reason, retry_after_s)
                sock.shutdown(socket.SHUT_WR)
                for _ in range(REFUSED_READS):  # closing with something unread could take the answer from it
                    if not sock.recv(4096):
                        break
        except OSError:  # TimeoutError is one too
            pass


def _spare() -> int | None:
    """A descriptor to let go of when there are no more."""
    try:
        return os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return None

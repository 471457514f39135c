"""The concurrency of this process: eventlet is named here and in gateways/engineio, nowhere else.

`patch()` has to be the first thing a process does, before anything imports socket, ssl or logging.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - or a look-up imports it in its thread
import errno
import os
import signal
import socket
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Its resolver costs a fifth of a command's start, and asks DNS alone, not mDNS (broker.local).
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")
with warnings.catch_warnings():  # eventlet tells every importer that it is in maintenance; decisions/0001 answers it
    warnings.simplefilter("ignore")
    import eventlet
    import eventlet.event
    import eventlet.green.socket
    import eventlet.hubs
    import eventlet.semaphore
    import eventlet.tpool
    import eventlet.wsgi


def patch() -> None:
    """Make blocking calls of the standard library switch to other greenlets instead."""
    eventlet.monkey_patch()
    eventlet.green.socket.getaddrinfo = socket.getaddrinfo = _addresses


_of_the_system = socket.getaddrinfo


def _addresses(*args: Any, **more: Any) -> Any:
    """socket.getaddrinfo, which blocks, in a thread that nobody waits for where the process ends."""
    reader, writer = os.pipe()
    found: list[Any] = []
    failed: list[BaseException] = []

    def look_up() -> None:
        try:
            found.append(_of_the_system(*args, **more))
        except BaseException as error:  # noqa: BLE001  told to who asked
            failed.append(error)
        os.close(writer)

    try:
        eventlet.patcher.original("_thread").start_new_thread(look_up, ())
        eventlet.hubs.trampoline(reader, read=True)
    finally:
        os.close(reader)
    if failed:
        raise failed[0]
    return found[0]


def patched() -> bool:
    """Whether `patch` was called in this process."""
    return bool(eventlet.patcher.is_monkey_patched("socket"))


class SystemClock:
    """The clock of the core's ports."""

    def ms(self) -> int:
        return time.time_ns() // 1_000_000

    monotonic = staticmethod(time.monotonic)


# -- running


def spawn(function: Callable[..., Any], *args: Any) -> None:
    """Run `function` in a greenlet of its own, started in the order of the calls."""
    eventlet.spawn_n(function, *args)


def sleep(seconds: float = 0) -> None:
    eventlet.sleep(seconds)


class Timer:
    """A call that is going to happen, once or again and again."""

    def __init__(self) -> None:
        self._pending: Any = None
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True
        if self._pending is not None:
            self._pending.cancel()

    def _schedule(self, seconds: float, function: Callable[[], None]) -> None:
        self._pending = eventlet.hubs.get_hub().schedule_call_global(seconds, spawn, function)


def after(seconds: float, function: Callable[[], Any]) -> Timer:
    """Call `function` in a greenlet of its own, unless the timer is stopped before."""
    timer = Timer()

    def fire() -> None:
        if not timer.stopped:
            function()

    timer._schedule(seconds, fire)
    return timer


def every(seconds: float, function: Callable[[], Any]) -> Timer:
    """Call `function` again and again, `seconds` between the end of one call and the next."""
    timer = Timer()

    def fire() -> None:
        if timer.stopped:
            return
        try:
            function()
        finally:
            if not timer.stopped:
                timer._schedule(seconds, fire)

    timer._schedule(seconds, fire)
    return timer


class LagMeter:
    """Measures how late the loop is: something that should run now, and has to wait for what does not yield."""

    PERIOD_S = 0.5

    def __init__(self, observe: Callable[[float], None]) -> None:
        self.latest_s = 0.0
        self._observe = observe
        self._due = 0.0
        self._timer: Timer | None = None

    def start(self) -> None:
        self._due = time.monotonic() + self.PERIOD_S
        self._timer = every(self.PERIOD_S, self._measure)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()

    def _measure(self) -> None:
        now = time.monotonic()
        self.latest_s = max(0.0, now - self._due)
        self._due = now + self.PERIOD_S
        self._observe(self.latest_s)


def start_threads() -> None:
    """Open what `offload` needs, while there are descriptors."""
    eventlet.tpool.setup()


def offload(function: Callable[..., Any], *args: Any) -> Any:
    """Run a pure, blocking function in a real thread. It must not log or take a lock: that deadlocks."""
    return eventlet.tpool.execute(function, *args)


# -- waiting


class Waiter:
    """One value, given once. See `core.ports.Waiter`."""

    def __init__(self) -> None:
        self._event = eventlet.event.Event()

    def resolve(self, value: Any = None) -> None:
        if not self._event.ready():
            self._event.send(value)

    def wait(self, timeout_s: float | None = None) -> Any:
        if timeout_s is None or self._event.ready():
            return self._event.wait()
        with eventlet.Timeout(timeout_s, TimeoutError):
            return self._event.wait()


class Mailbox:
    """A bounded queue with one reader, which takes everything that is there at once."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._items: deque[Any] = deque()
        self._wake: Waiter | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Any) -> bool:
        """Whether there was room for it."""
        if len(self._items) >= self._bound:
            return False
        self._items.append(item)
        if self._wake is not None:
            self._wake.resolve()
        return True

    def take(self, timeout_s: float | None = None) -> list[Any]:
        """Everything that is there, at least one. Raises TimeoutError when nothing comes in time."""
        if not self._items:
            self._wake = Waiter()
            try:
                self._wake.wait(timeout_s)
            finally:
                self._wake = None
        items = list(self._items)
        self._items.clear()
        return items


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the block when it takes longer."""
    with eventlet.Timeout(seconds, TimeoutError):
        yield


def wait_readable(sock: Any, timeout_s: float | None = None) -> None:
    """Raises TimeoutError when nothing comes in time, and OSError when it was closed."""
    _check_open(sock)
    eventlet.hubs.trampoline(sock, read=True, timeout=timeout_s, timeout_exc=TimeoutError)


def wait_writable(sock: Any, timeout_s: float | None = None) -> None:
    """Raises TimeoutError when it cannot be written to in time, and OSError when it was closed."""
    _check_open(sock)
    eventlet.hubs.trampoline(sock, write=True, timeout=timeout_s, timeout_exc=TimeoutError)


def _check_open(sock: Any) -> None:
    if sock.fileno() < 0:
        raise OSError(errno.EBADF, "the socket was closed")


class Signals:
    """Waits for signals that are sent to this process, from when it is made.

    A handler alone would not wake the loop, which may sit in a system call that restarts by itself (PEP 475); a byte on
    a socket does (signal.set_wakeup_fd).
    """

    def __init__(self, *signals: int) -> None:
        self._signals = signals
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in signals:
            # SIGINT is ignored in a background job of a shell, so it is set explicitly like the others.
            signal.signal(number, lambda *_: None)

    def wait(self) -> int:
        """The next one's number."""
        while True:
            for number in self._reader.recv(64):
                if number in self._signals:
                    return number


# -- serving


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """A listening socket. What it accepts inherits sending small packets at once, and that the system looks after a
    minute of silence whether the other end still exists. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=backlog)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return listener


def stop_listening(listener: socket.socket) -> None:
    """Close a listening socket; whoever waits in its `accept` gets an OSError.

    eventlet would go on waiting for its number otherwise, which the system gives to the next socket that is opened.
    """
    eventlet.hubs.notify_opened(listener.fileno())  # says that whoever waits for this number waits for another socket
    listener.close()


def shed(listener: Any) -> None:
    """Accept a connection that waits, without waiting for one, and close it. Raises OSError."""
    listener.fd.accept()[0].close()


class HttpServer:
    """Speaks HTTP on accepted sockets. Tracebacks stay here; eventlet's access log is off."""

    def __init__(self, listener: socket.socket, app: Any, protocol: Callable[..., Any], keepalive_s: float) -> None:
        """`protocol` makes an eventlet.wsgi.HttpProtocol."""
        self._server = eventlet.wsgi.Server(
            listener, listener.getsockname(), app, protocol=protocol, log_output=False, debug=False,
            keepalive=keepalive_s,
        )  # fmt: skip

    def serve(self, sock: Any, address: Any, over: list[Callable[[], object]]) -> None:
        """Serve one connection until it ends. Where a request takes its socket, it takes what is in `over` too."""
        self._server.process_request([address, sock, eventlet.wsgi.STATE_IDLE, over])


def send_now(sock: Any, data: bytes) -> bool:
    """Send as much as the socket takes without waiting; whether that was all. If not, nothing can follow it."""
    try:
        if hasattr(sock, "send_now"):  # with TLS
            return bool(sock.send_now(data))
        sent: int = getattr(sock, "fd", sock).send(data)  # eventlet's keep the system's, which never blocks, in `fd`
        return sent == len(data)
    except OSError:
        return False  # the peer was faster


def answered_elsewhere() -> None:
    """A WSGI request took its socket with it: the server must not answer it."""
    eventlet.wsgi.WSGI_LOCAL.already_handled = True


def hung_up(environ: dict[str, Any]) -> bool:
    """Whether the client of a WSGI request has closed its connection; nothing is read of what it sent."""
    sock = environ["eventlet.input"].get_socket()
    if hasattr(sock, "hung_up"):  # with TLS
        return bool(sock.hung_up())
    try:
        return getattr(sock, "fd", sock).recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def socket_of(environ: dict[str, Any]) -> Any:
    """The socket of a WSGI request, for a handler that answers on it by itself and returns when it is done with it."""
    answered_elsewhere()
    return environ["eventlet.input"].get_socket()

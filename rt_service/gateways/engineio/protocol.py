"""HTTP/1.1 on one connection: eventlet's, strict, with deadlines for everything, which can let go of its socket."""

from __future__ import annotations

import io
import logging
import secrets
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import eventlet
import eventlet.wsgi
from eventlet.hubs import get_hub

from rt_service.gateways.engineio import request
from rt_service.gateways.engineio.answers import Never, Writer, pieces
from rt_service.gateways.engineio.body import Body
from rt_service.gateways.engineio.http import AT_END, BEHIND, DETACH, error_body
from rt_service.gateways.engineio.request import RefusedRequest
from rt_service.gateways.engineio.tls import DetachedSocket, DetachedTls, TlsSocket

log = logging.getLogger("rt_service.engineio")

ANSWER_S = 30.0  # for a client to take some of its answer; one that takes none does not keep it here
ANSWER_BYTES_PER_S = 16_384  # what it takes on the whole, after that time
LINGER_S = 1.0  # for who was refused to read why


@dataclass(frozen=True)
class Deadlines:
    head_s: float = 15.0  # for the headers of a request
    body_s: float = 60.0  # for its body
    keepalive_s: float = 75.0  # for the next one to begin


class HttpProtocol(eventlet.wsgi.HttpProtocol):
    """`eventlet.wsgi.server(..., protocol=HttpProtocol)` serves with it.

    Whatever it refuses before the application sees it is refused with a JSON error too.
    """

    detached: DetachedSocket | DetachedTls | None = None
    application: Any = None
    environ: Any = None
    rfile: Any
    path: str

    def __init__(
        self,
        conn_state: list[Any],
        server: Any,
        deadlines: Deadlines = Deadlines(),
        refused: Callable[[str], None] = lambda code: None,
    ) -> None:
        """`conn_state` may have a fourth item: a list of what to call when the connection is over, wherever it goes."""
        self._deadlines = deadlines
        self._refused = refused
        self._over: list[Callable[[], object]] = conn_state[3] if len(conn_state) > 3 else []
        self._first = True
        self._cut: Any = Never()
        super().__init__(conn_state, server)

    def setup(self) -> None:
        super().setup()
        self.wfile = io.BufferedWriter(Writer(self.connection, partial(self._refused, "timeout")), self.wbufsize)

    # -- a request

    def handle_one_request(self) -> None:
        if not self._first:
            eventlet.sleep(0)  # whoever has the next one ready lets the others have their turn
        try:
            if not (self._begins() and self._read_head()):
                self.close_connection = True
                return
            self.conn_state[2] = eventlet.wsgi.STATE_REQUEST
            self.environ = self.get_environ()
        except RefusedRequest as refusal:
            self._refuse(refusal)
            return
        except (OSError, EOFError):  # the client is gone
            self.close_connection = True
            return
        self._handle()

    def _handle(self) -> None:
        self.application = self._answer
        try:
            self.handle_one_response()
            if self.detached is None:
                self.environ["eventlet.input"].discard()
        except OSError:  # the client is gone
            self.close_connection = True
        finally:
            self._cut.cancel()
            for call in self.environ[AT_END]:
                call()

    def _begins(self) -> bool:
        """Whether there is a request, within the time that a connection may be idle."""
        self.connection.settimeout(None)
        seconds = self._deadlines.head_s if self._first else self._deadlines.keepalive_s
        self._first = False
        with eventlet.Timeout(seconds, False):
            return bool(self.rfile.peek(1))
        return False

    def _read_head(self) -> bool:
        """False: the client hung up. Raises RefusedRequest."""
        seconds = self._deadlines.head_s
        late = RefusedRequest(408, "timeout", f"the headers did not come within {seconds:g} s")
        whole = self.rfile
        try:
            with eventlet.Timeout(seconds, late):
                self.raw_requestline = request.first_line(self.rfile)
                if not self.raw_requestline:
                    return False
                self.rfile = request.Head(whole)
                self.parse_request()
        finally:
            self.rfile = whole
        request.check_head(self.headers, self.request_version)
        self.path = request.origin_form(self.command, self.path, self.headers.get("Host"))
        options = self.headers.get("Connection", "").lower().split(",")
        if "close" in (option.strip() for option in options):
            self.close_connection = True
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What `parse_request` calls where it finds something wrong."""
        raise RefusedRequest(int(code), "too_large" if code == 431 else "bad_request", message or "this is no request")

    def _refuse(self, refusal: RefusedRequest) -> None:
        self.close_connection = True
        self._refused(refusal.code)
        self.connection.settimeout(LINGER_S)
        try:
            self.wfile.write(request.refusal(refusal.status, error_body(refusal.code, str(refusal))))
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            with eventlet.Timeout(LINGER_S, False):  # closing at once could take the answer from who still sends
                self.rfile.read(request.HEAD_BYTES)
        except (OSError, EOFError):
            pass  # the client is gone

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        plain = environ["eventlet.input"]
        environ["wsgi.input"] = environ["eventlet.input"] = Body(plain, self._end, self._deadlines.body_s)
        environ["SERVER_PROTOCOL"] = self.request_version  # eventlet says HTTP/1.0 whatever was asked
        if isinstance(self.connection, TlsSocket):
            environ["wsgi.url_scheme"], environ["HTTPS"] = "https", "on"
        environ[DETACH], environ[BEHIND] = self.detach, self.behind
        environ[AT_END] = []
        return environ

    def _end(self) -> None:
        self.close_connection = True

    # -- its answer

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """The application's answer, or what is said in place of one that failed; none has a body for HEAD."""
        started = self._bounded(start_response)
        try:
            result: Iterable[bytes] = self.server.app(environ, started)
        except (Exception, eventlet.Timeout) as error:
            if self.detached is not None:
                return self._give_up(error)
            reference = secrets.token_hex(4)
            log.exception("a request failed; the reference is %s", reference)
            started("500 Internal Server Error", [("Content-Type", "application/json")], sys.exc_info())
            result = [error_body("internal", f"something went wrong here; the reference is {reference}")]
        if self.detached is None:
            self.connection.settimeout(ANSWER_S)
        if self.command == "HEAD":
            if hasattr(result, "close"):
                result.close()
            return []
        if not isinstance(result, list):
            return pieces(result)
        self._bound(sum(map(len, result)))
        return result

    def _bounded(self, start_response: Callable[..., Any]) -> Callable[..., Any]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            for name, value in headers:
                if name.lower() == "content-length":
                    self._bound(int(value))
            return start_response(status, headers, exc_info)

        return start

    def _bound(self, length: int) -> None:
        """An answer of so many bytes may take the client so long to read. One without a length may go on for ever."""
        self._cut.cancel()
        self._cut = get_hub().schedule_call_global(ANSWER_S + length / ANSWER_BYTES_PER_S, self._hang_up)

    def _hang_up(self) -> None:
        """Whoever waits to write notices."""
        self._refused("timeout")
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client was faster

    # -- a socket that leaves

    def behind(self) -> bytes:
        """What the client sent behind its request, as far as it is here; whoever asks has to handle it."""
        self.connection.setblocking(False)
        try:
            return bytes(self.rfile.peek())
        except OSError:
            return b""  # the client is gone, which whoever reads next sees
        finally:
            self.connection.setblocking(True)

    def detach(self) -> tuple[DetachedSocket | DetachedTls, bytes]:
        """The socket of the operating system, now ours, and what the client sent behind its request. Never fails."""
        rest = self.behind()
        if isinstance(self.connection, TlsSocket):
            sock, more = self.connection.detach()
            rest += more
        else:
            sock = DetachedSocket(fileno=self.connection.fd.detach())
        sock.closed.extend([*self._over, *self.environ[AT_END]])
        self._over.clear()
        self.environ[AT_END].clear()
        self.detached = sock
        return sock, rest

    def _give_up(self, error: BaseException) -> list[bytes]:
        """A request failed after it took its socket."""
        assert self.detached is not None
        if not isinstance(error, OSError):
            log.exception("a request failed that had taken its socket")
        self.detached.close()
        eventlet.wsgi.WSGI_LOCAL.already_handled = True
        return []

    def finish(self) -> None:
        # Or it would hold itself, and its socket, until somebody collects garbage.
        self.application = self.environ = None
        if self.detached is not None:
            return
        for close in (self.wfile.close, self.rfile.close, partial(self.connection.shutdown, socket.SHUT_RDWR)):
            try:
                close()
            except OSError:
                pass  # the client was faster, or does not read
        self.connection.close()

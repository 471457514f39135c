"""An HTTP client that sends exactly what a test tells it to, and reads what comes back."""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
from typing import Any, NamedTuple

from tests.support.service import Service


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of the error, which is the contract's."""
        assert self.headers["content-type"] == "application/json", self
        error = json.loads(self.body)["error"]
        assert error["message"] and "Traceback" not in error["message"]
        return str(error["code"])


class Unclosed(io.BufferedReader):
    """What `http.client` reads a response from, and closes: the next one comes from it too."""

    def close(self) -> None:
        pass

    def makefile(self, mode: str) -> Unclosed:
        return self


class RawHttp:
    """One connection. `source` is the address that it comes from; on Linux all of 127.0.0.0/8 are ours."""

    def __init__(self, service: Service, source: str = "127.0.0.1", buffer: int | None = None) -> None:
        """`source` is the address to come from; `buffer`: bytes that the system keeps while nothing is read."""
        self.socket = socket.socket()
        self.socket.bind((source, 0))
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", service.port))
        self._file: Any = Unclosed(socket.SocketIO(self.socket, "r"))

    def __enter__(self) -> RawHttp:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> RawHttp:
        self.socket.sendall(data)
        return self

    def reply(self, method: str = "GET") -> Reply:
        """The next one; of a HEAD it has no body."""
        response = http.client.HTTPResponse(self._file, method=method)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, response.read())

    def ended(self) -> bool:
        """Whether the service closes the connection; waits for it."""
        try:
            while self._file.read1():
                pass
        except ConnectionResetError:
            pass
        return True


def trickle(sock: socket.socket, data: bytes, every_s: float = 0.05) -> float:
    """Send byte after byte until the service closes the connection; the seconds that took."""
    began = time.monotonic()
    sock.settimeout(every_s)
    try:
        for n in range(len(data)):
            sock.sendall(data[n : n + 1])
            try:
                if not sock.recv(65_536):
                    return time.monotonic() - began
            except TimeoutError:
                pass
    except (ConnectionResetError, BrokenPipeError):
        return time.monotonic() - began
    raise AssertionError("it took all of it")


def said(method: str, path: str, *headers: str, body: Any = b"", version: str = "HTTP/1.1") -> bytes:
    """A request, with a Host."""
    head = [f"{method} {path} {version}", "Host: localhost", *headers]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body

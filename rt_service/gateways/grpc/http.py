"""HTTP requests to the service, over connections that stay open."""

from __future__ import annotations

import asyncio
from typing import Any

import h11

from rt_service.core.errors import Timeout
from rt_service.gateways.grpc.caller import Caller
from rt_service.gateways.grpc.status import answered, unreachable
from rt_service.gateways.grpc.upstream import Upstream

API = "/api/v1"
CONNECT_S = 10.0
IDLE_S = 60.0  # the service closes what says nothing for longer
REQUEST_S = 40.0  # the service gives up before
PIECE = 65_536


class Connections:
    """At most `most` connections at a time; who comes then waits for one."""

    def __init__(self, upstream: Upstream, most: int) -> None:
        self._upstream = upstream
        self._idle: list[_Connection] = []
        self._free = asyncio.Semaphore(most)

    async def ask(
        self, who: Caller, method: str, path: str, query: str = "", body: bytes = b"", timeout_s: float = REQUEST_S
    ) -> bytes:
        """The body of the answer.

        Raises:
            RtError: what the service refused; Unavailable where it cannot be reached, Timeout where it says nothing.
        """
        target = f"{API}{path}?{'&'.join(part for part in (query, who.query) if part)}"
        status, said = await self.request(method, target, who.headers, body, timeout_s)
        if status < 300:
            return said
        raise answered(status, said)

    async def request(
        self, method: str, target: str, headers: list[tuple[str, str]], body: bytes, timeout_s: float
    ) -> tuple[int, bytes]:
        """Status and body. Raises Unavailable or Timeout."""
        try:
            async with asyncio.timeout(timeout_s), self._free:
                connection = self._take() or await _Connection.open(self._upstream)
                try:
                    answer = await connection.ask(method, self._upstream.parts.path.rstrip("/") + target, headers, body)
                except BaseException:
                    connection.close()
                    raise
                if connection.again():
                    self._idle.append(connection)
                return answer
        except TimeoutError:
            raise Timeout("the service did not answer in time") from None
        except (OSError, h11.ProtocolError, EOFError):
            raise unreachable() from None

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _take(self) -> _Connection | None:
        """The one that was used last: the others grow old and go."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable(now):
                return connection
            connection.close()
        return None


class _Connection:
    def __init__(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)
        self._used = 0.0

    @classmethod
    async def open(cls, upstream: Upstream) -> _Connection:
        """Raises OSError."""
        url, tls = upstream.parts, upstream.tls()
        port = url.port or (443 if tls else 80)
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(url.hostname, port, ssl=tls)
        except TimeoutError:
            raise ConnectionError from None
        return cls(url.netloc, reader, writer)

    async def ask(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> tuple[int, bytes]:
        about = [("Host", self._host), *headers]
        if body:
            about += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        request = self._http.send(h11.Request(method=method, target=target, headers=about)) or b""
        request += (self._http.send(h11.Data(data=body)) or b"") if body else b""
        self._writer.write(request + (self._http.send(h11.EndOfMessage()) or b""))
        await self._writer.drain()
        return await self._answer()

    async def _answer(self) -> tuple[int, bytes]:
        status, parts = 0, []
        while True:
            event: Any = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(PIECE))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                parts.append(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return status, b"".join(parts)
            elif isinstance(event, h11.ConnectionClosed):
                raise EOFError

    def again(self) -> bool:
        """Whether it may be asked something else."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            self.close()
            return False
        self._http.start_next_cycle()
        self._used = asyncio.get_running_loop().time()
        return True

    def usable(self, now: float) -> bool:
        return not self._reader.at_eof() and not self._writer.is_closing() and now - self._used < IDLE_S

    def close(self) -> None:
        self._writer.close()

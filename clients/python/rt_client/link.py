"""One connection: python-socketio's client, made to handle what it receives in order.

It connects once. python-socketio's reconnecting is not used: it gives up when the service says goodbye over polling,
goes on for ever where the service refuses, and waits one second to be let in.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import engineio
import requests
import socketio
from engineio import packet as engineio_packet
from socketio import packet

from rt_client import tls
from rt_client.model import RtError

OPEN_S = 10.0  # for the service to let us in
GOODBYE_S = 2.0  # for last words
HANG_UP_S = 0.5  # for the service to hang up once it heard them; if we did so first, they could be lost on their way
WIRE_BYTES = 1 << 20  # the service ends a connection that says more at once

Answer = dict[str, Any]
Received = Callable[["Link", str, Any, int | None], None]


class _Trusting(requests.Session):
    """The base class takes what REQUESTS_CA_BUNDLE says over its own `verify`."""

    def merge_environment_settings(self, *args: Any) -> Any:
        return {**super().merge_environment_settings(*args), "verify": self.verify}


class Trust:
    """Whom to believe who they are, over https://."""

    def __init__(self, url: str, ca_file: str | None) -> None:
        """Raises RtError: `ca_file` cannot be used."""
        self._ca_file = ca_file
        try:
            self._context = tls.context(ca_file) if url.startswith("https://") else None
        except OSError as error:  # an ssl.SSLError is one too
            raise RtError("bad_request", f"ca_file {ca_file}: {error.strerror or error}") from None

    def session(self) -> requests.Session:
        """For long polling."""
        if self._ca_file is None:
            return requests.Session()
        made = _Trusting()
        made.verify = self._ca_file
        return made

    def options(self) -> dict[str, Any]:
        """Of websocket-client."""
        return {"sslopt": {"context": self._context}} if self._context is not None else {}


def _bytes(value: dict[str, Any]) -> Any:
    """What the service could not attach to a packet: past ten binary values socket.io-client would end."""
    said = value.get("$base64")
    if len(value) != 1 or not isinstance(said, str):
        return value
    try:
        return base64.b64decode(said, validate=True)
    except ValueError:
        return value  # somebody's own


class _Json:
    """NaN is no JSON, and half of a surrogate pair no UTF-8: the service ends a connection that says them."""

    dumps = staticmethod(partial(json.dumps, allow_nan=False, ensure_ascii=False))
    loads = staticmethod(partial(json.loads, object_hook=_bytes))


class _Packet(packet.Packet):
    json = _Json


class _InOrder(engineio.Client):
    def _trigger_event(self, event: str, *args: Any, run_async: bool = False, **options: Any) -> Any:
        """In the thread that reads. The base class starts a thread for each message; they overtake each other."""
        return super()._trigger_event(event, *args, **options)

    def disconnect(self, abort: bool = False, reason: str | None = None) -> None:
        """Once what waits is sent; also from the thread that reads, which cannot wait for its own end."""
        reader, writer = self.read_loop_task, self.write_loop_task
        if self.state != "connected" or reader is None or writer is None:
            super().disconnect(abort=True, reason=reason)
            return
        self._send_packet(engineio_packet.Packet(engineio_packet.CLOSE))
        self.queue.put(None)  # ends what is written at once,
        self.queue.put(None)  # and then the thread that writes
        writer.join(GOODBYE_S)
        if reader is not threading.current_thread():
            reader.join(HANG_UP_S)
        if self.ws is not None:
            self.ws.abort()
        if reader is not threading.current_thread():
            reader.join(GOODBYE_S)


class Link(socketio.Client):
    """`received(link, event, body, number)` and `lost(link)` are called in the thread that reads."""

    def __init__(
        self, url: str, namespace: str, trust: Trust, received: Received, lost: Callable[[Link], None]
    ) -> None:
        super().__init__(
            reconnection=False, handle_sigint=False, serializer=_Packet,
            http_session=trust.session(), websocket_extra_options=trust.options(),
        )  # fmt: skip
        self.over = False
        self._url, self._namespace = url, namespace
        self._received, self._lost = received, lost
        self._numbers = itertools.count(1)
        self._asked: dict[int, Future[Answer]] = {}
        self._sending = threading.Lock()  # a message with binary is several packets
        self._decided = threading.Event()
        self._refusal: RtError | None = None
        self.on("connect", self._decided.set, namespace=namespace)
        self.on("connect_error", self._refused, namespace=namespace)

    def open(self, auth: dict[str, Any]) -> None:
        """Raises RtError where nobody is there, or it is refused. May be `over` again when it returns."""
        try:
            self.connect(self._url, namespaces=[self._namespace], auth=auth, wait=False)
        except Exception as error:  # noqa: BLE001  whatever it is that answers there
            raise self._refusal or RtError("unavailable", _why(self._url, str(error))) from None
        if not self._decided.wait(OPEN_S):
            self._refusal = RtError("timeout", f"{self._url} does not answer")
        if self._refusal is not None:
            self.end()
            raise self._refusal

    def end(self) -> None:
        """Say goodbye. Nothing more is received."""
        self.over = True
        self.disconnect()
        self._ended()

    def ask(self, verb: str, request: dict[str, Any]) -> Future[Answer]:
        """Its answer, or RtError where `request` cannot be sent or the connection is lost."""
        number, asked = next(self._numbers), Future[Answer]()
        self._asked[number] = asked
        try:
            self._say(packet.EVENT, [verb, request], number)
        except RtError as error:
            self._asked.pop(number).set_exception(error)
        if self.over:
            self._forget()
        return asked

    def answer(self, number: int, body: Any) -> None:
        """Acknowledge what was received under `number`. Raises RtError where `body` cannot be sent."""
        self._say(packet.ACK, [body], number)

    def _say(self, kind: int, data: list[Any], number: int) -> None:
        try:
            self._send_packet(_Packet(kind, data, self._namespace, number))
        except (TypeError, ValueError, RecursionError) as error:
            raise RtError("invalid_data", f"this cannot be sent: {error}") from None

    # -- what python-socketio calls

    def _engineio_client_class(self) -> type[engineio.Client]:
        return _InOrder

    def _send_packet(self, pkt: packet.Packet) -> None:
        encoded = pkt.encode()
        parts = encoded if isinstance(encoded, list) else [encoded]
        size = sum(len(part.encode() if isinstance(part, str) else part) for part in parts)
        if size >= WIRE_BYTES:
            raise RtError("too_large", f"{size} bytes at once would end the connection; {WIRE_BYTES} are too many")
        with self._sending:
            for part in parts:
                self.eio.send(part)

    def _handle_event(self, namespace: str | None, id: int | None, data: list[Any]) -> None:
        if not self.over:
            self._received(self, data[0], data[1] if len(data) > 1 else None, id)

    def _handle_ack(self, namespace: str | None, id: int, data: list[Any]) -> None:
        asked = self._asked.pop(id, None)
        if asked is not None:
            asked.set_result(data[0])

    def _handle_eio_disconnect(self, reason: str) -> None:
        super()._handle_eio_disconnect(reason)
        if self.eio.ws is not None:
            self.eio.ws.shutdown()
        self._ended()

    def _ended(self) -> None:
        self.over = True
        self._decided.set()
        self._forget()
        self._lost(self)

    def _forget(self) -> None:
        """Nothing that was asked is answered any more."""
        for number in list(self._asked):
            asked = self._asked.pop(number, None)
            if asked is not None:
                asked.set_exception(RtError("unavailable", "the connection was lost; it may have been done"))

    def _refused(self, said: Any = None) -> None:
        failure = said.get("data", said.get("error")) if isinstance(said, dict) else None
        if isinstance(failure, dict) and failure.keys() >= {"code", "message"}:
            self._refusal = RtError.of(failure)
        elif isinstance(said, dict):
            self._refusal = RtError("unavailable", f"{self._url} refused: {said}")
        self._decided.set()


def answer_of(asked: Future[Answer], timeout_s: float) -> Answer:
    """Raises RtError: the refusal, or that there was no answer."""
    try:
        answer = asked.result(max(0.0, timeout_s))
    except TimeoutError:
        raise RtError("timeout", "no answer in time; it may have been done") from None
    if not answer["ok"]:
        raise RtError.of(answer["error"])
    return answer


def _why(url: str, said: str) -> str:
    if "refused" in said:
        return f"nothing listens at {url}; is the service running?"
    return f"{url} cannot be reached: {said}"

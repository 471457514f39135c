"""python-socketio's client with what it received in lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import socketio
from engineio.payload import Payload

from rt_client import tls
from tests.support.verbs import Verbs
from tests.support.waiting import eventually

Payload.max_decode_packets = 1000  # python-engineio's client refuses a poll that brings more than 16


def _keep_order(client: socketio.Client) -> None:
    """python-engineio runs every message in a thread of its own, which may overtake each other; only calls need one."""
    trigger = client.eio._trigger_event

    def in_order(event: str, *args: Any, run_async: bool = False, **options: Any) -> Any:
        return trigger(event, *args, run_async=run_async and '["call",' in str(args), **options)

    client.eio._trigger_event = in_order


class SocketIoClient(Verbs):
    """One namespace of one connection. Leaving a `with` block disconnects."""

    def __init__(
        self,
        url: str,
        namespace: str = "/chat",
        user: str | None = None,
        transport: str = "websocket",
        info: Any = None,
    ) -> None:
        self.namespace = namespace
        self.events: list[tuple[str, Any]] = []
        self.on_call: Callable[[dict[str, Any]], Any] | None = None
        safe = {"sslopt": {"context": tls.context(None)}} if url.startswith("https") else {}
        self.client = socketio.Client(reconnection=False, websocket_extra_options=safe)
        _keep_order(self.client)
        self.client.on("*", lambda event, body: self.events.append((event, body)), namespace=namespace)
        self.client.on("call", self._called, namespace=namespace)
        self.client.on("disconnect", lambda reason: self.events.append(("disconnect", reason)), namespace=namespace)
        auth = {"user": user, "info": info} if user else None
        self.client.connect(url, namespaces=[namespace], transports=[transport], auth=auth, wait_timeout=30)

    def __enter__(self) -> SocketIoClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.disconnect()

    def _called(self, body: dict[str, Any]) -> Any:
        self.events.append(("call", body))
        return self.on_call(body) if self.on_call else None

    def ask(self, verb: str, request: Any = None) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.call(verb, request, namespace=self.namespace, timeout=30)
        return answer

    @property
    def publications(self) -> list[dict[str, Any]]:
        return [body for _, body in self.events if isinstance(body, dict) and "from" in body and "at" in body]

    def pushed(self, name: str) -> list[dict[str, Any]]:
        return [body for event, body in self.events if event == name]

    def sees(self, event: str, data: Any = ...) -> dict[str, Any]:
        """The first publication of an event (and data), waited for."""

        def found() -> list[dict[str, Any]]:
            return [p for p in self.publications if p["event"] == event and (data is ... or p["data"] == data)]

        return eventually(found)[0]

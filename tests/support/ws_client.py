"""A plain WebSocket client, on the `websockets` library, with what it received in lists."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from rt_client import tls
from tests.support.binary import to_json, with_bytes
from tests.support.verbs import Verbs
from tests.support.waiting import eventually


class WsClient(Verbs):
    """One namespace of one connection. Leaving a `with` block closes it."""

    def __init__(
        self, url: str, namespace: str = "/chat", user: str | None = None, query: dict[str, str] | None = None
    ) -> None:
        self.namespace = namespace
        self.on_call: Callable[[dict[str, Any]], Any] | None = None
        self.pushes: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self._answers: dict[int, dict[str, Any]] = {}
        self._refs = itertools.count(1)
        said = urlencode((query or {}) | ({"user": user} if user else {}))
        safe = tls.context(None) if url.startswith("https") else None  # it reads and writes in two threads
        self._context = connect(f"{url.replace('http', 'ws', 1)}/ws?{said}", max_size=None, ssl=safe)
        self.socket = self._context.__enter__()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> WsClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._context.__exit__(None, None, None)
        self._reader.join(10)

    def _read(self) -> None:
        try:
            for text in self.socket:
                self._take(with_bytes(json.loads(text)))
        except ConnectionClosed:
            pass
        self.closed = (self.socket.close_code or 1006, self.socket.close_reason or "")

    def _take(self, said: dict[str, Any]) -> None:
        if "push" not in said:
            self._answers[said.pop("ref", 0)] = said
            return
        self.pushes.append(said)
        if said["push"] == "call" and self.on_call is not None:
            self.send({"op": "answer", "ns": said["ns"], "id": said["id"], "data": self.on_call(said)})

    def send(self, request: dict[str, Any]) -> None:
        self.socket.send(json.dumps(request, default=to_json))

    def ask(self, verb: str, request: Any = None) -> dict[str, Any]:
        ref = next(self._refs)
        self.send({"op": verb, "ns": self.namespace, "ref": ref, **(request or {})})
        return self.answer(ref)

    def answer(self, ref: int = 0) -> dict[str, Any]:
        """The answer to a request; `ref` 0: to one without a ref, which only a refusal has."""
        eventually(lambda: ref in self._answers)
        return self._answers.pop(ref)

    @property
    def publications(self) -> list[dict[str, Any]]:
        return [_without(push) for push in self.pushes if push["push"] == "publication"]

    def pushed(self, name: str) -> list[dict[str, Any]]:
        """Publications by their event, everything else by what it is."""
        own = [_without(push) for push in self.pushes if push["push"] == name]
        return own or [p for p in self.publications if p["event"] == name]


def _without(push: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in push.items() if name not in ("ns", "push")}

"""A client that speaks nothing but HTTP: it publishes with POST, and reads a room in one of three ways."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import requests
import sseclient

from tests.support.binary import to_json, with_bytes
from tests.support.verbs import Verbs

ACCEPT = {"Server-Sent Events": "text/event-stream", "NDJSON": "application/x-ndjson"}


class Stream:
    """One room, read in a thread until `close`. `publications` and `others` are what came, `since` how far it got."""

    def __init__(
        self, way: str, url: str, user: str, since: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self.publications: list[dict[str, Any]] = []
        self.others: list[tuple[str, Any]] = []
        self.ids: list[str] = []
        self.over = False
        self.reply: requests.Response | None = None
        params = {"user": user} | ({"since": since} if since else {})
        if way == "long polling":
            self._polls = requests.Session()
            self._url, self._params = url + "/publications", {**params, "wait": "0.3"}
            page = self._poll(reverse="1", limit="1") if since is None else self._poll(wait="0")
            self.since = since or f"{page['epoch']}:{page['offset']}"
            self.recovered = since is not None and page["epoch"] == since.partition(":")[0]
            self.missed = page["publications"] if self.recovered else []
            if self.recovered:
                self.since = f"{page['epoch']}:{page['offset']}"
            read: Callable[[], None] = self._read_polls
        else:
            self.reply = requests.get(
                url + "/stream",
                params,
                headers={"Accept": ACCEPT[way], **(headers or {})},
                stream=True,
                timeout=(10, 30),
            )
            refuse(self.reply)
            self.since = self.reply.headers["Stream-Position"]
            self.recovered = self.reply.headers["Stream-Recovered"] == "true"
            self.missed = []
            read = self._read_events if way == "Server-Sent Events" else self._read_lines
        self._thread = threading.Thread(target=read, daemon=True)
        self._thread.start()

    def _poll(self, **more: str) -> dict[str, Any]:
        reply = self._polls.get(self._url, params={**self._params, **more}, timeout=30)
        refuse(reply)
        return dict(with_bytes(reply.json()))

    def _read_polls(self) -> None:
        while not self.over:
            page = self._poll(since=self.since)
            self.publications += page["publications"]
            last = page["publications"][-1]["offset"] if page["publications"] else page["offset"]
            self.since = f"{page['epoch']}:{last}"

    def _read_events(self) -> None:
        for event in sseclient.SSEClient(self._chunks()).events():
            body = with_bytes(json.loads(event.data))
            self.ids.append(event.id)
            if "from" in body:
                self.publications.append(body)
            else:
                self.others.append((event.event, body))
        self.over = True

    def _read_lines(self) -> None:
        for line in _lines(self._chunks()):
            body = with_bytes(json.loads(line))
            if "push" in body:
                self.others.append((body.pop("push"), body))
            else:
                self.publications.append(body)
        self.over = True

    def _chunks(self) -> Iterator[bytes]:
        assert self.reply is not None
        try:
            yield from self.reply.iter_content(None)
        except (requests.RequestException, ValueError):
            pass  # it broke, or was closed while it was read

    def close(self) -> None:
        self.over = True
        response = self.reply.raw._fp.fp if self.reply is not None else None
        if response is not None:
            with contextlib.suppress(OSError, AttributeError):  # it may end just now, or be reset
                response.raw._sock.shutdown(2)  # a read that waits in the thread does not notice `close`
        self._thread.join(10)


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line for line in lines if line)


class Refused(Exception):
    """An answer that says no."""


def refuse(reply: requests.Response) -> None:
    if not reply.ok:
        raise Refused({"ok": False, "error": reply.json()["error"]})


class HttpClient(Verbs):
    """Joining is opening a stream. Leaving a `with` block closes what is open."""

    on_call = None

    def __init__(self, url: str, way: str, namespace: str = "/chat", user: str = "curl") -> None:
        self.way = way
        self.user = user
        self.streams: dict[str, Stream] = {}
        self._api = f"{url}/api/v1"
        self._namespace = namespace.removeprefix("/")
        self._seen: list[dict[str, Any]] = []
        self._http = requests.Session()

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *exc: object) -> None:
        for stream in self.streams.values():
            stream.close()
        self._http.close()

    def ask(self, verb: str, request: Any = None) -> dict[str, Any]:
        try:
            return {"ok": True, **getattr(self, f"_{verb}")(**(request or {}))}
        except Refused as refused:
            return dict(refused.args[0])

    def _request(self, method: str, path: str, body: Any = None, **params: Any) -> dict[str, Any]:
        data = None if body is None else json.dumps(body, default=to_json)
        headers = {"Content-Type": "application/json"} if data else None
        sent = {"user": self.user, **params}
        reply = self._http.request(method, self._api + path, params=sent, data=data, headers=headers, timeout=30)
        refuse(reply)
        return dict(with_bytes(reply.json()))

    def _room(self, room: str) -> str:
        return f"/rooms/{self._namespace}/{requests.utils.quote(room, safe='')}"

    def _join(self, room: str, since: Any = None) -> dict[str, Any]:
        text = f"{since['epoch']}:{since['offset']}" if since else None
        stream = Stream(self.way, self._api + self._room(room), self.user, text)
        self.streams[room] = stream
        epoch, _, offset = stream.since.partition(":")
        members = self._request("GET", self._room(room) + "/members")["members"]
        return {"epoch": epoch, "offset": int(offset), "recovered": stream.recovered, "members": members}

    def _leave(self, room: str) -> dict[str, Any]:
        stream = self.streams.pop(room)
        stream.close()
        self._seen += stream.publications
        return {}

    def _publish(self, room: str, **said: Any) -> dict[str, Any]:
        return self._request("POST", self._room(room) + "/publications", said)

    def _send(self, **asked: Any) -> dict[str, Any]:
        return self._request("POST", "/send", {"ns": self._namespace, **asked})

    def _call(self, **asked: Any) -> dict[str, Any]:
        return self._request("POST", "/calls", {"ns": self._namespace, **asked})

    def _history(self, room: str, **params: Any) -> dict[str, Any]:
        return self._request("GET", self._room(room) + "/publications", **params)

    def _presence(self, room: str) -> dict[str, Any]:
        return self._request("GET", self._room(room) + "/members")

    @property
    def publications(self) -> list[dict[str, Any]]:
        return self._seen + [p for s in self.streams.values() for p in s.missed + s.publications]

    def pushed(self, name: str) -> list[dict[str, Any]]:
        own = [body for stream in self.streams.values() for event, body in stream.others if event == name]
        return own or [p for p in self.publications if p["event"] == name]

"""Commands that talk to a running service, as any other client would."""

from __future__ import annotations

import json
import time
import urllib.request
from queue import Empty, SimpleQueue
from typing import Annotated, Any

import socketio
import typer
from rich.console import Console
from rich.table import Table

from rt_service.core.model import PublicationClass

Url = Annotated[str, typer.Option(help="the service")]
Namespace = Annotated[str, typer.Argument(help="namespace, such as /iot")]
Room = Annotated[str, typer.Argument(help="room, such as device:pump-1")]
DEFAULT_URL = "http://127.0.0.1:5000"
TIMEOUT_S = 10


class RemoteError(Exception):
    """The service cannot be reached, or refused; the message is one line for whoever typed the command."""


def tail(
    namespace: Namespace,
    room: Room,
    url: Url = DEFAULT_URL,
    count: Annotated[int, typer.Option(min=0, help="end after so many publications; 0: never")] = 0,
) -> None:
    """Print the publications of a room as they come, one JSON object a line."""
    client = _connect(url, namespace)
    seen: SimpleQueue[Any] = SimpleQueue()
    client.on("*", lambda event, data: seen.put(data), namespace=namespace)
    try:
        joined = _ask(client, namespace, "join", {"room": room})
        _note(f"in {room} of {namespace} at offset {joined['offset']}; Ctrl-C ends")
        shown = 0
        while not count or shown < count:
            try:
                print(json.dumps(seen.get(timeout=1), default=repr), flush=True)
                shown += 1
            except Empty:
                if not client.connected:
                    raise RemoteError(f"{url} closed the connection") from None
    finally:
        client.disconnect()


def publish(
    namespace: Namespace,
    room: Room,
    event: Annotated[str, typer.Argument(help="event name")],
    data: Annotated[str, typer.Argument(help="JSON; text that is no JSON is taken as a string")],
    url: Url = DEFAULT_URL,
    class_: Annotated[PublicationClass, typer.Option("--class", help="publication class")] = PublicationClass.KEPT,
    key: Annotated[str | None, typer.Option(help="it is also the newest value of this key")] = None,
) -> None:
    """Publish one event in a room and print its position."""
    client = _connect(url, namespace)
    try:
        _ask(client, namespace, "join", {"room": room})
        request = {"room": room, "event": event, "data": _json_or_text(data), "class": class_.value}
        answer = _ask(client, namespace, "publish", request | ({"key": key} if key else {}))
        print(json.dumps({name: answer[name] for name in ("id", "epoch", "offset")}))
    finally:
        client.disconnect()


def dead_letters(
    url: Url = DEFAULT_URL,
    limit: Annotated[int, typer.Option(min=1, help="at most so many, newest first")] = 20,
) -> None:
    """Show the device messages that became nothing, and why."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/dead-letters?limit={limit}", timeout=TIMEOUT_S) as response:
            letters = json.load(response)["dead_letters"]
    except (OSError, ValueError) as error:
        raise RemoteError(f"{url} cannot be reached: {_why(error)}") from None
    table = Table("at", "reason", "topic", "from", "payload", "why")
    for letter in letters:
        at = time.strftime("%H:%M:%S", time.localtime(letter["at"] / 1000))
        table.add_row(at, letter["reason"], letter["topic"], letter["from"], letter["payload"], letter["message"])
    Console(highlight=False, markup=False).print(table if letters else "there are no dead letters")


def _connect(url: str, namespace: str) -> socketio.Client:
    client = socketio.Client(reconnection=False)
    try:
        client.connect(url, namespaces=[namespace], wait_timeout=TIMEOUT_S)
    except socketio.exceptions.ConnectionError as error:
        raise RemoteError(f"{url}{namespace} cannot be reached: {_why(error)}") from None
    return client


def _ask(client: socketio.Client, namespace: str, verb: str, request: dict[str, Any]) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = client.call(verb, request, namespace=namespace, timeout=TIMEOUT_S)
    except socketio.exceptions.TimeoutError:
        raise RemoteError(f"{verb}: no answer within {TIMEOUT_S} s") from None
    if not answer["ok"]:
        raise RemoteError(f"{verb}: {answer['error']['code']}: {answer['error']['message']}")
    return answer


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _why(error: BaseException) -> str:
    return str(getattr(error, "reason", error)) or type(error).__name__


def _note(text: str) -> None:
    Console(stderr=True, highlight=False, markup=False).print(text)

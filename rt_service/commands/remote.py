"""Commands that talk to a running service, as any other client would."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from rt_service.core.model import PublicationClass

if TYPE_CHECKING:
    import socketio

Url = Annotated[str, typer.Option(help="the service")]
Token = Annotated[str, typer.Option(help="in token mode: who asks")]
Namespace = Annotated[str, typer.Argument(help="namespace, such as /iot")]
Room = Annotated[str, typer.Argument(help="room, such as device:pump-1")]
DEFAULT_URL = "http://127.0.0.1:5000"
TIMEOUT_S = 10
PAYLOAD_SHOWN = 70  # characters


class RemoteError(Exception):
    """The service cannot be reached, or refused; the message is one line for whoever typed the command."""

    def __init__(self, message: str, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


def tail(
    namespace: Namespace,
    room: Room,
    url: Url = DEFAULT_URL,
    token: Token = "",
    count: Annotated[int, typer.Option(min=0, help="end after so many publications; 0: never")] = 0,
) -> None:
    """Print the publications of a room as they come, one JSON object a line."""
    client = connect(url, namespace, {"token": token})
    seen: SimpleQueue[Any] = SimpleQueue()
    client.on("*", lambda event, data: seen.put(data), namespace=namespace)
    try:
        joined = ask(client, namespace, "join", {"room": room})
        Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(
            f"in {room} of {namespace} at offset {joined['offset']}; Ctrl-C ends"
        )
        shown = 0
        while not count or shown < count:
            try:
                data = seen.get(timeout=1)
            except Empty:
                if not client.connected:
                    raise RemoteError(f"{url} closed the connection") from None
                continue
            if "offset" in data:  # presence and `closing` have none
                print(json.dumps(data, default=repr), flush=True)
                shown += 1
    finally:
        client.disconnect()


def publish(
    namespace: Namespace,
    room: Room,
    event: Annotated[str, typer.Argument(help="event name")],
    data: Annotated[str, typer.Argument(help="JSON; text that is no JSON is taken as a string")],
    url: Url = DEFAULT_URL,
    token: Token = "",
    class_: Annotated[PublicationClass, typer.Option("--class", help="publication class")] = PublicationClass.KEPT,
    key: Annotated[str | None, typer.Option(help="it is also the newest value of this key")] = None,
) -> None:
    """Publish one event in a room and print its position."""
    client = connect(url, namespace, {"token": token})
    try:
        ask(client, namespace, "join", {"room": room})
        request = {"room": room, "event": event, "data": _json_or_text(data), "class": class_.value}
        answer = ask(client, namespace, "publish", request | ({"key": key} if key else {}))
        print(json.dumps({name: answer[name] for name in ("id", "epoch", "offset")}))
    finally:
        client.disconnect()


def dead_letters(
    url: Url = DEFAULT_URL,
    token: Token = "",
    limit: Annotated[int, typer.Option(min=1, help="at most so many, newest first")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """Show the device messages that became nothing, and why."""
    try:
        request = urllib.request.Request(f"{url}/api/v1/dead-letters?limit={limit}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            letters = json.load(response)["dead_letters"]
    except urllib.error.HTTPError as error:
        raise RemoteError(f"{url}: {_advised(json.load(error)['error'])}") from None
    except (OSError, ValueError) as error:
        raise RemoteError(_unreachable(url, error)) from None
    if as_json:
        for letter in letters:
            print(json.dumps(letter))
        return
    for letter in letters:
        print(_shown(letter))
    if not letters:
        print("there are no dead letters")


def _shown(letter: dict[str, Any]) -> str:
    """Two lines: when, what and why; and how the payload begins."""
    when = time.strftime("%m-%d %H:%M:%S", time.localtime(letter["at"] / 1000))
    payload = letter["payload"] if len(letter["payload"]) <= PAYLOAD_SHOWN else letter["payload"][:PAYLOAD_SHOWN] + "…"
    lines = [f"{when}  {letter['reason']}  {letter['topic']}: {letter['message']}", f"    {payload}"]
    return "\n".join("".join(c if c.isprintable() else "\ufffd" for c in line) for line in lines)


def connect(url: str, namespace: str, auth: dict[str, Any] | None = None) -> socketio.Client:
    """A connected client. Raises RemoteError."""
    import socketio  # slow to import

    if not namespace.startswith("/"):
        raise RemoteError(f"a namespace starts with /: did you mean /{namespace}?")
    if trusted := os.environ.get("SSL_CERT_FILE"):
        os.environ["REQUESTS_CA_BUNDLE"] = trusted  # the polling of socketio.Client reads this one alone
    client = socketio.Client(reconnection=False)
    refusals: list[Any] = []
    client.on("connect_error", refusals.append, namespace=namespace)
    try:
        client.connect(url, namespaces=[namespace], auth=auth, wait_timeout=TIMEOUT_S)
    except (socketio.exceptions.ConnectionError, ValueError) as error:
        if refusals and isinstance(refusals[0], dict):
            raise RemoteError(_reason(refusals[0])) from None
        raise RemoteError(_unreachable(url, error)) from None
    return client


def ask(client: socketio.Client, namespace: str, verb: str, request: dict[str, Any]) -> dict[str, Any]:
    """The answer of a verb. Raises RemoteError when it is a refusal, or does not come."""
    from socketio.exceptions import TimeoutError

    try:
        answer: dict[str, Any] = client.call(verb, request, namespace=namespace, timeout=TIMEOUT_S)
    except TimeoutError:
        raise RemoteError(f"{verb}: no answer within {TIMEOUT_S} s") from None
    if not answer["ok"]:
        error = answer["error"]
        raise RemoteError(f"{verb}: {error['code']}: {error['message']}", error.get("retry_after_ms"))
    return answer


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _reason(refusal: dict[str, Any]) -> str:
    data = refusal.get("error") or refusal.get("data")  # of HTTP, or of Socket.IO
    return _advised(data if isinstance(data, dict) and "message" in data else {"message": refusal, **refusal})


def _advised(error: dict[str, Any]) -> str:
    """What an error says, and for who needs a token how a command gets one."""
    message = str(error["message"])
    if error.get("code") == "unauthorized" and message.startswith("a token is needed"):
        return "a token is needed: --token TOKEN; `token --sub root --role admin --ttl 1h` makes one for an admin"
    return message


def _unreachable(url: str, error: BaseException) -> str:
    why = str(getattr(error, "reason", error))
    if "refused" in why.lower():
        return f"nothing listens at {url}; is the service running?"
    if "CERTIFICATE_VERIFY_FAILED" in why:
        return f"{url}: this machine trusts nobody who signed its certificate for that name; SSL_CERT_FILE names a CA"
    return f"{url} cannot be reached: {why}"

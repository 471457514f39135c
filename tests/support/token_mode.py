"""A service in token mode, and clients that come with a token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import socketio

from tests.support import tokens
from tests.support.mqtt_client import MqttClient
from tests.support.service import Service
from tests.support.ws_client import WsClient

KEY = f'auth.keys={{ main = {{ algorithm = "HS256", secret = "{tokens.SECRET}" }} }}'
TOKEN_MODE = ["--set", "auth.mode=token", "--set", KEY, "--set", "auth.leeway_s=0"]
NOT_AUTHORIZED = {5, 134, 135}
ADMIN = tokens.make("root", role="admin")


@contextmanager
def token_mode() -> Iterator[Service]:
    with Service(*TOKEN_MODE) as running:
        running.token = tokens.make("prometheus", kind="service", grants=[{"rooms": ["/iot:*"], "verbs": ["look"]}])
        yield running


class SocketIo:
    """python-socketio's client with a token, in one namespace."""

    def __init__(self, service: Service, token: str, namespace: str = "/chat", transport: str = "websocket") -> None:
        self.client = socketio.Client(reconnection=False)
        self.events: list[tuple[str, Any]] = []
        self.refusals: list[Any] = []
        self._namespace = namespace
        self.client.on("*", lambda event, body: self.events.append((event, body)), namespace=namespace)
        self.client.on("connect_error", self.refusals.append, namespace=namespace)
        try:
            self.client.connect(
                service.http, namespaces=[namespace], auth={"token": token}, transports=[transport], wait_timeout=30
            )
        except socketio.exceptions.ConnectionError:
            pass

    def ask(self, verb: str, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.call(verb, request, namespace=self._namespace, timeout=30)
        return answer

    def __enter__(self) -> SocketIo:
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.disconnect()


def ws(service: Service, token: str, **more: Any) -> WsClient:
    return WsClient(service.http, query={"token": token}, **more)


def room(service: Service, name: str) -> str:
    return f"{service.http}/api/v1/rooms/chat/{name}"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def device(service: Service, id: str = "lamp", client_id: str | None = None, **claims: Any) -> MqttClient:
    token = tokens.make(id, kind="device", **claims)
    return MqttClient(service.mqtt, client_id or id, login=("anything", token))


def operate(service: Service, method: str, path: str, token: str = "", **more: Any) -> requests.Response:
    return requests.request(method, f"{service.http}/api/v1{path}", headers=bearer(token or ADMIN), timeout=30, **more)

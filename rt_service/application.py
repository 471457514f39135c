"""What an application that is run along gets: `python run.py --app shop:setup` calls `setup(rt)` before it serves."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson
from flask import Flask

from rt_service import log, runtime
from rt_service.api import Api
from rt_service.core.limits import TokenBucket
from rt_service.core.model import Identity, known_as
from rt_service.core.session import Session
from rt_service.gateways import asked
from rt_service.gateways.engineio import SocketIO
from rt_service.hooks import Hook
from rt_service.service import Service
from rt_service.settings import Settings, SettingsError, load

F = TypeVar("F", bound=Callable[..., Any])
_NOWHERE: Any = None  # an application has no transport: nothing is pushed to it


class Verbs:
    """The verbs, from Python. Each waits for its answer and raises `RtError` where it is refused.

    Args are those of CONTRACT.md section 2, the namespace first; answers are the fields of its table.
    """

    def __init__(self, api: Api, identity: Identity) -> None:
        self._api = api
        self._who = known_as(identity)

    def publish(self, namespace: str, room: str, event: str, data: Any, **more: Any) -> dict[str, Any]:
        """`id`, `epoch` and `offset`; `more` is `id`, `class_` and `key`."""
        if "class_" in more:
            more["class"] = more.pop("class_")
        request = {"room": room, "event": event, "data": data, **more}
        return asked.publish(self._api, self._session(namespace), request)

    def send(self, namespace: str, to: str, event: str, data: Any) -> int:
        """How many sessions got it."""
        return int(self._ask(namespace, "send", to=to, event=event, data=data)["delivered"])

    def call(self, namespace: str, to: str, method: str, data: Any = None, timeout_s: float = 5.0) -> Any:
        """What the callee answered."""
        return self._ask(namespace, "call", to=to, method=method, data=data, timeout_ms=int(timeout_s * 1000))["data"]

    def history(self, namespace: str, room: str, **more: Any) -> dict[str, Any]:
        """`epoch`, `offset`, `publications` and `more`; `more` is `since`, `limit` and `reverse`."""
        return self._ask(namespace, "history", room=room, **more)

    def presence(self, namespace: str, room: str) -> list[dict[str, Any]]:
        return list(self._ask(namespace, "presence", room=room)["members"])

    def rooms(self, namespace: str, prefix: str = "") -> list[dict[str, Any]]:
        return list(self._ask(namespace, "rooms", prefix=prefix)["rooms"])

    def twin(self, device: str) -> dict[str, Any]:
        """`desired`, `reported` and `version`."""
        return self._ask("/iot", "twin", device=device)

    def update_twin(self, device: str, desired: dict[str, Any], version: int | None = None) -> dict[str, Any]:
        """Patch what a device should be; the twin after that."""
        return self._ask("/iot", "twin.update", device=device, desired=desired, version=version)

    def _ask(self, namespace: str, verb: str, **request: Any) -> dict[str, Any]:
        answer = asked.ask(self._api, self._session(namespace), verb, request)
        shown: dict[str, Any] = orjson.loads(orjson.dumps(answer))  # publications stand in it as JSON
        return shown

    def _session(self, namespace: str) -> Session:
        self._api.publishing.check_namespace(namespace)
        unlimited = TokenBucket(1e9, 1 << 30, 0.0)
        return Session("application", namespace, self._who, _NOWHERE, unlimited)


class Application:
    """`rt`: the service, as an application sees it."""

    def __init__(self, service: Service, name: str) -> None:
        """It speaks as `service:<name>`."""
        self._service = service
        self._log = log.get("application")
        self.api = Verbs(service.api, Identity("service", name))

    @property
    def app(self) -> Flask:
        """The Flask application: add routes and blueprints."""
        return self._service.app

    @property
    def socketio(self) -> SocketIO:
        """The Flask-SocketIO server: add events of your own; those named like a verb take its place."""
        return self._service.socketio.socketio

    def start(self) -> None:
        """Listen, and start everything; returns at once. Raises SettingsError when a port cannot be had."""
        self._service.start()

    def stop(self) -> None:
        """Tell everybody, flush, leave."""
        self._service.stop()

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT comes. Raises SettingsError when a port cannot be had."""
        signals = runtime.Signals(signal.SIGTERM, signal.SIGINT)
        self.start()
        try:
            self._service.serve(signals)
        finally:
            self.stop()

    @property
    def url(self) -> str:
        """Where it listens for HTTP, once it does."""
        return self._service.http_url

    @property
    def mqtt_url(self) -> str:
        """Where it listens for MQTT, or the outside broker; empty where there is none."""
        return self._service.mqtt_url

    def on(self, namespace: str, event: str) -> Callable[[Hook], Hook]:
        """A decorator: the function sees every publication of an event (`*`: of all) before it is kept.

        It may change `said.data`, or raise an `RtError`, which refuses the publication. It runs while its sender waits.

        Raises:
            NotFound: there is no such namespace.
        """
        self._service.api.publishing.check_namespace(namespace)

        def add(hook: Hook) -> Hook:
            self._service.api.publishing.hooks.add(namespace, event, hook)
            return hook

        return add

    def every(self, seconds: float) -> Callable[[F], F]:
        """A decorator: the function is called again and again while the service runs, `seconds` after it returned."""
        if seconds <= 0:
            raise ValueError("seconds is more than 0")

        def add(function: F) -> F:
            def guarded() -> None:
                try:
                    function()
                except Exception as error:  # noqa: BLE001  it gets its next turn
                    self._log.error("timer_failed", function=function.__qualname__, exc_info=error)

            self._service.timers.append(lambda: runtime.every(seconds, guarded))
            return function

        return add


def create(settings: Settings | Mapping[str, Any] | None, app: Flask | None) -> Application:
    """See `rt_service.create_service`."""
    if not runtime.patched():
        raise RuntimeError("call rt_service.patch() first, before anything else is imported")
    effective = settings if isinstance(settings, Settings) else load(overrides=settings)
    log.configure(effective.log.level, effective.log.format)
    return Application(Service(effective, app), app.name if app is not None else "application")


def run_setup(name: str, service: Service) -> None:
    """Import `module:function` and call it with the `Application`. Raises SettingsError: what went wrong, and where."""
    module_name, colon, function_name = name.partition(":")
    if not colon or not module_name or not function_name:
        raise SettingsError(f"server.app: write module:function, such as shop:setup, not {name!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        setup = getattr(importlib.import_module(module_name), function_name, None)
        if not callable(setup):
            raise SettingsError(f"server.app: {module_name} has no function {function_name}")
        setup(Application(service, module_name.replace("_", "-")))
    except SettingsError:
        raise
    except Exception as error:  # noqa: BLE001  whatever an application does wrong, its author is told in one line
        if isinstance(error, ModuleNotFoundError) and error.name == module_name:
            raise SettingsError(f"server.app: there is no module {module_name} in {os.getcwd()}") from None
        at = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(at.filename).name}, line {at.lineno}"
        raise SettingsError(f"server.app: {name} failed: {type(error).__name__}: {error} ({where})") from None

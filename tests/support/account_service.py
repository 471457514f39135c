"""A running service that keeps accounts, and what it is to answer meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import Any

import requests

from tests.support import tokens
from tests.support.service import ROOT, Service
from tests.support.ws_client import WsClient

PASSWORD = "correct horse"
KEY = f'auth.keys={{ main = {{ algorithm = "HS256", secret = "{tokens.SECRET}" }} }}'
ON = ("--set", "accounts.enabled=true", "--set", "auth.mode=token", "--set", KEY)
UNLIMITED = ("--set", "accounts.attempts_per_name=10000", "--set", "accounts.attempts_per_address=10000")


class Accounts(Service):
    """A service that keeps accounts."""

    def __init__(self, *options: str) -> None:
        super().__init__(*ON, *options)
        self.token = tokens.make("operator", role="admin")

    def post(self, path: str, said: Any, token: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        reply = requests.post(f"{self.http}/api/v1{path}", json=said, headers=headers, timeout=30)
        return reply.status_code, reply.json()

    def register(self, name: str, password: str = PASSWORD, **more: Any) -> int:
        return self.post("/accounts", {"name": name, "password": password, **more})[0]

    def log_in(self, name: str, password: str = PASSWORD) -> int:
        return self.post("/tokens", {"name": name, "password": password})[0]

    def token_of(self, name: str, password: str = PASSWORD) -> str:
        status, said = self.post("/tokens", {"name": name, "password": password})
        assert status == 200, said
        return str(said["token"])

    def enters(self, token: str) -> WsClient:
        """Somebody who is in with a token."""
        client = WsClient(self.http, query={"token": token})
        client.ok("join", room="lobby")
        return client

    def sessions(self, token: str) -> int:
        """What somebody is told who asks for all sessions, which is for admins."""
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{self.http}/api/v1/sessions", headers=headers, timeout=30).status_code

    def types(self, *arguments: str, stdin: str = "") -> str:
        """What a command says about the same store."""
        command = [sys.executable, "run.py", *arguments, "--data-dir", str(self.data)]
        done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout


class Livez:
    """Asks /livez all the time, in a thread: how many answers came, and how much of the time was spent on waiting for
    more than a tenth of a second. A machine may stand still too: the longest few are not looked at."""

    def __init__(self, service: Service) -> None:
        self._took: list[float] = []
        self._service = service
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Livez:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        session = requests.Session()
        while not self._over.is_set():
            began = time.monotonic()
            assert session.get(f"{self._service.http}/livez", timeout=20).status_code == 200
            self._took.append(time.monotonic() - began)

    @property
    def answers(self) -> int:
        return len(self._took)

    @property
    def stalled(self) -> float:
        took = sorted(self._took)[:-3]
        return sum(one for one in took if one > 0.1) / sum(took)


def ready(service: Service) -> bool:
    return service.get("/readyz")[0] == 200

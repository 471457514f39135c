"""A real PostgreSQL, on a port of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from tests.support.mosquitto import free_port
from tests.support.tools import need
from tests.support.waiting import eventually

USER, PASSWORD = "rt", "s3cret"


class PostgreSql:
    """`url` names an empty database; `database` makes further ones. `freeze` stops it from answering, as a machine does
    that hangs; `thaw` lets it go on."""

    def __init__(self) -> None:
        self._programs = [need("initdb"), need("postgres")]
        self._folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self._data = self._folder / "data"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def __enter__(self) -> PostgreSql:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        if os.geteuid() == 0:  # it refuses to run as root
            for path in (self._folder, password):
                shutil.chown(path, "postgres")
        options = ["-D", str(self._data), "-U", USER, "--pwfile", str(password), "-A", "scram-sha-256", "--no-sync"]
        subprocess.run([self._programs[0], *options], check=True, capture_output=True, **_unprivileged())
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.thaw()
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", "fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs[1], "-D", str(self._data), *options], stdout=log, stderr=log, **_unprivileged()
            )
        eventually(self._answers)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # "fast": it does not wait for its clients
            self._process.wait(timeout=30)
            self._process = None

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            os.kill(self._process.pid, number)  # first, so that a frozen one makes no more children
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
            for pid in map(int, children):
                with contextlib.suppress(ProcessLookupError):  # of somebody who just hung up
                    os.kill(pid, number)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"rt{self._databases}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return self._url(name).replace("postgresql://", "postgresql+psycopg://")

    def connection(self, url: str) -> Any:
        """Somebody else's; committed when its block ends."""
        return psycopg.connect(url.replace("+psycopg", ""))

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"


def _unprivileged() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}

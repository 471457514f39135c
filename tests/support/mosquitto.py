"""A real Mosquitto, on a port of its own."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.tools import need
from tests.support.waiting import eventually


def free_port() -> int:
    """One that the system gives to nobody who does not ask for it, and so is free also later: for a server that is not
    there yet, or for a while."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, first)
        with socket.socket() as sock, contextlib.suppress(OSError):  # it is somebody's
            sock.bind(("127.0.0.1", port))
            return port


def accepts(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


class Mosquitto:
    """`users` are the names and passwords that may connect; without them everybody may. `settings` are more lines of
    its configuration; a `persistent` one keeps its sessions and messages in a file while it is stopped."""

    def __init__(
        self,
        port: int | None = None,
        users: dict[str, str] | None = None,
        persistent: bool = False,
        settings: Sequence[str] = (),
    ) -> None:
        self._users = users
        self._persistent = persistent
        self._settings = settings
        self._program = need("mosquitto")
        self._folder = tempfile.TemporaryDirectory()
        self.port = port or free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._folder.cleanup()

    def start(self) -> None:
        config = Path(self._folder.name) / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1", "set_tcp_nodelay true", self._authentication(), *self._settings,
            *([f"persistence true\npersistence_location {self._folder.name}/"] if self._persistent else []),
            *(["user root"] if self._persistent and os.geteuid() == 0 else []),  # else it may not write there
        ]  # fmt: skip
        config.write_text("\n".join(lines) + "\n")
        log = (Path(self._folder.name) / "log").open("ab")
        self._process = subprocess.Popen([self._program, "-c", str(config)], stdout=log, stderr=log)
        eventually(lambda: accepts(self.port))

    def _authentication(self) -> str:
        if self._users is None:
            return "allow_anonymous true"
        if not self._users:
            return "allow_anonymous false"  # who may is in `settings`
        passwords = Path(self._folder.name) / "passwords"
        passwords.write_text("".join(f"{name}:{password}\n" for name, password in self._users.items()))
        passwords.chmod(0o600)
        subprocess.run([need("mosquitto_passwd"), "-U", str(passwords)], check=True, capture_output=True)
        # Mosquitto may have dropped its rights by the time it reads the file.
        Path(self._folder.name).chmod(0o755)
        passwords.chmod(0o644)
        return f"allow_anonymous false\npassword_file {passwords}"

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

"""A real Mosquitto, on a port of its own."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from pathlib import Path

from tests.support.tools import need
from tests.support.waiting import eventually


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def accepts(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


class Mosquitto:
    """`users` are the names and passwords that may connect; without them everybody may."""

    def __init__(self, port: int | None = None, users: dict[str, str] | None = None) -> None:
        self._users = users
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
        config.write_text(f"listener {self.port} 127.0.0.1\nset_tcp_nodelay true\n{self._authentication()}\n")
        log = (Path(self._folder.name) / "log").open("ab")
        self._process = subprocess.Popen([self._program, "-c", str(config)], stdout=log, stderr=log)
        eventually(lambda: accepts(self.port))

    def _authentication(self) -> str:
        if self._users is None:
            return "allow_anonymous true"
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
            self._process.wait(timeout=10)
            self._process = None

"""`run.py grpc` as a process of its own, and a server that stands where the service should be."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.service import ROOT
from tests.support.waiting import eventually


class GrpcGateway:
    """Leaving a `with` block checks that it stopped cleanly."""

    def __init__(self, url: str, *arguments: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._ready = Path(self._folder.name) / "ready.json"
        self._log = Path(self._folder.name) / "log"
        command = ["--url", url, "--port", "0", "--ready-file", str(self._ready), *arguments]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "run.py", "grpc", *command], cwd=ROOT, stdout=log, stderr=log
            )

    def __enter__(self) -> GrpcGateway:
        eventually(lambda: self._ready.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log
        ready = json.loads(self._ready.read_text())
        self.address = ready["grpc"]
        assert ready["pid"] == self.process.pid
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self.process.terminate()
        code = self.process.wait(timeout=30)
        log, left = self.log, self._ready.exists()
        self._folder.cleanup()
        if kind is None:
            assert (code, left) == (0, False) and "Traceback" not in log, f"exit code {code}\n{log}"

    @property
    def log(self) -> str:
        return self._log.read_text()


class StandIn:
    """Answers every request the same, and remembers what came: (path, headers)."""

    def __init__(self, status: int, body: bytes) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                stand_in.seen.append((self.path, dict(self.headers)))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *about: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

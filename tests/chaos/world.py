"""What a scenario runs in: a service, perhaps a Mosquitto behind a proxy, perhaps a disk that can be filled."""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.support.mosquitto import Mosquitto
from tests.support.proxy import Proxy
from tests.support.service import Service
from tests.support.waiting import eventually

HISTORY = 2000  # publications per room: 40 s of a device
SETTINGS = (
    f"history.publications={HISTORY}",
    f"history.repeat_ids={HISTORY}",
    "bridge.keepalive_s=4",
    "bridge.backoff_max_s=1",
    "socketio.ping_interval_s=5",
)
# Without these Mosquitto drops what waits for the service past 1000 messages, and says that it took it.
QUEUE_ALL = ("max_queued_messages 0", "max_queued_bytes 0", "max_inflight_messages 256")
DISK_BYTES = 96 << 20
BALLAST = "ballast"


@dataclass(frozen=True)
class Setup:
    """`mosquitto` runs one behind a proxy; a `forgetful` one has no persistence."""

    mosquitto: bool = False
    forgetful: bool = False
    small_disk: bool = False
    settings: Sequence[str] = ()


class SmallDisk:
    """A folder that can be full: a tmpfs where we may mount one, else a limit on the size of the service's files."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="rt-chaos-"))
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(self.path)]
        try:
            self.mounted = subprocess.run(mount, capture_output=True).returncode == 0
        except OSError:
            self.mounted = False

    def __enter__(self) -> SmallDisk:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.mounted:
            subprocess.run(["umount", str(self.path)], check=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def fill(self, pid: int) -> None:
        if not self.mounted:
            largest = max(file.stat().st_size for file in self.path.rglob("rt.sqlite3*"))
            self._limit(pid, largest)
            return
        with (self.path / BALLAST).open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            while ballast.write(bytes(4096)):
                pass

    def free(self, pid: int) -> None:
        if self.mounted:
            (self.path / BALLAST).unlink()
        else:
            self._limit(pid, resource.RLIM_INFINITY)

    def _limit(self, pid: int, size: int) -> None:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


class World:
    """Everything that can be broken. `mqtt_port` is where devices go."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.mosquitto: Mosquitto | None = None
        self.proxy: Proxy | None = None
        self.disk: SmallDisk | None = None
        self._stack = ExitStack()

    def __enter__(self) -> World:
        with ExitStack() as stack:
            self.service = self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.__exit__(*exc)  # type: ignore[arg-type]

    def _start(self, stack: ExitStack) -> Service:
        arguments = [part for setting in (*SETTINGS, *self.setup.settings) for part in ("--set", setting)]
        if self.setup.small_disk:
            self.disk = stack.enter_context(SmallDisk())
            arguments += ["--data-dir", str(self.disk.path / "data")]
        if self.setup.mosquitto:
            self.mosquitto = stack.enter_context(
                Mosquitto(persistent=not self.setup.forgetful, settings=QUEUE_ALL)
            )  # fmt: skip
            self.proxy = stack.enter_context(Proxy(self.mosquitto.port))
            arguments += ["--mqtt-url", f"mqtt://127.0.0.1:{self.proxy.port}"]
        service = stack.enter_context(Service(*arguments))
        self.http_port = service.port
        self.mqtt_port = self.mosquitto.port if self.mosquitto else service.mqtt_port
        return service

    @property
    def pid(self) -> int:
        assert self.service.process is not None
        return self.service.process.pid

    def memory(self) -> int:
        """Bytes of RAM that the service uses."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def ready(self) -> bool:
        """Whether the service is connected to its broker, if it has one, and well."""
        return self.service.get("/readyz")[0] == 200

    @contextlib.contextmanager
    def restarted(self) -> Iterator[None]:
        """The service is killed, then started again."""
        self.service.kill()
        try:
            yield
        finally:
            self.service.restart()

    @contextlib.contextmanager
    def without_mosquitto(self) -> Iterator[None]:
        assert self.mosquitto is not None
        self.mosquitto.stop()
        try:
            yield
        finally:
            self.mosquitto.start()

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        """The network between the service and Mosquitto is cut."""
        assert self.proxy is not None
        self.proxy.cut()
        try:
            yield
        finally:
            self.proxy.mend()

    @contextlib.contextmanager
    def half_open(self) -> Iterator[None]:
        """The network between them is gone, and neither side is told."""
        assert self.proxy is not None
        self.proxy.lose()
        try:
            yield
        finally:
            self.proxy.mend()

    @contextlib.contextmanager
    def disk_full(self) -> Iterator[None]:
        """Until the service says itself that it cannot write, and from then on."""
        assert self.disk is not None
        self.disk.fill(self.pid)
        try:
            eventually(lambda: self.service.get("/readyz")[1]["checks"]["engine"] != "ok", 60)
            yield
        finally:
            self.disk.free(self.pid)

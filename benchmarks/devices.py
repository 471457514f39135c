"""`python -m benchmarks.devices`: from a device at QoS 1 into a kept room of ten browsers, and what keeping costs."""

from __future__ import annotations

import os
import re
import secrets
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import loads
from benchmarks.servers import (
    HERE,
    LOAD_CORE,
    OURS,
    ROOT,
    SERVER_CORE,
    UNLIMITED,
    Running,
    check_machine,
    port_of,
    running,
)

BROWSERS, WINDOW = 10, 100
PATIENCE_S = 10.0
STAMP = re.compile(rb'"n":(\d+),"t":(\d+)')
console = Console(width=None if sys.stdout.isatty() else 140)


class Figures(NamedTuple):
    """`rate` in messages per second as fast as they go, `p50` and `p99` in ms at 1,000 a second; `wrong` came out of
    order or twice, `missing` did not come within `PATIENCE_S`."""

    rate: float
    p50: float
    p99: float
    wrong: int
    missing: int


class Device:
    """An MQTT 3.1.1 device that pipelines QoS 1."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port))
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        id = f"bench-{secrets.token_hex(3)}".encode()
        body = b"\0\4MQTT\4\2\0\x3c" + len(id).to_bytes(2, "big") + id
        self._sock.sendall(b"\x10" + bytes((len(body),)) + body)
        assert self._sock.recv(4)[3] == 0
        self._sock.setblocking(False)
        self.acked = 0

    def fileno(self) -> int:
        return self._sock.fileno()

    def publish(self, n: int) -> None:
        payload = b'{"n":%d,"t":%d,"pad":"%s"}' % (n, time.monotonic_ns(), b"x" * 32)
        topic = b"devices/bench/events/m"
        body = len(topic).to_bytes(2, "big") + topic + (n % 65_535 + 1).to_bytes(2, "big") + payload
        length = len(body)
        head = bytes((length,)) if length < 128 else bytes((length & 127 | 128, length >> 7))
        self._sock.sendall(b"\x32" + head + body)

    def read(self) -> None:
        """Acknowledgements are four bytes each."""
        self.acked += len(self._sock.recv(65_536)) // 4


class Browser:
    """A Socket.IO client in the device's room that reads the stamps out of whatever comes."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port))
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        self._sock.sendall(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        self._until(b"pingTimeout")
        self._say(b"40/iot,")
        self._until(b"40/iot,")
        self._say(b'42/iot,0["join",{"room":"device:bench"}]')
        self._until(b'43/iot,0[{"ok":true')
        self._sock.setblocking(False)
        self._rest = b""
        self.next = 0
        self.wrong = 0
        self.late_ms: list[float] = []

    def fileno(self) -> int:
        return self._sock.fileno()

    def read(self) -> None:
        data = self._rest + self._sock.recv(1 << 20)
        now, end = time.monotonic_ns(), 0
        for found in STAMP.finditer(data):
            end = found.end()
            self.wrong += int(found[1]) != self.next
            self.next = int(found[1]) + 1
            self.late_ms.append((now - int(found[2])) / 1e6)
        self._rest = data[end:][-100:]

    def _say(self, text: bytes) -> None:
        self._sock.sendall(bytes((0x81, 0x80 | len(text))) + b"\0\0\0\0" + text)

    def _until(self, text: bytes) -> None:
        seen = b""
        while text not in seen:
            seen += self._sock.recv(65_536)


def flood(device: Device, browsers: list[Browser], seconds: float) -> tuple[float, int]:
    """Messages per second that every browser got, with `WINDOW` in flight; and how many one of them did not get."""
    sent, began = 0, time.monotonic()
    until = began + seconds
    while time.monotonic() < until or (browsers_behind(browsers, sent) and time.monotonic() < until + PATIENCE_S):
        while sent - device.acked < WINDOW and time.monotonic() < until:
            device.publish(sent)
            sent += 1
        wait([device, *browsers], 0.05)
    got = min(browser.next for browser in browsers)
    return got / (time.monotonic() - began), sent - got


def steady(device: Device, browsers: list[Browser], seconds: float) -> tuple[list[float], int]:
    """A thousand a second: how late each was, in ms; and how many did not come."""
    began, n = time.monotonic(), 0
    while n < seconds * 1000:
        while n <= (time.monotonic() - began) * 1000:
            device.publish(n)
            n += 1
        wait([device, *browsers], max(0.0, began + n / 1000 - time.monotonic()))
    until = time.monotonic() + PATIENCE_S
    while browsers_behind(browsers, n) and time.monotonic() < until:
        wait([device, *browsers], 0.05)
    late = [ms for browser in browsers for ms in browser.late_ms]
    return late, sum(n - browser.next for browser in browsers)


def browsers_behind(browsers: list[Browser], sent: int) -> bool:
    return any(browser.next < sent for browser in browsers)


def wait(readers: list[Device | Browser], seconds: float) -> None:
    for ready in select.select(readers, [], [], seconds)[0]:
        ready.read()


def measure(way: Callable[[], AbstractContextManager[tuple[int, int]]], seconds: float) -> Figures:
    """Two fresh servers, one for each load."""
    with way() as (http_port, mqtt_port):
        browsers = [Browser(http_port) for _ in range(BROWSERS)]
        rate, missing = flood(Device(mqtt_port), browsers, seconds)
        wrong = sum(browser.wrong for browser in browsers)
    with way() as (http_port, mqtt_port):
        browsers = [Browser(http_port) for _ in range(BROWSERS)]
        late, late_missing = steady(Device(mqtt_port), browsers, seconds)
        wrong += sum(browser.wrong for browser in browsers)
    cuts = quantiles(late, n=100)
    return Figures(rate, cuts[49], cuts[98], wrong, missing + late_missing)


@contextmanager
def mosquitto() -> Iterator[int]:
    """On the server's core: it is part of what is measured."""
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
        free.close()
        config = Path(folder) / "conf"
        limits = "max_inflight_messages 0\nmax_queued_messages 0"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n{limits}\n")
        process = subprocess.Popen(["mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL)
        os.sched_setaffinity(process.pid, {SERVER_CORE})
        try:
            time.sleep(0.5)
            yield port
        finally:
            process.terminate()
            process.wait(timeout=10)


@contextmanager
def started(command: list[str]) -> Iterator[tuple[int, Path]]:
    """A server on its core; its HTTP port and the file it said it in."""
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder) / "port", Path(folder) / "log"
        filled = [part.format(port=file, data=Path(folder) / "data") for part in command]
        with log.open("w") as output:
            process = subprocess.Popen(filled, cwd=ROOT, stdout=output, stderr=output)
        os.sched_setaffinity(process.pid, {SERVER_CORE})
        try:
            yield port_of(process, file, log), file
        finally:
            process.terminate()
            process.wait(timeout=30)


SERVICE = [sys.executable, "run.py", "--port", "0", "--ready-file", "{port}", "--data-dir", "{data}"]
QUIET = ["--set", "log.level=error", *(part for name in UNLIMITED for part in ("--set", f"{name}=10000000"))]


@contextmanager
def embedded() -> Iterator[tuple[int, int]]:
    with started([*SERVICE, "--mqtt-port", "0", *QUIET]) as (port, file):
        found = re.search(r"mqtt://127.0.0.1:(\d+)", file.read_text())
        assert found is not None
        yield port, int(found[1])


@contextmanager
def through_mosquitto() -> Iterator[tuple[int, int]]:
    with mosquitto() as mqtt, started([*SERVICE, "--mqtt-url", f"mqtt://127.0.0.1:{mqtt}", *QUIET]) as (port, _):
        time.sleep(1)
        yield port, mqtt


@contextmanager
def as_people_write_it() -> Iterator[tuple[int, int]]:
    command = [sys.executable, str(HERE / "peers/flask_paho.py"), "{port}"]
    with mosquitto() as mqtt, started([*command, str(mqtt)]) as (port, _):
        time.sleep(1)
        yield port, mqtt


WAYS = {
    "rt-service, embedded broker": embedded,
    "rt-service, through Mosquitto": through_mosquitto,
    "Flask-SocketIO + paho, Mosquitto": as_people_write_it,
}


def keeping(server: Running, seconds: float) -> tuple[float, float, float]:
    """Acked publishes per second of 100 clients in rooms of their own, and p50 and p99 in ms at 1,000 a second."""
    join = ["--join", '42/chat,0["join",{"room":"r%CLI%"}]', "--join-expect", '43/chat,0[{"ok":true']
    acked = '42/chat,%SEQ%["publish",{"room":"r%CLI%","event":"m","data":"%PAD%"}]'
    fast = loads.Load("keep", 100, ["--mode", "echo", *join, "--window", "32", "--msg", acked], [])
    slow = loads.Load("keep", 1, ["--mode", "fanout", *loads.JOIN, *loads.PUBLISH, "--rate", "1000"], [])
    steadily = loads.run(slow, OURS, server, seconds)
    return loads.run(fast, OURS, server, seconds)["ops"], steadily["p50"] / 1000, steadily["p99"] / 1000


def main(
    seconds: Annotated[float, typer.Option(help="of each measurement", min=0.5)] = 5,
    rounds: Annotated[int, typer.Option(help="the median counts", min=1)] = 3,
) -> None:
    """Measure what reaches browsers from devices, and what keeping publications on disk costs."""
    check_machine()
    os.sched_setaffinity(0, {LOAD_CORE})
    table = Table(title=f"from a device at QoS 1 into a kept room of {BROWSERS} browsers")
    for heading in ("", "messages/s", "p50 at 1,000/s", "p99 at 1,000/s", "out of order", "not delivered"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, way in WAYS.items():
        results = [measure(way, seconds) for _ in range(rounds)]
        rate, p50, p99 = (median(one[i] for one in results) for i in range(3))
        wrong, missing = (sum(one[i] for one in results) for i in (3, 4))
        table.add_row(name, f"{rate:,.0f}", f"{p50:.2f} ms", f"{p99:.2f} ms", f"{wrong:,}", f"{missing:,}")
    console.print(table)
    table = Table(title="kept publications, acknowledged")
    for heading in ("", "publications/s", "p50 at 1,000/s", "p99 at 1,000/s"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, engine in (("memory", "memory"), ("sqlite, on disk before the answer", "sqlite")):
        kept = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as data:
                options = [f"engine.url={engine}", f"server.data_dir={data}"]
                with running(OURS, options) as server:
                    kept.append(keeping(server, seconds))
        ops, p50, p99 = (median(one[i] for one in kept) for i in range(3))
        table.add_row(name, f"{ops:,.0f}", f"{p50:.2f} ms", f"{p99:.2f} ms")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)

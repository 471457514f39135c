"""Who sees what an attack does to others: somebody who asks /livez all the time, a user on `/ws`, a device over MQTT.

A process of its own, at an address of its own, so that what an attack costs the tests is not taken for what it costs
the service. Each line on standard input is answered with what was seen since the last one, as JSON.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from rt_service.mqtt.packets import Acknowledgement, Publish
from tests.support.raw_mqtt import RawMqtt
from tests.support.raw_ws import PING, PONG, RawWebSocket, masked

HERE = "127.0.0.2"  # attacks come from 127.0.0.1
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
LIVEZ_EVERY_S, TALK_EVERY_S = 0.02, 0.05
ROOM, USER, DEVICE = "honest", "honest", "honest"


class About(NamedTuple):
    """The service, and what the honest ones show it where it wants tokens."""

    pid: int
    http: str
    mqtt: str
    user_token: str = ""
    device_token: str = ""


class Seen:
    """Seconds that /livez and the round trips took, and what went wrong."""

    def __init__(self) -> None:
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []

    def take(self) -> dict[str, Any]:
        """All of it; from now on what comes."""
        times, self.times = self.times, defaultdict(list)
        errors, self.errors = self.errors, []
        return {"times": times, "errors": errors}


def delays_s(process: int | str) -> dict[str, float]:
    """For how long each thread of a process was ready to run and had no processor."""
    found = {}
    for path in glob(f"/proc/{process}/task/*/schedstat"):
        try:
            found[path] = int(Path(path).read_text().split()[1]) / 1e9
        except (OSError, IndexError):
            pass  # not on every system
    return found


def stolen_s() -> float:
    """For how long a hypervisor let the processors stand still."""
    try:
        return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


class Stopwatch:
    """What something takes the service, without the time in which it and this process had no processor: the fault of
    neither. Any thread counts, as the one that has none may hold the interpreter that the others wait for."""

    def __init__(self, pid: int) -> None:
        self._processes = (pid, "self")
        self._delays = [delays_s(process) for process in self._processes]
        self._stolen, self._began = stolen_s(), time.monotonic()

    def seconds(self) -> float:
        took = time.monotonic() - self._began
        for process, before in zip(self._processes, self._delays, strict=True):
            took -= max((delay - before.get(path, 0.0) for path, delay in delays_s(process).items()), default=0.0)
        return max(0.0, took - (stolen_s() - self._stolen))


def watch(about: About, seen: Seen) -> None:
    parts = urlsplit(about.http)
    with socket.create_connection((parts.hostname, parts.port), timeout=30, source_address=(HERE, 0)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            stopwatch = Stopwatch(about.pid)
            client.sendall(LIVEZ)
            answer = b""
            while not answer.endswith(b'{"ok":true}'):
                more = client.recv(4096)
                assert more, "/livez: the connection was closed"
                answer += more
            seen.times["livez"].append(stopwatch.seconds())
            time.sleep(LIVEZ_EVERY_S)


def talk(about: About, seen: Seen) -> None:
    """Publish, and see what was published: each once, in order."""
    query = urlencode({"token": about.user_token} if about.user_token else {"user": USER})
    with RawWebSocket(about.http, f"/ws?{query}", source=HERE) as ws:
        ask(ws, "join", 0)
        for n in range(1, sys.maxsize):
            stopwatch = Stopwatch(about.pid)
            ask(ws, "publish", n, event="say", data=n)
            seen.times["user"].append(stopwatch.seconds())
            time.sleep(TALK_EVERY_S)


def ask(ws: RawWebSocket, op: str, ref: int, **more: Any) -> None:
    """Until it is answered and, where something was published, came back too."""
    ws.send(json.dumps({"op": op, "ns": "/chat", "room": ROOM, "ref": ref, **more}))
    due = {"answer"} if op == "join" else {"answer", "publication"}
    while due:
        frame = ws.frame()
        assert frame is not None, "/ws: the connection was closed"
        if frame[0] == PING:
            ws.send(masked(PONG, frame[1]))
            continue
        said = json.loads(frame[1])
        if "push" not in said:
            assert said["ref"] == ref and said["ok"], said
            due.discard("answer")
        elif said["push"] == "publication" and said["from"]["id"] == USER:
            assert said["data"] == ref, f"/ws: {said['data']} came in place of {ref}"
            due.discard("publication")
        else:
            assert said["push"] in ("presence", "publication"), said


def measure(about: About, seen: Seen) -> None:
    """A device sends readings, and reads what its room makes of them."""
    with RawMqtt(about.mqtt, source=HERE) as mqtt:
        token = about.device_token.encode() or None
        login = {"username": DEVICE, "password": token} if token else {}
        assert mqtt.connect(DEVICE, keepalive=60, **login).reason == 0
        assert mqtt.subscribe(f"rt/out/iot/device:{DEVICE}/telemetry", qos=0) == [0]
        for n in range(1, sys.maxsize):
            stopwatch = Stopwatch(about.pid)
            mqtt.send(Publish(f"devices/{DEVICE}/telemetry", b"%d" % n, 1, packet_id=n % 65535 + 1))
            due = {Acknowledgement, Publish}
            while due:
                packet = mqtt.receive()
                assert type(packet) in due, f"MQTT: {packet}"
                if isinstance(packet, Publish):
                    assert json.loads(packet.payload)["data"] == n, f"MQTT: {packet.payload!r} in place of {n}"
                due.discard(type(packet))  # type: ignore[arg-type]
            seen.times["device"].append(stopwatch.seconds())
            time.sleep(TALK_EVERY_S)


def guarded(work: Callable[[About, Seen], None], about: About, seen: Seen) -> None:
    try:
        work(about, seen)
    except (OSError, AssertionError, EOFError) as error:
        seen.errors.append(f"{work.__name__}: {error!r}")


def main() -> None:
    about, seen = About(*json.loads(sys.argv[1])), Seen()
    for work in (watch, talk, measure):
        threading.Thread(target=guarded, args=(work, about, seen), daemon=True).start()
    for _ in sys.stdin:
        print(json.dumps(seen.take()), flush=True)


if __name__ == "__main__":
    main()

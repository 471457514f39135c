"""Programs for small boards, run on this machine, with a real MQTT client where the board's own would be."""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt import client as paho

from tests.support.service import ROOT
from tests.support.tools import E2E, need, need_node_packages

SKETCH = ROOT / "clients" / "device" / "arduino" / "rt_device" / "rt_device.ino"
EXAMPLE = ROOT / "clients" / "device" / "micropython" / "main.py"
STUBS = ROOT / "tests" / "arduino"
CONNECT_FAILED, CLOSED = -2, -4  # as PubSubClient says it; CLOSED: without an answer


def sketch_program(folder: Path, **constants: str) -> list[str]:
    """The compiled sketch, with some of the sketch's constants set to other values."""
    source = SKETCH.read_text()
    for name, value in constants.items():
        before, after = source.split(f"*{name} = ", 1)
        source = f'{before}*{name} = "{value}"{after[after.index(";") :]}'
    source = source.replace(
        "#include <WiFi.h>\n", "#include <WiFi.h>\n#define long int  // of 32 bits, as on the board\n"
    )
    (folder / "sketch.cpp").write_text(source)
    program = folder / "sketch"
    command = [need("g++"), "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{STUBS}", "-o", str(program)]
    subprocess.run([*command, str(folder / "sketch.cpp"), str(STUBS / "board.cpp")], check=True, timeout=120)
    return [str(program)]


def micropython_program(folder: Path, secret: str | None = None) -> list[str]:
    """MicroPython with the example."""
    source = folder / "main.py"
    source.write_text(EXAMPLE.read_text().replace("SECRET = None", f"SECRET = {secret!r}"))
    umqtt = ROOT / "tests" / "micropython" / "simple.py"
    return [need_node_packages(), str(E2E / "micropython.mjs"), str(source), str(umqtt)]


class Board:
    """Runs a program: what it asks of its MQTT client paho does, in MQTT 3.1.1, as PubSubClient and umqtt speak it."""

    def __init__(self, command: list[str], url: str) -> None:
        self._where = urlsplit(url)
        self._mqtt: paho.Client | None = None
        self._come: deque[tuple[str, ...]] = deque()
        self.published: list[tuple[str, str, bool]] = []
        self.refusals: list[int] = []
        self.printed: list[str] = []
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait(timeout=30)
        self._reader.join(timeout=30)
        self.lose_power()

    def lose_power(self) -> None:
        self._process.kill()  # first: who notices that the connection is gone makes another one
        if self._mqtt is not None:
            sock: Any = self._mqtt.socket()
            self._mqtt.loop_stop()
            if sock is not None:
                sock.close()

    def later(self, days: float) -> None:
        """Set its clock forward."""
        self._come.append(("later", str(int(days * 86_400_000))))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            what, *fields = line.rstrip("\n").split("\t")
            if what in ("connect", "subscribe", "publish", "check"):
                getattr(self, f"_{what}")(*fields)
            else:
                self.printed.append(line.rstrip())

    def _connect(self, id: str, user: str, password: str, topic: str, qos: str, retain: str, message: str) -> None:
        answered = threading.Event()
        code: list[int] = []

        def on_connect(client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
            code.append({134: 4, 135: 5}.get(reason.value, reason.value))
            answered.set()

        def on_disconnect(*_: Any) -> None:
            if code == [0]:
                self._come.append(("drop",))
            elif not code:
                code.append(CLOSED)
                answered.set()

        mqtt = paho.Client(paho.CallbackAPIVersion.VERSION2, id, protocol=paho.MQTTv311, reconnect_on_failure=False)
        if user != "-":
            mqtt.username_pw_set(user, password)
        mqtt.will_set(topic, message, int(qos), retain == "1")
        mqtt.on_connect = on_connect
        mqtt.on_message = lambda c, u, m: self._come.append(("message", m.topic, m.payload.decode()))
        mqtt.on_disconnect = on_disconnect
        try:
            mqtt.connect(self._where.hostname or "", self._where.port or 1883, 10)
        except OSError:
            self._tell("refuse", str(CONNECT_FAILED))
            return
        mqtt.loop_start()
        self._mqtt = mqtt
        self._come.clear()
        assert answered.wait(10)
        if code[0]:
            if code[0] > 0:
                self.refusals.append(code[0])
            self._tell("refuse", str(code[0]))
        else:
            self._tell("ok")

    def _check(self) -> None:
        while self._come:
            self._tell(*self._come.popleft())
        self._tell("end")

    def _subscribe(self, topic: str, qos: str) -> None:
        assert self._mqtt is not None
        self._mqtt.subscribe(topic, int(qos))

    def _publish(self, topic: str, retained: str, payload: str) -> None:
        assert self._mqtt is not None
        self.published.append((topic, payload, retained == "1"))
        self._mqtt.publish(topic, payload, 0, retained == "1")

    def _tell(self, *fields: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\t".join(fields) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it has been switched off

"""Simulated greenhouse devices: telemetry, a setpoint that twin or call sets, and a word in the chat now and then."""

from __future__ import annotations

import argparse
import math
import random
import signal
import sys
import threading
import time
from typing import Any

from rt_device.device import Device

KINDS = ("greenhouse", "pump", "tank")
PERIOD_S = 0.5


class SimulatedDevice:
    """A temperature that follows its setpoint, a humidity, and a light that can be switched."""

    def __init__(self, number: int) -> None:
        self.device = Device(f"{KINDS[number % len(KINDS)]}-{number // len(KINDS) + 1}")
        self._random = random.Random(number)
        self._phase = 2.0 * number
        self._target = 20.0 + number
        self._celsius = self._target - 3.0
        self._light = False
        self.sent = 0
        self.device.on_call("set", self._set)
        self.device.on_call("light", self._switch)
        self.device.on_desired(self._become)
        self.device.on_call("ping", lambda data: {"pong": data})
        self.device.listen(f"rt/out/iot/device:{self.device.id}/say", self._hear)

    def tick(self, now: float) -> None:
        """Publish one reading; `now` in seconds."""
        self._celsius += (self._target - self._celsius) * 0.05 + self._random.gauss(0, 0.08)
        self.device.telemetry(
            {
                "c": round(self._celsius, 2),
                "humidity": round(60 + 10 * math.sin(now / 20 + self._phase) + self._random.gauss(0, 0.4), 1),
                "light": self._light,
            }
        )
        self.sent += 1

    def _set(self, data: Any) -> dict[str, float]:
        was, self._target = self._target, float(data["c"])
        self.device.report({"c": self._target})
        return {"c": self._target, "was": was}

    def _become(self, desired: dict[str, Any]) -> None:
        """What its twin wants; what that says of other things, or is no temperature, it does not have."""
        wanted = desired.get("c")
        if isinstance(wanted, int | float) and not isinstance(wanted, bool):
            self._set({"c": wanted})

    def _switch(self, data: Any) -> dict[str, bool]:
        self._light = bool(data["on"]) if isinstance(data, dict) and "on" in data else not self._light
        return {"on": self._light}

    def _hear(self, publication: Any) -> None:
        if publication["from"] != {"kind": "device", "id": self.device.id}:
            heard = publication["data"].get("text", "")
            self.device.event("said", {"text": f"I heard “{heard}”. It is {self._celsius:.1f} °C here."})


def run(url: str, devices: int, quiet: bool, child: bool = False) -> int:
    """Run `devices` simulated devices until SIGTERM or SIGINT; the exit code.

    As a `child` it also ends with its parent, which holds the other end of standard input.
    """
    stopping = threading.Event()
    if child:
        threading.Thread(target=_wait_for_end_of_input, args=(stopping,), daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    simulated = [SimulatedDevice(number) for number in range(devices)]
    try:
        for one in simulated:
            one.device.connect(url, wait=not child)  # a service's broker may come later than its devices
    except (OSError, ValueError) as error:
        print(f"simulator: {url} cannot be reached: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 1
    while not stopping.wait(PERIOD_S):
        now = time.monotonic()
        for one in simulated:
            one.tick(now)
        if not quiet:
            total = sum(one.sent for one in simulated)
            print(f"\r{devices} devices, {total} readings, {devices / PERIOD_S:.0f}/s ", end="", flush=True)
    for one in simulated:
        one.device.disconnect()
    return 0


def _wait_for_end_of_input(stopping: threading.Event) -> None:
    sys.stdin.read()
    stopping.set()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="mqtt://127.0.0.1:1883", help="the MQTT broker")
    parser.add_argument("--devices", type=int, default=3, help="how many")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    parser.add_argument("--child", action="store_true", help="end when standard input does")
    options = parser.parse_args()
    return run(options.url, options.devices, options.quiet, options.child)


if __name__ == "__main__":
    sys.exit(main())

"""The simulated devices of `serve --simulate N`: a setpoint and a light that can be called, and a word in the chat."""

from __future__ import annotations

import contextlib
import math
import random
from typing import Any

from rt_device.calls import RtError
from rt_device.device import Device

KINDS = ("greenhouse", "pump", "tank")


class Greenhouse:
    """A temperature that follows its setpoint, a humidity, and a light that can be switched."""

    rate = 2.0

    def __init__(self, number: int) -> None:
        self.device = Device(f"{KINDS[number % len(KINDS)]}-{number // len(KINDS) + 1}")
        self._random = random.Random(number)
        self._phase = 2.0 * number
        self._target = 20.0 + number
        self._celsius = self._target - 3.0
        self._light = False
        self.device.on_call("set", self._set)
        self.device.on_call("light", self._switch)
        self.device.on_desired(self._become)
        self.device.on_call("ping", lambda data: {"pong": data})
        self.device.listen(f"rt/out/iot/device:{self.device.id}/say", self._hear)

    def tick(self, number: int) -> bool:
        """Publish one reading."""
        self._celsius += (self._target - self._celsius) * 0.05 + self._random.gauss(0, 0.08)
        wave = math.sin(number / self.rate / 20 + self._phase)
        self.device.telemetry(
            {
                "c": round(self._celsius, 2),
                "humidity": round(60 + 10 * wave + self._random.gauss(0, 0.4), 1),
                "light": self._light,
            }
        )
        return True

    def _set(self, data: Any) -> dict[str, float]:
        wanted = data.get("c") if isinstance(data, dict) else None
        if isinstance(wanted, bool) or not isinstance(wanted, (int, float)) or not -50 <= wanted <= 100:
            raise RtError("bad_request", 'set takes {"c": degrees}, from -50 to 100')
        was, self._target = self._target, float(wanted)
        self.device.report({"c": self._target})
        return {"c": self._target, "was": was}

    def _become(self, desired: dict[str, Any]) -> None:
        """What its twin wants; what that says of other things, or is no temperature, it does not have."""
        with contextlib.suppress(RtError):
            self._set(desired)

    def _switch(self, data: Any) -> dict[str, bool]:
        self._light = bool(data["on"]) if isinstance(data, dict) and "on" in data else not self._light
        return {"on": self._light}

    def _hear(self, publication: Any) -> None:
        if publication["from"] == {"kind": "device", "id": self.device.id}:
            return
        data = publication["data"]
        heard = data.get("text", "") if isinstance(data, dict) else data
        self.device.event("said", {"text": f"I heard “{heard}”. It is {self._celsius:.1f} °C here."})

"""What goes wrong, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.chaos.fleet import Fleet
from tests.chaos.world import Setup, World

Break = Callable[[World, Fleet], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """Entered it breaks something, left it mends it; `long_s` and `short_s` are how long it stays broken."""

    title: str
    begin: Break
    long_s: float
    short_s: float


KILLED = Fault("the service is killed", lambda world, fleet: world.restarted(), 0.5, 0.2)
STOPPED = Fault("Mosquitto is stopped", lambda world, fleet: world.without_mosquitto(), 2, 0.5)
CUT = Fault("the network to Mosquitto is cut", lambda world, fleet: world.cut(), 5, 1)
HALF_OPEN = Fault("the network to Mosquitto is half-open", lambda world, fleet: world.half_open(), 30, 6)
FROZEN = Fault("half of the subscribers are frozen", lambda world, fleet: fleet.frozen(), 5, 3)
FULL = Fault("the disk is full", lambda world, fleet: world.disk_full(), 5, 1)


@dataclass(frozen=True)
class Scenario:
    """`rounds` and `short_rounds` are how often faults happen, at least; of several faults two overlap each time."""

    name: str
    title: str
    setup: Setup
    faults: tuple[Fault, ...]
    rounds: int
    short_rounds: int = 1

    @property
    def restarts_mosquitto(self) -> bool:
        return STOPPED in self.faults


BEHIND = Setup(mosquitto=True)
# Pings that a frozen client misses, and little that may wait for it: it is disconnected either way.
IMPATIENT = ("socketio.ping_interval_s=1", "socketio.ping_timeout_s=1", "limits.waiting_bytes=262144")
EVERYTHING = Setup(mosquitto=True, small_disk=True, settings=IMPATIENT)

SCENARIOS = (
    Scenario("killed", "service killed, embedded broker", Setup(), (KILLED,), 5, 2),
    Scenario("killed-behind", "service killed, Mosquitto", BEHIND, (KILLED,), 5, 2),
    Scenario("mosquitto", "Mosquitto restarted, persistent", BEHIND, (STOPPED,), 3),
    Scenario("forgetful", "Mosquitto restarted, not persistent", Setup(True, True), (STOPPED,), 3),
    Scenario("cut", "network cut", BEHIND, (CUT,), 3),
    Scenario("half-open", "network half-open", BEHIND, (HALF_OPEN,), 1),
    Scenario("frozen", "subscribers frozen", Setup(settings=IMPATIENT), (FROZEN,), 3),
    Scenario("disk-full", "disk full", Setup(small_disk=True), (FULL,), 3),
    Scenario("mixed", "mixed, two at a time", EVERYTHING, (FULL, KILLED, STOPPED, CUT, FROZEN), 6, 2),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}

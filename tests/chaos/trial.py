"""One scenario from beginning to end."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from random import Random

from tests.chaos.fleet import Fleet, Load
from tests.chaos.scenarios import FULL, Scenario
from tests.chaos.verdict import GROWTH_BYTES, SLACK_BYTES, Result, judge
from tests.chaos.world import World
from tests.support.waiting import eventually

FLOWS_S = 90.0  # until everything goes on after a fault, at most
DRAIN_S = 120.0
QUIET_S = 15.0  # nothing new for so long, and nothing more is expected: not because somebody stands still
LONG = Load()
SHORT = Load(device_rate=300, talk_rate=100)
LONG_S = 48.0  # a long scenario goes on with more faults until then
Say = Callable[[str], None]


class Trial:
    def __init__(self, scenario: Scenario, long: bool, seed: int, say: Say) -> None:
        self._scenario = scenario
        self._long = long
        self._load = LONG if long else SHORT
        self._random = Random(f"{seed}/{scenario.name}")
        self._say = say
        self._result = Result(scenario.title)

    def run(self) -> Result:
        """The figures; what made them impossible is one of them."""
        began = time.monotonic()
        try:
            self._run(began)
        except AssertionError as error:
            self._result.stuck = str(error)
        self._result.seconds = time.monotonic() - began
        return self._result

    def _run(self, began: float) -> None:
        with World(self._scenario.setup) as world, Fleet(world, self._load, self._random) as fleet:
            eventually(world.ready)
            eventually(lambda: fleet.joined, 30)
            fleet.publish()
            self._flows(fleet)
            self._pass(fleet, 3 if self._long else 0.5)
            before, kept = world.memory(), fleet.kept
            self._break(world, fleet, began)
            self._finish(fleet)
            self._result.memory_before, self._result.memory_after = before, world.memory()
            self._result.memory_allowed = before + max(0, fleet.kept - kept) * GROWTH_BYTES + SLACK_BYTES
            self._judge(fleet)
            self._tell_service(world)

    def _break(self, world: World, fleet: Fleet, began: float) -> None:
        rounds = self._scenario.rounds if self._long else self._scenario.short_rounds
        while self._result.faults < rounds or (self._long and time.monotonic() - began < LONG_S):
            self._result.faults += 1
            faults = self._random.sample(self._scenario.faults, min(2, len(self._scenario.faults)))
            faults.sort(key=lambda fault: fault is not FULL)  # only a service that lives can say that it is
            self._say(f"{self._result.faults}: " + ", then ".join(fault.title for fault in faults))
            with ExitStack() as broken:
                for fault in faults:
                    broken.enter_context(fault.begin(world, fleet))
                    seconds = fault.long_s if self._long else fault.short_s
                    time.sleep(seconds / len(faults))  # how long it stays broken is what the scenario is about
            taken = self._flows(fleet)
            self._say(f"   everything goes on {taken:.1f} s later, {sum(fleet.acked)} acknowledged so far")
            self._pass(fleet, self._random.uniform(2, 5) if self._long else self._random.uniform(0.2, 0.6))

    def _flows(self, fleet: Fleet) -> float:
        """Wait until everybody is there, publishers are answered, and each subscriber sees more of both kinds."""
        began, then = time.monotonic(), [*fleet.acked, *fleet.least]

        def moves() -> bool:
            now = [*fleet.acked, *fleet.least]
            return fleet.joined and all(after > before for before, after in zip(then, now, strict=True))

        eventually(moves, FLOWS_S)
        return time.monotonic() - began

    def _pass(self, fleet: Fleet, seconds: float) -> None:
        """Wait until the devices have had as many messages acknowledged as belong to that time."""
        enough = fleet.acked[0] + seconds * self._load.device_rate
        eventually(lambda: fleet.acked[0] >= enough, seconds * 10 + 30)

    def _finish(self, fleet: Fleet) -> None:
        """No new numbers; what was begun is acknowledged, and everybody catches up."""
        fleet.stop()
        try:
            eventually(lambda: fleet.drained, DRAIN_S)
        except AssertionError:
            self._result.notes.append(f"not everything was acknowledged within {DRAIN_S:.0f} s")
        expected = sum(fleet.acked) * self._load.subscribers
        seen, since = fleet.seen, time.monotonic()
        while fleet.seen < expected or not fleet.joined:
            time.sleep(0.05)
            if fleet.seen > seen:
                seen, since = fleet.seen, time.monotonic()
            if time.monotonic() - since > QUIET_S:
                return

    def _judge(self, fleet: Fleet) -> None:
        devices, talkers = fleet.published()
        made = {id: report["made"] for id, report in {**devices, **talkers}.items()}
        judge(self._result, self._scenario, devices, talkers, fleet.received(made))

    def _tell_service(self, world: World) -> None:
        """What the service itself counted since it was started last."""
        lines = world.service.get("/metrics")[1].splitlines()
        named = ("rt_dropped_total", "rt_publications_repeated_total", "rt_sessions_closed_total", "rt_dead_letters")
        found = [line for line in lines if line.startswith(named) and not line.endswith((" 0", " 0.0"))]
        if found:
            self._result.notes.append("counted by the service: " + ", ".join(found))

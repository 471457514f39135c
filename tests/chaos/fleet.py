"""Everybody who takes part in a scenario: devices, socket.io clients that publish, subscribers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.chaos.workers import Worker
from tests.chaos.world import HISTORY, World

GROUPS = 2  # processes of subscribers
TALK_ROOMS = 4
BUFFER = 65_536


@dataclass(frozen=True)
class Load:
    """How many there are, and messages per second of all devices and of all talkers together."""

    devices: int = 20
    talkers: int = 20
    subscribers: int = 20
    device_rate: float = 1000.0
    talk_rate: float = 200.0


class Fleet:
    def __init__(self, world: World, load: Load, random: Random) -> None:
        self.load = load
        self.devices = [f"dev-{n:02}" for n in range(load.devices)]
        self.talkers = [f"talker-{n:02}" for n in range(load.talkers)]
        self._talk_rooms = [f"talk:{n}" for n in range(TALK_ROOMS)]
        self._world = world
        self._random = random
        self._stack = ExitStack()
        self.groups: list[Worker] = []
        self.publishers: list[Worker] = []

    def __enter__(self) -> Fleet:
        rooms = [f"device:{id}" for id in self.devices] + self._talk_rooms
        port = self._world.http_port
        with ExitStack() as stack:
            for group in range(GROUPS):
                ids = [f"sub-{n:02}" for n in range(group, self.load.subscribers, GROUPS)]
                worker = Worker("subscribers", ids=ids, rooms=rooms, http_port=port, buffer=BUFFER, history=HISTORY)
                self.groups.append(stack.enter_context(worker))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.__exit__(*exc)  # type: ignore[arg-type]

    def publish(self) -> None:
        """Start those who publish; everybody who listens should be there."""
        devices = Worker("devices", ids=self.devices, rate=self.load.device_rate, mqtt_port=self._world.mqtt_port)
        self.publishers.append(self._stack.enter_context(devices))
        talkers = Worker(
            "talkers",
            ids=self.talkers,
            rooms=self._talk_rooms,
            rate=self.load.talk_rate,
            http_port=self._world.http_port,
        )
        self.publishers.append(self._stack.enter_context(talkers))

    def stop(self) -> None:
        for worker in self.publishers:
            worker.stop()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """One process of subscribers stands still."""
        worker = self._random.choice(self.groups)
        worker.freeze()
        try:
            yield
        finally:
            worker.thaw()

    # -- how far they are

    @property
    def joined(self) -> bool:
        return sum(worker.count("joined") for worker in self.groups) == self.load.subscribers

    @property
    def acked(self) -> list[int]:
        """By the devices, by the talkers."""
        return [worker.count("acked") for worker in self.publishers]

    @property
    def drained(self) -> bool:
        """Whether they have stopped, and everything that was made is acknowledged."""
        return all(
            worker.count("stopped") and worker.count("acked") == worker.count("made") > 0 for worker in self.publishers
        )

    @property
    def least(self) -> list[int]:
        """What the subscriber that is furthest behind has seen of devices, and of talkers."""
        names = ("least_of_devices", "least_of_talkers")
        return [min(worker.count(name) for worker in self.groups) for name in names]

    @property
    def seen(self) -> int:
        return sum(worker.count("seen") for worker in self.groups)

    @property
    def kept(self) -> int:
        """Publications in the history of all rooms."""
        return max(worker.count("kept") for worker in self.groups)

    def published(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The reports of devices and talkers."""
        devices, talkers = (worker.report() for worker in self.publishers)
        return devices, talkers

    def received(self, made: dict[str, int]) -> dict[str, Any]:
        """The reports of all subscribers."""
        return {id: report for worker in self.groups for id, report in worker.report(made=made).items()}

"""The devices: numbered messages over MQTT at QoS 1, sent again in order after a reconnect as MQTT demands."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from tests.chaos.child import keep_up, main, ticks
from tests.chaos.mqtt_wire import MqttConnection, publish

WINDOW = 16  # messages of one device that are not acknowledged yet
NO_MATCHING_SUBSCRIBERS = 0x10
REFUSED = 0x80


class Device:
    """`unheard` were acknowledged with the words that nobody is there to take them."""

    def __init__(self, id: str, port: int, due: float) -> None:
        self.id = id
        self.made = 0
        self.acked = 0
        self.connects = 0
        self.in_flight: dict[int, int] = {}  # packet id: number, oldest first
        self.resent: set[int] = set()
        self.unheard: list[int] = []
        self.refused: list[int] = []
        self._port = port
        self._topic = f"devices/{id}/events/count"
        self._connection: MqttConnection | None = None
        self._due = due

    async def live(self) -> None:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: MqttConnection(self.id, self._acknowledged), "127.0.0.1", self._port
        )
        try:
            await asyncio.wait_for(connection.session_present, 10)
            self.connects += 1
            for packet_id, n in self.in_flight.items():
                self.resent.add(n)
                connection.send(self._packet(packet_id, n, again=True))
            self._connection = connection
            await connection.gone
        except TimeoutError as error:
            raise ConnectionError("no CONNACK in time") from error
        finally:
            self._connection = None
            connection.close()

    def make(self, due: float) -> None:
        """Send `due` more numbers (on average), as far as the window allows."""
        self._due = min(self._due + due, WINDOW)
        while self._due >= 1 and self._connection is not None and len(self.in_flight) < WINDOW:
            self._due -= 1
            self.made += 1
            packet_id = (self.made - 1) % 65_535 + 1
            self.in_flight[packet_id] = self.made
            self._connection.send(self._packet(packet_id, self.made))

    def _packet(self, packet_id: int, n: int, again: bool = False) -> bytes:
        return publish(self._topic, packet_id, orjson.dumps({"device": self.id, "n": n}), again)

    def _acknowledged(self, packet_id: int, reason: int) -> None:
        n = self.in_flight.pop(packet_id, None)
        if n is None:
            return
        self.acked += 1
        if reason >= REFUSED:
            self.refused.append(n)
        elif reason == NO_MATCHING_SUBSCRIBERS:
            self.unheard.append(n)


class Devices:
    def __init__(self, settings: dict[str, Any]) -> None:
        ids = settings["ids"]  # their turns are spread, so that they do not speak all at once
        self._devices = [Device(id, settings["mqtt_port"], n / len(ids)) for n, id in enumerate(ids)]
        self._rate = settings["rate"] / len(self._devices)
        self._stopped = False

    async def run(self) -> None:
        await asyncio.gather(*(keep_up(device.live) for device in self._devices), ticks(self._step))

    def _step(self, seconds: float) -> None:
        if not self._stopped:
            for device in self._devices:
                device.make(seconds * self._rate)

    def stop(self) -> None:
        self._stopped = True

    def counts(self) -> dict[str, int]:
        acked, made = sum(d.acked for d in self._devices), sum(d.made for d in self._devices)
        return {
            "acked": acked,
            "made": made,
            "connects": sum(d.connects for d in self._devices),
            "stopped": self._stopped,
        }

    def report(self, order: dict[str, Any]) -> dict[str, Any]:
        return {
            device.id: {
                "made": device.made,
                "unacked": list(device.in_flight.values()),
                "unheard": device.unheard,
                "refused": device.refused,
                "resent": sorted(device.resent),
            }
            for device in self._devices
        }


if __name__ == "__main__":
    main(Devices)

"""Who is there, although connections break and devices are not asked."""

from __future__ import annotations

from typing import Any

from rt_service.core.hub import HubBounds
from rt_service.core.stream import StreamBounds
from rt_service.devices.registry import Devices
from rt_service.engines.memory import MemoryEngine
from tests.support.core import Client, Core


def actions(client: Client) -> list[tuple[str, str]]:
    return [(push["action"], push["member"]["id"]) for push in client.pushed("presence")]


def pair() -> tuple[Core, Client, Client]:
    core = Core(hub_bounds=HubBounds(presence_grace_s=2.0))
    alice, bob = core.client("alice"), core.client("bob")
    alice.ok("join", room="r")
    bob.ok("join", room="r")
    return core, alice, bob


def breaks(core: Core, client: Client) -> None:
    client.session.may_return = True
    core.hub.close(client.session)


def test_a_member_that_comes_back_soon_was_never_gone() -> None:
    core, alice, bob = pair()
    breaks(core, bob)
    core.clock.advance(1)
    core.hub.sweep()
    assert len(alice.ok("presence", room="r")["members"]) == 2
    again = core.client("bob")
    again.ok("join", room="r")
    assert [m["sessions"] for m in alice.ok("presence", room="r")["members"]] == [1, 1]
    core.clock.advance(5)
    core.hub.sweep()
    assert actions(alice) == [("join", "bob")]
    assert [m["sessions"] for m in alice.ok("presence", room="r")["members"]] == [1, 1]


def test_a_member_that_does_not_come_back_is_gone_after_the_grace() -> None:
    core, alice, bob = pair()
    breaks(core, bob)
    core.clock.advance(2)
    core.hub.sweep()
    assert actions(alice) == [("join", "bob"), ("leave", "bob")]
    assert len(alice.ok("presence", room="r")["members"]) == 1


def test_a_member_that_says_goodbye_is_gone_at_once() -> None:
    core, alice, bob = pair()
    core.hub.close(bob.session)
    assert actions(alice) == [("join", "bob"), ("leave", "bob")]


def test_of_two_sessions_that_broke_one_returns() -> None:
    core, alice, bob = pair()
    second = core.client("bob")
    second.ok("join", room="r")
    breaks(core, bob)
    breaks(core, second)
    core.client("bob").ok("join", room="r")
    core.clock.advance(3)
    core.hub.sweep()
    assert actions(alice) == [("join", "bob")]
    assert {m["id"]: m["sessions"] for m in alice.ok("presence", room="r")["members"]} == {"alice": 1, "bob": 1}


class Shelf(MemoryEngine):
    """A store that remembers."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.values: dict[tuple[str, str], bytes] = {}

    def put(self, shelf: str, key: str, value: bytes | None) -> None:
        if value is None:
            self.values.pop((shelf, key), None)
        else:
            self.values[shelf, key] = value

    def load(self, shelf: str) -> Any:
        return iter([(key, value) for (on, key), value in self.values.items() if on == shelf])


def registry(bound: int = 100) -> tuple[Core, Client, Devices, Shelf]:
    core = Core()
    page = core.client("page", namespace="/iot")
    page.ok("join", room="device:a")
    shelf = Shelf(core.clock, StreamBounds())
    return core, page, Devices(core.hub, shelf, core.clock, silent_s=60, bound=bound), shelf


def test_a_device_that_sends_no_status_is_online_while_it_speaks() -> None:
    core, page, devices, _ = registry()
    devices.heard("a")
    core.clock.advance(50)
    devices.heard("a")
    core.clock.advance(50)
    devices.sweep()
    assert devices.online("a")
    core.clock.advance(11)
    devices.sweep()
    assert actions(page) == [("online", "a"), ("offline", "a")]


def test_a_device_that_says_its_status_is_online_until_it_says_otherwise() -> None:
    core, page, devices, _ = registry()
    devices.status("a", online=True)
    devices.heard("a")
    core.clock.advance(1000)
    devices.sweep()
    assert devices.online("a")
    devices.status("a", online=False)
    assert [p["member"]["info"]["since"] for p in page.pushed("presence")] == [1_000_000_000, 1_001_000_000]


def test_a_device_that_speaks_after_its_will_is_online_again() -> None:
    _, page, devices, _ = registry()
    devices.status("a", online=True)
    devices.status("a", online=False)
    devices.heard("a")
    assert actions(page) == [("online", "a"), ("offline", "a"), ("online", "a")]


def test_after_a_restart_a_device_is_online_since_then_if_it_speaks_in_time() -> None:
    core, _, devices, shelf = registry()
    devices.status("a", online=True)
    devices.status("b", online=True)
    core.clock.advance(100)
    again = Devices(Core().hub, shelf, core.clock)
    again.restore()
    again.status("a", online=True)
    core.clock.advance(31)
    again.sweep()
    known = {device["id"]: device for device in again.known()}
    assert known["a"]["online"] and known["a"]["since"] == 1_000_000_000
    assert not known["b"]["online"]


def test_past_the_bound_the_device_that_is_offline_for_longest_leaves() -> None:
    _, _, devices, shelf = registry(bound=2)
    devices.status("a", online=True)
    devices.status("b", online=True)
    devices.status("b", online=False)
    devices.status("c", online=True)
    assert [device["id"] for device in devices.known()] == ["c", "a"]
    assert sorted(key for _, key in shelf.values) == ["a", "c"]

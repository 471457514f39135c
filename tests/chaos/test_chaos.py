"""The short form of every scenario; `make chaos` runs the long one."""

from __future__ import annotations

from tests.chaos.scenarios import BY_NAME
from tests.chaos.trial import Trial


def nothing_is_wrong_after(name: str) -> None:
    said: list[str] = []
    result = Trial(BY_NAME[name], long=False, seed=1, say=said.append).run()
    assert not result.wrong, "\n".join([*result.wrong, *said, *result.notes, *result.details])
    assert result.by_devices and result.by_talkers and result.faults


def test_nothing_acknowledged_is_lost_when_the_service_is_killed() -> None:
    nothing_is_wrong_after("killed")


def test_nothing_acknowledged_is_lost_when_the_service_is_killed_behind_mosquitto() -> None:
    nothing_is_wrong_after("killed-behind")


def test_nothing_acknowledged_is_lost_when_a_persistent_mosquitto_is_restarted() -> None:
    nothing_is_wrong_after("mosquitto")


def test_nothing_that_was_taken_is_lost_when_mosquitto_forgets_what_it_had() -> None:
    nothing_is_wrong_after("forgetful")


def test_nothing_acknowledged_is_lost_when_the_network_to_the_broker_is_cut() -> None:
    nothing_is_wrong_after("cut")


def test_nothing_acknowledged_is_lost_when_the_connection_to_the_broker_is_half_open() -> None:
    nothing_is_wrong_after("half-open")


def test_nothing_acknowledged_is_lost_to_subscribers_that_were_frozen() -> None:
    nothing_is_wrong_after("frozen")


def test_nothing_acknowledged_is_lost_when_the_disk_was_full() -> None:
    nothing_is_wrong_after("disk-full")


def test_nothing_acknowledged_is_lost_when_two_things_break_at_a_time() -> None:
    nothing_is_wrong_after("mixed")

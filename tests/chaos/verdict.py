"""What is held against a service: what was acknowledged, next to what each subscriber saw."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.scenarios import Scenario

Numbers = set[tuple[str, int]]  # sender, number
GROWTH_BYTES = 1500  # of memory, for each more publication that is in the history
SLACK_BYTES = 32 << 20


@dataclass
class Result:
    """The figures of one scenario; `MUST_BE_ZERO` names those that decide."""

    title: str
    by_devices: int = 0
    by_talkers: int = 0
    seen_by_all: int = 0
    lost: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    gaps: int = 0
    unexpected: int = 0
    recovered: int = 0
    unrecovered: int = 0
    never_acked: int = 0
    faults: int = 0
    memory_before: int = 0
    memory_after: int = 0
    memory_allowed: int = 0
    seconds: float = 0.0
    stuck: str = ""  # why it did not come to its end
    notes: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """What should not be, in words."""
        found = [f"{getattr(self, name)} {title}" for name, title in MUST_BE_ZERO.items() if getattr(self, name)]
        if self.stuck:
            found.append(f"it did not come to its end: {self.stuck}")
        if self.memory_after > self.memory_allowed:
            found.append(f"{self.memory_after >> 20} MiB afterwards, {self.memory_allowed >> 20} MiB allowed")
        return found


MUST_BE_ZERO = {
    "lost": "acknowledged and lost",
    "duplicates": "seen twice",
    "out_of_order": "out of order",
    "gaps": "gaps between offsets",
    "unexpected": "pushed or refused unexpectedly",
    "unrecovered": "joins not recovered",
    "never_acked": "never acknowledged",
}


def judge(
    result: Result, scenario: Scenario, devices: dict[str, Any], talkers: dict[str, Any], received: dict[str, Any]
) -> None:
    """Fill in `result` from the reports of everybody."""
    published = {**devices, **talkers}
    acked = {(id, n) for id, report in published.items() for n in _acked(report, scenario.setup.forgetful)}
    result.by_talkers = sum(1 for sender, _ in acked if sender in talkers)
    result.by_devices = len(acked) - result.by_talkers
    result.never_acked = sum(len(report["unacked"]) for report in published.values())
    missing = [_missing(report) & acked for report in received.values()]
    by_one, by_all = set[tuple[str, int]]().union(*missing), set.intersection(*missing)
    duplicates = Counter((sender, n) for report in received.values() for sender, n in report["duplicates"])
    result.seen_by_all = len(acked) - len(by_one)
    if scenario.setup.forgetful:
        forgotten = {number for number in by_all if number[0] in devices}
        by_one -= forgotten
        result.notes.append(f"{len(forgotten)} of devices acknowledged by Mosquitto, which forgot them: not counted")
    if scenario.restarts_mosquitto:
        again = {number for number in duplicates if number in _resent(devices)}
        result.notes.append(
            f"{len(_resent(devices))} sent again to Mosquitto after its restart; {len(again)} of them were taken by it "
            f"twice (at least once, as QoS 1 says): not counted"
        )
        for number in again:
            del duplicates[number]
    result.lost, result.duplicates = len(by_one), len(duplicates)
    for name in ("out_of_order", "gaps", "unexpected", "recovered", "unrecovered"):
        setattr(result, name, sum(report[name] for report in received.values()))
    result.details = _details(published, received, by_one, by_all, duplicates)
    _tell_clients(result, devices, talkers)


def _acked(report: dict[str, Any], forgetful: bool) -> set[int]:
    """The numbers that somebody answers for. A broker that forgot who subscribed may say that nobody is there."""
    not_acked = {*report["unacked"], *report.get("refused", ()), *(report.get("unheard", ()) if forgetful else ())}
    return set(range(1, report["made"] + 1)) - not_acked


def _missing(report: dict[str, Any]) -> Numbers:
    ranges = [(sender, *ends) for sender, found in report["missing"].items() for ends in found]
    return {(sender, n) for sender, first, last in ranges for n in range(first, last + 1)}


def _resent(devices: dict[str, Any]) -> Numbers:
    return {(id, n) for id, report in devices.items() for n in report["resent"]}


def _details(
    published: dict[str, Any], received: dict[str, Any], by_one: Numbers, by_all: Numbers, duplicates: Counter[Any]
) -> list[str]:
    found = [f"{id}: {len(_missing(report) & by_one)} missing" for id, report in received.items() if by_one]
    found += [
        f"lost: {sender} {n} ({'by all' if (sender, n) in by_all else 'by some'})" for sender, n in sorted(by_one)[:20]
    ]
    found += [
        f"twice: {sender} {n} by {times} subscribers, resent by its device: {n in published[sender].get('resent', [])}"
        for (sender, n), times in sorted(duplicates.items())[:20]
    ]
    return found + [line for report in received.values() for line in report["details"]][:40]


def _tell_clients(result: Result, devices: dict[str, Any], talkers: dict[str, Any]) -> None:
    """What clients were told meanwhile, for who reads the table."""
    codes: Counter[str] = Counter()
    for report in talkers.values():
        codes.update(report["codes"])
    if codes:
        result.notes.append("refused and said again: " + ", ".join(f"{n} {code}" for code, n in sorted(codes.items())))
    unheard = sum(len(report["unheard"]) for report in devices.values())
    if unheard:
        result.notes.append(f"{unheard} acknowledged with 'no matching subscribers': the service was not there yet")
    refused = sum(len(report["refused"]) for report in devices.values())
    if refused:
        result.never_acked += refused
        result.notes.append(f"{refused} of devices refused for good")

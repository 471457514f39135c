"""Catching up: what a session that joins is told at once, and what it is sent afterwards.

While `join` reads the history, other greenlets may publish. The membership exists by then and holds what they publish;
the two are merged by offset here, so that nothing is lost and nothing comes twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rt_service.core.model import Position, Publication
from rt_service.core.ports import Page


class Recovered(NamedTuple):
    recovered: bool
    publications: list[Publication]


def recover(page: Page, since: Position | None, pushed_after: int | None, most_bytes: int) -> Recovered:
    """What a session missed after `since`, if all of it is still there and no more than `most_bytes`.

    `pushed_after` is set for a session that is a member already: what came after that offset was, or is going to be,
    pushed to it.
    """
    if since is None or not covers(page, since):
        return Recovered(False, [])
    end = page.offset if pushed_after is None else pushed_after
    missed = [p for p in page.publications if p.offset is not None and p.offset <= end]
    if sum(p.size for p in missed) > most_bytes:
        return Recovered(False, [])
    return Recovered(True, missed)


def covers(page: Page, since: Position) -> bool:
    """Whether a page read from `since` holds every publication after it."""
    return since.epoch == page.epoch and page.first - 1 <= since.offset <= page.offset and not page.more


def remaining(held: Iterable[Publication], after: int, latest: Sequence[Publication]) -> list[Publication]:
    """Of what was held, that which comes after the offset that the session is told, and is no value it is told."""
    told = {p.id for p in latest}
    return [p for p in held if (p.offset > after if p.offset is not None else p.id not in told)]


def pushed_until(held: Iterable[Publication], page: Page) -> int:
    """The offset up to which a member was pushed everything before it was made to hold."""
    return min([page.offset, *(p.offset - 1 for p in held if p.offset is not None)])

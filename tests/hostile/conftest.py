from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import pytest

from tests.hostile.siege import LINES, Siege


@pytest.fixture(scope="module")
def siege(request: pytest.FixtureRequest) -> Iterator[Siege]:
    """One service for the attacks of a file, with the file's `SETTINGS`."""
    with Siege(*getattr(request.module, "SETTINGS", ()), **getattr(request.module, "MORE", {})) as running:
        yield running


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the attacks did to others, by theme."""
    if not LINES:
        return
    terminalreporter.section("attacks: /livez, then what an honest user publishes, in milliseconds: p50, p99, worst")
    for theme, lines in groupby(sorted(LINES), key=lambda line: line.theme):
        found = list(lines)
        livez, talk = ([s for line in found for s in getattr(line, what)] for what in ("livez", "talk"))
        worst = max(found, key=lambda line: max(line.livez, default=0))
        shown = f"{theme:24} {len(found):3}  {_shown(livez)}  {_shown(talk)}  {worst.name}"
        terminalreporter.write_line(shown)


def _shown(seconds: list[float]) -> str:
    ordered = sorted(seconds) or [0.0]
    return " ".join(f"{1000 * ordered[min(len(ordered) - 1, int(len(ordered) * q))]:7.1f}" for q in (0.5, 0.99, 1))

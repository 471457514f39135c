"""`python -m tests.chaos`: run the scenarios, print the figures, and fail when one that must be 0 is not."""

from __future__ import annotations

import argparse
import sys

import pytest
from rich.console import Console

from tests.chaos.report import show
from tests.chaos.scenarios import BY_NAME, SCENARIOS
from tests.chaos.trial import Trial
from tests.chaos.verdict import Result
from tests.support.tools import need


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--long", action="store_true", help="ten minutes: 1,000 messages a second (the default)")
    length.add_argument("--short", action="store_true", help="a minute and a half, what CI runs")
    parser.add_argument("--only", action="append", choices=list(BY_NAME), help="a scenario; may be repeated")
    parser.add_argument("--seed", type=int, default=1, help="decides when what breaks (1)")
    arguments = parser.parse_args()
    try:
        need("mosquitto")
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        parser.error(str(missing))
    wide = Console(width=None if sys.stdout.isatty() else 190)
    results: list[Result] = []
    for scenario in SCENARIOS:
        if arguments.only and scenario.name not in arguments.only:
            continue
        wide.print(f"[bold]{scenario.name}[/]: {scenario.title}")
        trial = Trial(
            scenario, not arguments.short, arguments.seed, lambda text: wide.print(f"   {text}", highlight=False)
        )
        results.append(trial.run())
        wrong = "; ".join(results[-1].wrong)
        wide.print("   " + (wrong or "ok"), style="red" if wrong else "green", highlight=False, markup=False)
    show(wide, results)
    wide.print(f"{sum(result.seconds for result in results):.0f} s, seed {arguments.seed}")
    return 1 if any(result.wrong for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())

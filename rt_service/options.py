"""Options that several commands take, and the settings they make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rt_service.settings import SettingsError

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file instead of config/default.toml")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="any setting; repeatable")]
DataDir = Annotated[str | None, typer.Option(help="folder for what is kept on disk (var)")]


def assignments(texts: list[str] | None) -> dict[str, str]:
    """What `--set` says. Raises SettingsError."""
    found = {}
    for text in texts or []:
        name, sign, value = text.partition("=")
        if not sign:
            raise SettingsError(f"--set {text}: write section.key=value")
        found[name.strip()] = value
    return found

"""Options that several commands take, and the settings they make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rt_service.settings import Settings, SettingsError, load

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file instead of config/default.toml")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="any setting; repeatable")]
DataDir = Annotated[str | None, typer.Option(help="folder for what is kept on disk (var)")]


def chosen(config: Path | None, set: list[str] | None, data_dir: str | None = None) -> Settings:
    """The settings that these options make. Raises SettingsError."""
    folder = {} if data_dir is None else {"server.data_dir": data_dir}
    return load(config, overrides={**assignments(set), **folder})


def assignments(texts: list[str] | None) -> dict[str, str]:
    """What `--set` says. Raises SettingsError."""
    found = {}
    for text in texts or []:
        name, sign, value = text.partition("=")
        if not sign:
            raise SettingsError(f"--set {text}: write section.key=value")
        found[name.strip()] = value
    return found

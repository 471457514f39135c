"""rt-service: browsers, game clients and MQTT devices in the same rooms.

`patch` and `create_service` are for who runs it inside an application of their own (docs/extending.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rt_service.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

    from rt_service.application import Application
    from rt_service.settings import Settings

__all__ = ["__version__", "create_service", "patch"]


def patch() -> None:
    """Make blocking calls of the standard library let others run: the first thing that a process does."""
    from rt_service import runtime

    runtime.patch()


def create_service(settings: Settings | Mapping[str, Any] | None = None, app: Flask | None = None) -> Application:
    """The whole service, for `run` or `start`; `app` is served along with it.

    Args:
        settings: `{"section.key": value}` above what the file and the environment say, or complete ones.
        app: your Flask application. Its routes and its errors stay as they are; `/` is yours.

    Raises:
        SettingsError: a setting cannot be used.
        RuntimeError: `patch` was not called.
    """
    from rt_service.application import create

    return create(settings, app)

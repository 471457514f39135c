"""Structured logs: one event name and fields. Payloads are never logged above debug, secrets never."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

TEXT_CHARACTERS = 500  # of one field; more is cut off
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(level: str, form: Literal["auto", "console", "json"]) -> None:
    """Write logs of at least `level` to standard error, coloured when that is a terminal."""
    terminal = sys.stderr.isatty()
    console = form == "console" or (form == "auto" and terminal)
    render: Any = structlog.dev.ConsoleRenderer(colors=terminal, pad_event_to=28)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=not console),
        _cut,
    ]
    if console:
        shared.append(_harmless)
    else:
        shared.append(structlog.processors.format_exc_info)
        render = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: structlog.WriteLogger(Forgiving(sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard library; only what is wrong with them is worth a line here.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s: %(message)s")


def _cut(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What strangers say may be long."""
    for key, value in event.items():
        if isinstance(value, str) and len(value) > TEXT_CHARACTERS:
            event[key] = f"{value[:TEXT_CHARACTERS]}… ({len(value)} characters)"
    return event


def _harmless(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A terminal does what some characters tell it to; JSON escapes them."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[key] = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    return event


class Forgiving:
    """Where log lines go: one that cannot be written, as on a full disk, is lost, and nothing else is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except OSError:
            pass

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            pass


def get(part: str) -> Any:
    """The logger of one part of the house, such as "bridge"."""
    return structlog.get_logger(part=part)


class Seldom:
    """A logger for what strangers can cause: a few lines at once, then one every ten seconds.

    A line says how many were left out before it.
    """

    EVERY_S = 10.0
    BURST = 5

    def __init__(self, logger: Any, clock: Any) -> None:
        self._logger = logger
        self._clock = clock
        self._left = self.BURST
        self._next = 0.0
        self._omitted = 0

    def info(self, event: str, **fields: Any) -> None:
        now = self._clock.monotonic()
        if now >= self._next:
            self._left = max(self._left, 1)
        if self._left <= 0:
            self._omitted += 1
            return
        self._left -= 1
        self._next = now + self.EVERY_S
        if self._omitted:
            fields["omitted"], self._omitted = self._omitted, 0
        self._logger.info(event, **fields)

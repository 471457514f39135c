"""Answers to calls: what a handler returns, or why there is no answer, in words for the caller."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

Handler = Callable[[Any], Any]
log = logging.getLogger("rt_device")


class RtError(Exception):
    """Raised by a handler: the caller is told this code, one of docs/protocol.md, and this message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def encoded(value: Any) -> bytes:
    """`value` as JSON.

    Raises:
        ValueError: it has no JSON, such as NaN or an object of a class.
    """
    try:
        return json.dumps(value, allow_nan=False).encode()
    except TypeError as error:
        raise ValueError(f"that cannot be said as JSON: {error}") from None


class Calls:
    """The methods of one device."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def on(self, method: str, handler: Handler) -> None:
        self._handlers[method] = handler

    def answer(self, method: str, payload: bytes) -> tuple[bool, bytes]:
        """Whether the call succeeded, and what the caller is told. Raises nothing."""
        try:
            return True, encoded(self._outcome(method, payload))
        except RtError as error:
            return False, encoded({"code": str(error.code), "message": str(error)})
        except BaseException:  # a fault of the handler, or a sys.exit(): the log has it, the caller gets no Python
            log.exception("the handler of %s failed", method)
            return False, encoded({"code": "internal", "message": f"{method} failed on the device; its log says why"})

    def _outcome(self, method: str, payload: bytes) -> Any:
        handler = self._handlers.get(method)
        if handler is None:
            raise RtError("not_found", f"no method {method}")
        try:
            data = json.loads(payload) if payload else None
        except ValueError:
            raise RtError("bad_request", f"the data of {method} is no JSON") from None
        return handler(data)

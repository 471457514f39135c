"""Questions that wait for their answer, whatever way the answer comes back."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from rt_service.core import encoding
from rt_service.core.errors import ERRORS, Internal, InvalidData, NotFound, RtError, Timeout, TooManyRequests
from rt_service.core.model import Identity
from rt_service.core.ports import Waiter


class Call(NamedTuple):
    id: str
    callee: Identity
    waiter: Waiter
    caller: Hashable = None

    def answered(self, said: Any) -> None:
        """Take what a callee said: its answer, or `{"error": …}` alone for a failure."""
        failed = isinstance(said, dict) and said.keys() == {"error"}
        self.waiter.resolve(error_of(self.callee, said["error"]) if failed else said)


class Calls:
    """At most `bound` at one time; each ends with an answer, an error or its timeout."""

    def __init__(self, new_waiter: Callable[[], Waiter], bound: int, per_caller: int) -> None:
        self._new_waiter = new_waiter
        self._bound = bound
        self._per_caller = per_caller
        self._by_caller: Counter[Hashable] = Counter()
        self._waiting: dict[str, Call] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def open(self, callee: Identity, caller: Hashable = None) -> Call:
        """Raises TooManyRequests when as many calls wait as may, of all or of this caller."""
        if len(self._waiting) >= self._bound:
            raise TooManyRequests(f"{self._bound} calls are waiting, the most there may be", retry_after_ms=1000)
        if self._by_caller[caller] >= self._per_caller:
            raise TooManyRequests(f"{self._per_caller} calls of yours are waiting", retry_after_ms=1000)
        call = Call(secrets.token_hex(8), callee, self._new_waiter(), caller)
        self._waiting[call.id] = call
        self._by_caller[caller] += 1
        return call

    def wait(self, call: Call, timeout_s: float) -> Any:
        """What the callee answered. Raises Timeout, or the error that it answered."""
        try:
            answer = call.waiter.wait(timeout_s)
        except TimeoutError:
            raise Timeout(f"{call.callee} did not answer within {timeout_s:g} s") from None
        if isinstance(answer, RtError):
            raise answer
        return answer

    def drop(self, call: Call) -> None:
        if self._waiting.pop(call.id, None) is not None:
            self._by_caller[call.caller] -= 1
            if not self._by_caller[call.caller]:
                del self._by_caller[call.caller]

    def answer(self, call_id: str, callee: Identity, data: Any) -> None:
        """Raises NotFound when no such call waits for this callee: too late, repeated, or never asked."""
        self._pending(call_id, callee).waiter.resolve(data)

    def fail(self, call_id: str, callee: Identity, error: RtError) -> None:
        """End a call with an error. Raises NotFound as `answer` does."""
        self._pending(call_id, callee).waiter.resolve(error)

    def _pending(self, call_id: str, callee: Identity) -> Call:
        call = self._waiting.get(call_id)
        if call is None or call.callee != callee:
            raise NotFound(f"no call {call_id!r} waits for {callee}")
        return call


def error_of(callee: Identity, said: Any) -> RtError:
    """What a callee's own error becomes: its `code` if that is one of the contract's, its `message` if it has one."""
    if isinstance(said, dict):
        code, message = said.get("code"), said.get("message", said)
    else:
        code, message = None, said
    kind = ERRORS.get(code, Internal) if isinstance(code, str) else Internal
    return kind(f"{callee} answered with an error: {_text(message)[:500]}")


def _text(said: Any) -> str:
    if isinstance(said, str):
        return said
    try:
        return encoding.dumps(said).decode()
    except InvalidData as error:
        return error.message

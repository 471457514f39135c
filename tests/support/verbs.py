"""What every test client can do with its answers."""

from __future__ import annotations

from typing import Any


class Verbs:
    """For a client with `ask(verb, request)`."""

    def ask(self, verb: str, request: Any = None) -> dict[str, Any]:
        raise NotImplementedError

    def ok(self, verb: str, **request: Any) -> dict[str, Any]:
        answer = self.ask(verb, request)
        assert answer["ok"], answer
        return answer

    def refused(self, verb: str, **request: Any) -> str:
        answer = self.ask(verb, request)
        assert not answer["ok"], answer
        return str(answer["error"]["code"])

"""psycopg under which the loop goes on: it waits through `selectors`, which the runtime has patched, and gives up."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import waiting

CONNECT_S = 2


def connect(answer_s: float, *args: Any, **more: Any) -> psycopg.Connection[Any]:
    """A connection that is closed when the server does not answer within `answer_s` seconds. Raises psycopg.Error."""
    connection = Connection.connect(*args, **{"connect_timeout": CONNECT_S, **more})
    connection.answer_s = answer_s
    return connection


class Connection(psycopg.Connection[Any]):
    answer_s = 0.0

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """What psycopg calls for everything it asks; its own choice would stop the loop."""
        try:
            return waiting.wait_selector(gen, self.pgconn.socket, interval, timeout or self.answer_s)
        except psycopg.errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {self.answer_s:g} s") from None

"""What belongs to the process rather than to the service: the garbage collector and how many files may be open."""

from __future__ import annotations

import gc
from collections.abc import Callable

from rt_service import log, runtime

# A full collection stops everything for as long as it takes to visit every object. What start-up made is never garbage;
# of the rest young objects are looked at seldom, and old ones only while nothing is going on.
_YOUNG = 20_000
_MIDDLE = 10
_OLD = 1_000_000
CHECK_S = 5.0
PUT_OFF_MOST = 60  # checks; a service that never rests is stopped for a moment every five minutes


def open_files() -> None:
    """Allow as many connections as the system lets us have."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        log.get("tuning").info("open_files_raised", was=soft, now=hard)


class GarbageCollector:
    """Looks at everything when nothing is going on; `done()` counts what the service does."""

    def __init__(self, done: Callable[[], float]) -> None:
        self._done = done
        self._seen = 0.0
        self._put_off = 0
        self._timer: runtime.Timer | None = None

    def start(self) -> None:
        """Everything is built: what is here now stays."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
        self._timer = runtime.every(CHECK_S, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()

    def _look(self) -> None:
        seen, self._seen = self._seen, self._done()
        self._put_off += 1
        something = any(gc.get_count()[1:])  # young objects were looked at since
        if something and (self._seen == seen or self._put_off >= PUT_OFF_MOST):
            gc.collect()
            self._put_off = 0

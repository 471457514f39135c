"""What belongs to the process rather than to the service: the garbage collector, memory, how many files may be open."""

from __future__ import annotations

import ctypes
import gc
import mmap
import sys
from collections.abc import Callable
from pathlib import Path

from rt_service import log, runtime

# A full collection stops everything for as long as it takes to visit every object. What start-up made is never garbage;
# of the rest young objects are looked at seldom, and old ones only while nothing is going on.
_YOUNG = 20_000
_MIDDLE = 10
_OLD = 1_000_000
CHECK_S = 5.0
_M_MMAP_THRESHOLD = -3  # of glibc's mallopt(3)
_LARGE = 128 * 1024  # bytes; what is at least as large is given back as soon as it is free
_GROWN_SHARE, _GROWN_BYTES = 1.1, 16 << 20  # more than before: see whether some of it is free
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


class Memory:
    """Gives back to the system what is free. After a flood glibc keeps it, in pieces between what is still in use."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._trim: Callable[[int], int] | None = getattr(libc, "malloc_trim", None)  # only glibc has it
        if self._trim is not None:
            libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)  # type: ignore[union-attr]
            self._least = resident()

    def check(self) -> None:
        """Where more is in use than was once enough, give back what is free."""
        if self._trim is None:
            return
        if resident() > self._least * _GROWN_SHARE + _GROWN_BYTES:
            runtime.offload(self._trim, 0)
        self._least = min(self._least, resident())


def resident() -> int:
    """Bytes of memory that this process uses. Linux only."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


class GarbageCollector:
    """Looks at everything when nothing is going on; `done()` counts what the service does."""

    def __init__(self, done: Callable[[], float]) -> None:
        self._done = done
        self._seen = 0.0
        self._put_off = 0
        self._memory: Memory | None = None
        self._timer: runtime.Timer | None = None

    def start(self) -> None:
        """Everything is built: what is here now stays."""
        self._memory = Memory()
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
        if self._memory is not None:
            self._memory.check()

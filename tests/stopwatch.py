"""Time that goes by, but for what other processes take of it: a promise is about us, not about who else is running."""

from __future__ import annotations

import os
import time

from .processes import descendants, said_of_threads


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._starved = _starved()
        self._begun = time.monotonic()

    def seconds(self) -> float:
        """Those that have gone by, without those in which a thread of ours was ready and had no processor."""
        gone_by = time.monotonic() - self._begun
        return max(0.0, gone_by - max(0.0, _starved() - self._starved))


def _starved() -> float:
    """Seconds for which the threads of this process, and of those it has started, have waited for a processor."""
    processes = (os.getpid(), *descendants(os.getpid()))
    waited = (int(said.split()[1]) for pid in processes for said in said_of_threads(pid, "schedstat"))
    return sum(waited) / 1e9

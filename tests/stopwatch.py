"""Time that goes by, but for what other processes take of it: a promise is about us, not about who else is running."""

from __future__ import annotations

import os
import time
from pathlib import Path


class Stopwatch:
    """Runs from when it is made."""

    def __init__(self) -> None:
        self._starved = _starved()
        self._begun = time.monotonic()

    def seconds(self) -> float:
        """Those that have gone by, without those in which a thread of ours was ready and had no processor."""
        gone_by = time.monotonic() - self._begun
        return max(0.0, gone_by - max(0.0, _starved() - self._starved))


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, on any of its threads, and those that they have started."""
    children = []
    for entry in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(child) for child in entry.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass  # the thread is gone
    return children + [one for child in children for one in descendants(child)]


def _starved() -> float:
    """Seconds for which the threads of this process, and of those it has started, have waited for a processor."""
    waited = 0
    for pid in (os.getpid(), *descendants(os.getpid())):
        for entry in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                waited += int(entry.read_text().split()[1])
            except (FileNotFoundError, ProcessLookupError):
                pass  # the thread is gone
    return waited / 1e9

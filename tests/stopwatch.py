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
    children = [int(child) for said in _said_of_threads(pid, "children") for child in said.split()]
    return children + [one for child in children for one in descendants(child)]


def _starved() -> float:
    """Seconds for which the threads of this process, and of those it has started, have waited for a processor."""
    processes = (os.getpid(), *descendants(os.getpid()))
    waited = (int(said.split()[1]) for pid in processes for said in _said_of_threads(pid, "schedstat"))
    return sum(waited) / 1e9


def _said_of_threads(pid: int, name: str) -> list[str]:
    """What the kernel says of each thread of a process, but for those that are gone."""
    found = []
    task = f"/proc/{pid}/task"
    try:
        threads = os.listdir(task)
    except (FileNotFoundError, ProcessLookupError):
        return []
    for thread in threads:
        try:
            found.append(Path(task, thread, name).read_text())
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found

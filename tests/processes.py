"""What the kernel says of other processes, any of which may be gone at any time."""

from __future__ import annotations

import os
import time
from pathlib import Path


def said_of(pid: int, name: str) -> str:
    """One of the files about a process; nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def said_of_threads(pid: int, name: str) -> list[str]:
    """What is said of each thread of a process, but for those that are gone."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [said for thread in threads if (said := said_of(pid, f"task/{thread}/{name}"))]


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, on any of its threads, and those that they have started."""
    children = [int(child) for said in said_of_threads(pid, "children") for child in said.split()]
    return children + [one for child in children for one in descendants(child)]


def parent_of(pid: int) -> int | None:
    """The process that has started another one; None where that is gone."""
    fields = said_of(pid, "stat").rpartition(")")[2].split()
    return int(fields[1]) if fields else None


def command_of(pid: int) -> str:
    """What a process was started with; nothing where it is gone."""
    return said_of(pid, "cmdline")


def memory_of(pid: int) -> int:
    """Bytes of memory that a process has for itself; 0 where it is gone."""
    fields = said_of(pid, "statm").split()
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def cpu_time_of(pid: int) -> float:
    """Seconds for which a process has run; 0 where it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) has it
    except OSError:
        return 0.0


def delay_of(pid: int) -> float:
    """Seconds for which a process's main thread was ready and had no processor; 0 where it is gone."""
    fields = said_of(pid, "schedstat").split()
    return int(fields[1]) / 1e9 if fields else 0.0

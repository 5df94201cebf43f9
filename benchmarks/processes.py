"""What the kernel says that a process uses. All raise OSError where it has ended, unless they say otherwise."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def of_session(leader: int) -> Iterator[int]:
    """The processes of a session, by its leader."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(int(entry.name)) == leader:
                    yield int(entry.name)


def resident(pid: int) -> int:
    """The bytes of memory that it has in use; none while it ends."""
    return _memory(pid, "VmRSS")


def peak(pid: int) -> int:
    """The most bytes of memory that it has had in use, since `reset_peak`."""
    return _memory(pid, "VmHWM")


def reset_peak(pid: int) -> None:
    """Begin a new measurement of the peak."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def threads(pid: int) -> int:
    """How many threads it has."""
    return len(os.listdir(f"/proc/{pid}/task"))


def descriptors(pid: int) -> int:
    """How many descriptors it has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def watches(pid: int) -> int:
    """How many inotify watches it holds."""
    count = 0
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            count += entry.read_text().count("inotify wd:")
    return count


def cpu_seconds(pid: int) -> float:
    """Its CPU seconds, and those of its children that have ended; none where it has ended itself.

    By its own clock (clock_getcpuclockid(3)), to the nanosecond: the usual accounts are samples, a hundred a second.
    """
    try:
        own = time.clock_gettime((~pid << 3) | 2)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return own + sum(map(int, fields[13:15])) / _TICKS


def _memory(pid: int, key: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{key}:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0

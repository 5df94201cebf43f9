"""What this process has, as the kernel and Python know it, and whether something of it is left behind."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

WITHIN = 5.0  # seconds that what ends has to be gone

_PROCESSES = Path("/proc")
_OWN_DESCRIPTORS = Path("/dev/fd")  # where there is no /proc


@contextlib.contextmanager
def nothing_left(within: float = WITHIN) -> Iterator[None]:
    """Check that no thread, descriptor or inotify watch of this process is left that was not there before.

    `with nothing_left(): …`; what is about to end has `within` seconds for it. Raises AssertionError, which says what
    is left, unless what is inside has raised by itself.
    """
    threads, descriptors, watches = set(threading.enumerate()), _descriptors(), count_watches()
    yield
    deadline = time.monotonic() + within
    while True:
        left = [f"the thread {thread.name!r}" for thread in threading.enumerate() if thread not in threads]
        left += [f"the descriptor of {target}" for target in (_descriptors() - descriptors).elements()]
        more = count_watches() - watches
        left += [f"{more} inotify watches"] if more > 0 else []
        if not left:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"something is left behind: {', '.join(left)}")
        gc.collect()  # what an error has held that is over
        time.sleep(0.01)


def count_descriptors(pid: int | str = "self") -> int:
    """How many descriptors a process of this machine has open."""
    return len(os.listdir(_PROCESSES / str(pid) / "fd"))


def count_watches(pid: int | str = "self") -> int:
    """How many inotify watches a process of this machine holds; 0 where the kernel has none."""
    count = 0
    folder = _PROCESSES / str(pid) / "fdinfo"
    for entry in folder.iterdir() if folder.exists() else ():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            count += entry.read_text().count("inotify wd:")
    return count


def _descriptors() -> Counter[str]:
    """What this process has open: the kernel's names, or else numbers."""
    folder = _PROCESSES / "self/fd"
    if not folder.exists():
        return Counter(f"number {name}" for name in os.listdir(_OWN_DESCRIPTORS))
    found: Counter[str] = Counter()
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # such as that by which they were listed
            found[os.readlink(folder / name)] += 1
    return found

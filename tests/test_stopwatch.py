"""Tests of the stopwatch by which the tests hold a promise of time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from .processes import descendants
from .serving import wait_until
from .stopwatch import Stopwatch

_READY = "print(flush=True)"
_SPIN = f"{_READY}\nwhile True: pass"
_SLEEP = f"import time; {_READY}; time.sleep(600)"


@contextlib.contextmanager
def children(code: str, count: int = 1) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes of ours, once they have said that they are ready; they are ended."""
    with contextlib.ExitStack() as stack:
        started = []
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE))
            stack.callback(process.kill)
            started.append(process)
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        yield started


def test_time_in_which_nobody_wants_a_processor_counts() -> None:
    """It runs while we sleep, and wait for those who do."""
    with children(_SLEEP):
        watch = Stopwatch()
        begun = time.monotonic()
        time.sleep(1)
        assert watch.seconds() <= time.monotonic() - begun + 0.1
        assert watch.seconds() > 0.2


def test_time_in_which_we_have_no_processor_does_not_count() -> None:
    """Nor that in which only what we have started has none."""
    watch = Stopwatch()
    begun = time.monotonic()
    with children(_SPIN, 3 * (os.cpu_count() or 1)):
        wait_until(lambda: time.monotonic() - begun > 0.3 and watch.seconds() < (time.monotonic() - begun) / 2)


def test_what_our_children_have_started_is_ours() -> None:
    """However deep it is, and on whichever thread it was started."""
    code = f"""
import subprocess, sys, threading
threading.Thread(target=lambda: subprocess.run([sys.executable, "-c", {_SLEEP!r}])).start()
"""
    with children(code) as [child]:
        wait_until(lambda: len(descendants(child.pid)) == 1)
        assert set(descendants(os.getpid())) >= {child.pid, *descendants(child.pid)}
        for grandchild in descendants(child.pid):
            os.kill(grandchild, 9)
        child.wait(10)
        assert descendants(child.pid) == []

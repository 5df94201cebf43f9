"""Tests of what the allocator keeps."""

import ctypes
import subprocess
import sys

import pytest

from logstream.server.malloc import set_up_malloc

CROWD = """
import ctypes, threading
from logstream.server.malloc import set_up_malloc
{setting}
together = threading.Barrier(12)
def work():
    held = [bytes(3_000_000), bytes(1000)]
    together.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.parametrize(("setting", "few"), [("assert set_up_malloc()", True), ("", False)])
def test_a_crowd_of_threads_shares_two_pools(setting: str, few: bool) -> None:
    """However many threads come and go, there are two pools of memory; without the setting there are many."""
    ran = subprocess.run(
        [sys.executable, "-c", CROWD.format(setting=setting)], capture_output=True, text=True, check=True, timeout=20
    )
    assert (ran.stderr.count("Arena") <= 2) == few


def test_another_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """musl's, say, has no such settings; nor has one that cannot be asked."""
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not set_up_malloc()

    def refuse(name: object) -> object:
        raise OSError("no library")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    assert not set_up_malloc()

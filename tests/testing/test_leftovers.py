"""Tests of the check that nothing is left behind."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import inotify_add_watch, inotify_init

from logstream.testing import nothing_left


def test_what_is_left_is_named(tmp_path: Path) -> None:
    """A thread by its name, a descriptor by its file, watches by number; what was there before counts for nothing."""
    ending = threading.Event()
    with (tmp_path / "before").open("w"):
        with pytest.raises(AssertionError) as caught, nothing_left(within=0.1):
            thread = threading.Thread(target=ending.wait, name="forgotten")
            thread.start()
            file = (tmp_path / "open").open("w")
            inotify = inotify_init()
            inotify_add_watch(inotify, bytes(tmp_path), 2)
        assert "the thread 'forgotten'" in str(caught.value)
        assert f"the descriptor of {tmp_path}/open" in str(caught.value)
        assert "1 inotify watches" in str(caught.value)
        assert "before" not in str(caught.value)
    with nothing_left():
        file.close()
        os.close(inotify)
        ending.set()
    thread.join()


def test_what_is_about_to_end_has_its_time() -> None:
    """A thread that ends by itself is nothing that is left."""
    with nothing_left():
        threading.Timer(0.2, lambda: None).start()

"""Tests of the server's own place on the disk."""

import errno
import os
import time
from pathlib import Path

import pytest

from logstream.engine.state import StateDirectory, StateError


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """A place that is not there yet."""
    return StateDirectory(str(tmp_path / "state"))


def test_a_place_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    """Whatever the system says, it is said on."""
    with pytest.raises(OSError) as raised, StateDirectory(str(tmp_path / ("x" * 300))).opened():
        pass
    assert raised.value.errno == errno.ENAMETOOLONG


def test_what_is_no_file_is_not_read(state: StateDirectory) -> None:
    """A pipe in a file's place is refused, and does not block."""
    state.write("a", b"text")
    os.mkfifo(os.path.join(state.path, "pipe"))
    found = state.read("a")
    assert found is not None
    assert found[0] == b"text"
    with pytest.raises(StateError, match="not the server's own"):
        state.read("pipe")


def test_a_disk_that_is_full_leaves_the_old_file(state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that takes only a part is an error, and nothing is left of it."""
    state.write("a", b"old")
    write = os.write
    with monkeypatch.context() as patch, pytest.raises(OSError) as raised:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:1]))
        state.write("a", b"new text")
    assert raised.value.errno == errno.ENOSPC
    assert os.listdir(state.path) == ["a"]
    assert Path(state.path, "a").read_bytes() == b"old"


def test_what_was_left_unfinished_is_taken_away_in_the_end(state: StateDirectory) -> None:
    """It is never among the names, and only what is older than an hour is nobody's any more."""
    assert list(state.names()) == []
    for name in ("a", ".unfinished-1-0", ".unfinished-2-0"):
        state.write(name, b"text")
    os.utime(os.path.join(state.path, ".unfinished-1-0"), (time.time() - 3700,) * 2)
    assert list(state.names()) == ["a"]
    assert sorted(os.listdir(state.path)) == [".unfinished-2-0", "a"]

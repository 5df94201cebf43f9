"""Tests of what logs tell."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logstream.tmux.logs import Logs


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    """The logs of a directory."""
    return Logs(str(tmp_path), ".out")


def test_a_state_tells_whether_something_was_written(tmp_path: Path, logs: Logs) -> None:
    """Appended, made shorter, replaced; links and missing files have none."""
    path = tmp_path / "größer.out"
    path.write_text("text")
    first = logs.state("größer")
    assert first is not None
    assert logs.state("größer") == first
    with path.open("a") as file:
        file.write("more")
    longer = logs.state("größer")
    assert longer is not None
    assert first.is_continued_by(longer)
    assert not longer.is_continued_by(first)
    path.rename(tmp_path / "old")
    path.write_text("text and more")
    replaced = logs.state("größer")
    assert replaced is not None
    assert not longer.is_continued_by(replaced)
    (tmp_path / "link.out").symlink_to(path)
    for name in ("missing", "link", "x" * 300, "a\0b", "\udcff"):
        assert logs.state(name) is None


def test_rivals_are_the_logs_that_tmux_calls_alike(tmp_path: Path, logs: Logs) -> None:
    """As the directory has them now, and whatever the age of its last change is."""
    for name in ("a.b", "a_b", "a:b", "a", "b", "x#,y", "x,y", "none"):
        (tmp_path / f"{name}.out").touch()
    (tmp_path / "a_b.txt").touch()
    assert logs.rivals("a.b") == {"a_b", "a:b"}
    assert logs.rivals("a_b") == {"a.b", "a:b"}
    assert logs.rivals("x#,y") == {"x,y"}
    assert logs.rivals("a") == logs.rivals("missing") == set()
    (tmp_path / "a:b.out").unlink()
    assert logs.rivals("a.b") == {"a_b"}
    os.utime(tmp_path, (1, 1))
    assert logs.rivals("a.b") == {"a_b"}
    (tmp_path / "a:b.out").touch()
    assert logs.rivals("a.b") == {"a_b", "a:b"}
    assert Logs(str(tmp_path / "none"), ".out").rivals("a_b") == set()


def test_within_a_look_the_directory_is_read_once(tmp_path: Path) -> None:
    """However many sessions are looked for in it, also where it has just changed; the next look has what is new."""
    logs = Logs(str(tmp_path), ".out")
    (tmp_path / "a.b.out").touch()
    with logs.listed_once():
        (tmp_path / "a:b.out").touch()
        assert logs.called("a_b") == {"a.b"}
        assert logs.rivals("a_b") == {"a.b"}
    with logs.listed_once():
        assert logs.called("a_b") == {"a.b", "a:b"}
        assert logs.called("other") == set()

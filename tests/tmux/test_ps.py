"""Tests of what is known of processes where there is no /proc, and no word of their end."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from logstream.tmux import processes, ps
from logstream.tmux.processes import (
    Process,
    await_end,
    have_open_for_writing,
    make_bell,
    name_file,
    open_for_writing,
    with_descendants,
)
from logstream.tmux.server import Answer, Session
from logstream.tmux.sightings import Sightings

from ..serving import wait_until
from .tmuxserver import needs_ps

pytestmark = needs_ps


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that is not Linux."""
    monkeypatch.setattr(processes, "_has_proc", lambda: False)
    monkeypatch.delattr(os, "pidfd_open", raising=False)


def test_a_process_its_children_and_its_end_are_known_by_ps() -> None:
    """It is known by its name and its start, which may be told a second otherwise; and is gone when it has ended."""
    with subprocess.Popen(["sh", "-c", "sleep 60 & exec sleep 61 # a.b.out"]) as process:
        try:
            wait_until(lambda: Process.find(process.pid, "sleep").started is not None)
            found = Process.find(process.pid, "sleep")
            assert found.started is not None
            assert not found.is_gone()
            assert not Process(found.pid, found.started - 1).is_gone()
            assert Process(found.pid, found.started - 5).is_gone()
            assert Process.find(process.pid, "tmux").started is None
            (child,) = with_descendants([process.pid]) - {process.pid}
            assert name_file([process.pid, child], "61")
            assert not name_file([process.pid, child], "6")
        finally:
            for pid in with_descendants([process.pid]):
                os.kill(pid, 9)
        wait_until(found.is_gone)  # its parent has not asked for it yet
        process.wait()
        assert found.is_gone()


def test_what_ps_does_not_say_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `ps`, with another one, or with one that hangs, nothing is known."""
    process = Process.find(os.getpid(), "")
    assert process.started is not None
    for said in ("?\n", "S Mon Nov 30 09:36 2026 tmux\n"):
        monkeypatch.setattr(ps, "_run", lambda *_, said=said: said)
        assert not process.is_gone()
    monkeypatch.undo()
    monkeypatch.setattr(processes, "_has_proc", lambda: False)
    monkeypatch.setenv("PATH", "/nowhere")
    assert not process.is_gone()
    assert with_descendants([1]) == {1}
    monkeypatch.undo()
    monkeypatch.setattr(ps, "_TIMEOUT", 0.0001)
    with pytest.raises(OSError, match="ps has said nothing"):
        ps.stat(os.getpid())


@pytest.mark.skipif(shutil.which("lsof") is None, reason="needs lsof: apt-get install lsof")
def test_who_writes_is_known_by_lsof(tmp_path: Path) -> None:
    """As far as the file is open for writing, and not only for reading."""
    written, read = tmp_path / "a.out", tmp_path / "b.out"
    read.touch()
    with written.open("a"), read.open():
        assert have_open_for_writing([os.getpid()], written.stat())
        assert not have_open_for_writing([os.getpid()], read.stat())
        assert not have_open_for_writing([], written.stat())
        assert open_for_writing({str(written), str(read)}) == {str(written)}
    assert not have_open_for_writing([os.getpid()], written.stat())


def test_an_end_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until one of the processes ends, or the bell rings."""
    monkeypatch.setattr(processes, "_LOOK", 0.05)
    heard, bell = make_bell()
    try:
        process = subprocess.Popen(["sleep", "60"])
        waiting = threading.Thread(target=await_end, args=([process.pid, 1], heard))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        process.kill()
        process.wait()
        waiting.join(5)
        assert not waiting.is_alive()
        assert not await_end([process.pid], heard)
        os.write(bell, b"!")
        assert await_end([os.getpid()], heard)
    finally:
        os.close(heard)
        os.close(bell)


def test_a_server_whose_start_is_told_otherwise_is_the_same() -> None:
    """Its sessions are not over for that."""
    session = Session("$0", "a", 0, {"%0": 1})
    sightings = Sightings()
    sightings.note(["a"], Answer(Process(5, 1000), {"$0": session}))
    again = Answer(Process(5, 1001), {"$0": session})
    assert sightings.note(["a"], again) == []
    assert sightings.take_over(again) == []
    assert sightings.take_over(Answer(Process(5, 1001), {})) != []

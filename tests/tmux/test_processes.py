"""Tests of what the kernel tells of processes."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from logstream.tmux import processes
from logstream.tmux.processes import (
    Process,
    await_end,
    have_open_for_writing,
    name_file,
    with_descendants,
)

from ..serving import count_descriptors, wait_until


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps."""
    with subprocess.Popen(["sleep", "60"]) as process:
        wait_until(lambda: Process.find(process.pid, "sleep").started is not None)
        yield process
        process.kill()


def test_a_process_is_gone_when_it_has_ended(sleeper: subprocess.Popen[bytes]) -> None:
    """Also while its parent has not asked for it, as in a container without an init."""
    process = Process.find(sleeper.pid, "sleep")
    assert not process.is_gone()
    sleeper.kill()
    wait_until(process.is_gone)
    assert Path(f"/proc/{sleeper.pid}/stat").read_text().split()[2] == "Z"
    sleeper.wait()
    assert process.is_gone()


@pytest.mark.linux
def test_a_number_that_was_used_again_is_another_process(sleeper: subprocess.Popen[bytes]) -> None:
    """What tells is when it began."""
    process = Process.find(sleeper.pid, "sleep")
    assert process.started is not None
    assert Process(process.pid, process.started - 1).is_gone()


def test_of_what_is_not_seen_nothing_is_known(sleeper: subprocess.Popen[bytes]) -> None:
    """A process in another container, whose number is nobody's here, or somebody else's."""
    assert Process.find(sleeper.pid, "tmux") == Process(sleeper.pid, None)
    sleeper.kill()
    sleeper.wait()
    unseen = Process.find(sleeper.pid, "sleep")
    assert unseen.started is None
    assert not unseen.is_gone()


def test_no_answer_of_the_kernel_is_no_end(sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a descriptor to be had nothing is known."""
    process = Process.find(sleeper.pid, "sleep")

    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("builtins.open", refuse)
    assert not process.is_gone()


def test_what_a_process_and_its_children_write(tmp_path: Path) -> None:
    """An open file counts if it can be written to; a name on a command line, if it is a whole one."""
    written, read = tmp_path / "a.b.out", tmp_path / "a_b.out"
    written.touch()
    read.touch()
    command = f"(sleep 60 >> {written} < {read}; true); true # x{read.name} {read.name}.gz"
    with subprocess.Popen(["sh", "-c", command]) as process:
        try:
            wait_until(lambda: have_open_for_writing(with_descendants([process.pid]), written.stat()))
            pids = with_descendants([process.pid])
            assert process.pid in pids
            assert len(pids) >= 2
            assert not have_open_for_writing(pids, read.stat())
            assert not have_open_for_writing([process.pid], written.stat())
            assert name_file(pids, written.name)
            assert not name_file(pids, "b.out")
            assert not name_file(pids, read.name[1:])
            assert name_file([process.pid], read.name)  # in the shell's line, which reads it
        finally:
            for pid in with_descendants([process.pid]):
                with contextlib.suppress(ProcessLookupError):  # it has ended with the one before
                    os.kill(pid, 9)


@pytest.mark.linux
def test_an_end_is_awaited(sleeper: subprocess.Popen[bytes]) -> None:
    """Until one of the processes ends, or the bell rings; nothing is left open, and nothing is awaited in vain."""
    bell = os.eventfd(0)
    try:
        descriptors = count_descriptors()
        others = [os.getpid(), os.getppid()]
        for rings in (True, False):
            waiting = threading.Thread(target=await_end, args=([sleeper.pid, *others], bell))
            waiting.start()
            waiting.join(0.1)
            assert waiting.is_alive()
            if rings:
                os.eventfd_write(bell, 1)
            else:
                sleeper.kill()
            waiting.join(5)
            assert not waiting.is_alive()
            if rings:
                os.eventfd_read(bell)
        sleeper.wait()
        assert not await_end([sleeper.pid], bell)
        assert not await_end([], bell)
        assert count_descriptors() == descriptors
    finally:
        os.close(bell)


@pytest.mark.linux
def test_a_process_that_is_named_twice_is_looked_at_once(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where two panes have one, or a pane has another's child."""
    asked: list[int] = []
    children = processes._children
    monkeypatch.setattr(processes, "_children", lambda pid: asked.append(pid) or children(pid))
    assert with_descendants([sleeper.pid, sleeper.pid]) == {sleeper.pid}
    assert asked == [sleeper.pid]


@pytest.mark.linux
def test_where_the_kernel_cannot_tell_of_an_end_nothing_is_waited_for(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without descriptors, or in an old kernel."""

    def refuse(pid: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert not await_end([sleeper.pid], -1)


def test_a_descriptor_that_is_closed_meanwhile_is_nobody_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are looked at all the same."""
    entries = processes._entries
    monkeypatch.setattr(processes, "_entries", lambda directory: ["999999", *entries(directory)])
    with (tmp_path / "a.out").open("w") as file:
        assert have_open_for_writing([os.getpid()], os.stat(file.fileno()))
    assert not have_open_for_writing([os.getpid()], (tmp_path / "a.out").stat())

"""Tests of the sweep: what nothing tells of is found in time, and what is told of costs little."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyEvent, Mask, WatchDescriptor

from logstream.engine import inotify, sweep, watching
from logstream.engine.logfile import LogFile
from logstream.engine.watcher import Watcher

from ..serving import count_descriptors, wait_until
from ..surroundings import may_administer
from .test_watcher import Recorder, append, follow

PROMISED = 0.5  # seconds in which a missed event is found


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The directory of the files, on a file system that only this machine writes to."""
    path = tmp_path / "sessions"
    path.mkdir()
    if not sweep.is_told_of(Recorder(tmp_path / "probe").file, str(tmp_path)):
        pytest.skip("this file system is not one that only this machine writes to")
    return path


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    """A watcher with inotify."""
    watcher = Watcher("inotify")
    yield watcher
    watcher.close()


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the kernel's events lost."""
    read = inotify.Inotify._read_event_buffer
    monkeypatch.setattr(inotify.Inotify, "_read_event_buffer", lambda self, size: read(self, size)[:0])


def live(watcher: Watcher) -> watching.Watching:
    """The watcher's threads."""
    assert watcher._watching is not None
    return watcher._watching


def write_by_memory(path: Path) -> None:
    """Change a byte of a file without a call that inotify would tell of."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0] ^= 1


def put_over(path: Path) -> None:
    """Put another file in a file's place."""
    path.with_name("new").write_text("other")
    path.with_name("new").rename(path)


def change_directory(path: Path) -> None:
    """Put another directory, with such a file, in a directory's place."""
    path.parent.rename(path.parent.with_name("old"))
    path.parent.mkdir()
    path.write_text("other")


CHANGES: list[Callable[[Path], object]] = [
    lambda path: append(str(path)),
    write_by_memory,
    lambda path: os.utime(path, (1, 1)),
    lambda path: os.truncate(path, 1),
    put_over,
    lambda path: path.rename(path.with_name("aside")),
    lambda path: path.write_text("back"),
    lambda path: path.unlink(),
    lambda path: path.write_text("back"),
    change_directory,
    lambda path: append(str(path)),
    lambda path: shutil.rmtree(path.parent),
]


def test_what_the_kernel_fails_to_tell_is_found_in_time(watcher: Watcher, directory: Path, deaf: None) -> None:
    """Whatever is done to a file that inotify watches, and to its name and directory, with all events lost."""
    follower = Recorder(directory / "a.out")
    append(follower.path, "text")
    follower.look()
    for change in CHANGES:
        if os.path.exists(follower.path):
            follow(watcher, follower, LogFile.open(follower.path))
            assert follower in live(watcher)._told()
        woken = follower.woken
        change(Path(follower.path))
        wait_until(lambda woken=woken: follower.woken > woken, PROMISED)


def test_what_is_mounted_over_a_log_is_found_in_time(
    watcher: Watcher, directory: Path, deaf: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its file nor its directory tells of that."""
    if not may_administer():
        pytest.skip("may not mount")
    looks = []
    look = sweep.Surroundings.look
    monkeypatch.setattr(sweep.Surroundings, "look", lambda *given: (look(*given), looks.append(given))[0])
    follower = Recorder(directory / "a.out")
    other = directory / "other"
    other.write_text("other")
    follow(watcher, follower, follower.file)
    wait_until(lambda: len(looks) > 2)  # so that nothing is in question any more
    subprocess.run(["mount", "--bind", other, follower.path], check=True)
    try:
        wait_until(lambda: follower.woken, PROMISED)
    finally:
        subprocess.run(["umount", follower.path], check=True)


def test_quiet_files_that_are_told_of_are_not_looked_at_by_their_paths(
    watcher: Watcher, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round asks each of them by its descriptor, and their directory once; one that is written to, costs itself."""
    monkeypatch.setattr(watching, "TOLD_INTERVAL", 0.01)
    looked: list[str] = []
    lstat = os.lstat
    monkeypatch.setattr(sweep.os, "lstat", lambda path: (looked.append(path), lstat(path))[1])
    followers = [Recorder(directory / f"{number}.out") for number in range(30)]
    for follower in followers:
        follow(watcher, follower, follower.file)
    woken = [follower.woken for follower in followers]
    asked: list[str] = []
    stat = os.stat
    monkeypatch.setattr(sweep.os, "stat", lambda path, **rest: (asked.append(path), stat(path, **rest))[1])

    def goes_on(rounds: int) -> None:
        before = asked.count(str(directory))
        wait_until(lambda: asked.count(str(directory)) > before + rounds)

    wait_until(lambda: live(watcher)._all is False and (looked.clear(), goes_on(5), looked == [])[2])
    append(followers[7].path)
    wait_until(lambda: followers[7].woken)
    goes_on(5)
    assert set(looked) <= {followers[7].path}
    assert [follower.woken - before for follower, before in zip(followers, woken, strict=True)].count(0) == 29


def test_when_events_are_lost_all_is_looked_at_at_once(
    watcher: Watcher, directory: Path, deaf: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel tells that its queue has overflowed, and no round is waited for."""
    monkeypatch.setattr(watching, "SWEEP_INTERVAL", 3600.0)
    monkeypatch.setattr(watching, "TOLD_INTERVAL", 3600.0)
    monkeypatch.setattr(watching, "_SLICE", 2)
    monkeypatch.setattr(watching, "_TOLD_SLICE", 2)
    followers = [Recorder(directory / f"{number}.out") for number in range(12)]
    for follower in followers:
        follow(watcher, follower, follower.file if follower is not followers[0] else None)
    running = live(watcher)
    emitter = running._observer.emitter  # type: ignore[union-attr]
    for again in (1, 2):
        for follower in followers:
            append(follower.path)
        emitter.handle_event(InotifyEvent(WatchDescriptor(-1), Mask(0x4000), 0, b""))
        wait_until(lambda again=again: all(follower.woken == again for follower in followers))


@pytest.mark.parametrize("has_fstat", [True, False])
def test_a_glance_sees_all_that_a_look_at_each_file_sees(directory: Path, has_fstat: bool) -> None:
    """Whatever is done to the files, and whether or not their followers look at them, or forget what they have seen."""
    dice = random.Random(0)
    followers = [Recorder(directory / f"{number}.out") for number in range(5)]
    files = [follower.file for follower in followers]
    glance = sweep.Glance([(one, file, str(directory)) for one, file in zip(followers, files, strict=True)])
    if not has_fstat:
        glance._fstat = None
    steps: list[Callable[[Recorder], object]] = [
        lambda one: append(one.path),
        lambda one: os.utime(one.path, (1, dice.randrange(3))),
        lambda one: os.truncate(one.path, 0),
        Recorder.look,
        Recorder.look,
        lambda one: setattr(one, "seen", None),
        lambda one: None,
    ]
    answers = set()
    for _ in range(500):
        dice.choice(steps)(dice.choice(followers))
        answer = glance.are_as_seen()
        assert answer == sweep.are_as_seen(followers, files)
        answers.add(sum(answer))
    assert answers == set(range(6))
    assert sweep.Glance([]).are_as_seen() == []


def test_a_deleted_file_is_let_go(watcher: Watcher, directory: Path) -> None:
    """The sweep does not keep its space taken, when nobody else has it open."""
    follower = Recorder(directory / "a.out")
    follow(watcher, follower, follower.file)
    before = count_descriptors()
    del follower.file
    assert count_descriptors() == before
    Path(follower.path).unlink()
    wait_until(lambda: count_descriptors() == before - 1, 5)


def test_only_what_this_machine_alone_writes_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watcher: Watcher
) -> None:
    """Files of other systems, those of which nothing is known, and those in other systems' directories are not."""
    follower = Recorder(tmp_path / "a.out")
    proc = LogFile(os.open("/proc/self/status", os.O_RDONLY))
    assert not sweep.is_told_of(proc, "/proc/self")
    assert not sweep.is_told_of(follower.file, "/proc/self")
    assert not sweep.is_told_of(follower.file, str(tmp_path / "nowhere"))
    monkeypatch.setattr(sweep.ctypes, "CDLL", lambda name: object())
    assert not sweep.is_told_of(follower.file, str(tmp_path))
    follow(watcher, follower, follower.file)
    assert live(watcher)._untold() == [follower]


def test_while_a_disk_does_not_answer_all_are_looked_at_one_by_one(watcher: Watcher, directory: Path) -> None:
    """So that each one that hangs is put off by itself."""
    follower = Recorder(directory / "a.out")
    follow(watcher, follower, follower.file)
    running = live(watcher)
    assert (running._told(), running._untold()) == ([follower], [])
    running._relief.is_troubled = True
    assert (running._told(), running._untold()) == ([], [follower])
    running._relief.is_troubled = False

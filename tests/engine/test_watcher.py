"""Tests of the watcher, with real inotify and without it."""

import errno
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logstream.engine import watching as module
from logstream.engine.logfile import LogFile, Signature, signature_of, stat_log
from logstream.engine.watcher import Watcher

from ..kinds import watcher_threads, watches_for
from ..serving import count_descriptors, count_watches, wait_until


class Recorder:
    """A follower that counts how often it is woken."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self.path = str(path)
        self.seen: Signature | None = None
        self.woken = 0
        self.threads: set[str] = set()
        self.file = LogFile.open(self.path)
        self.look()

    def look(self) -> None:
        found = stat_log(self.path)
        self.seen = found and signature_of(found)

    def wake(self) -> None:
        self.look()
        self.threads.add(threading.current_thread().name)
        self.woken += 1


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    """A watcher that is closed in the end, and leaves no thread."""
    before = threading.active_count()
    watcher = Watcher()
    yield watcher
    watcher.close()
    watcher.close()
    assert threading.active_count() == before


@pytest.fixture
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave inotify alone with the work."""
    monkeypatch.setattr(module.Watching, "_sweep_on", lambda observer, shift: observer._serve(shift, 3600.0))


@pytest.fixture
def no_inotify(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where no inotify instance is to be had."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr(module, "InotifyObserver", refuse)


def follow(watcher: Watcher, follower: Recorder, file: LogFile | None) -> None:
    """Follow, as the first one or a further one."""
    with watcher.running():
        watcher.follow(follower, file)


def append(path: str, text: str = "x") -> None:
    """One write."""
    with Path(path).open("a") as file:
        file.write(text)


@pytest.mark.watcher("inotify")
def test_a_write_wakes_by_inotify(watcher: Watcher, tmp_path: Path, no_sweep: None) -> None:
    """The kernel's event wakes the follower, on watchdog's thread; reading the file does not."""
    follower = Recorder(tmp_path / "a.out")
    follow(watcher, follower, follower.file)
    append(follower.path)
    wait_until(lambda: follower.woken)
    assert follower.threads == {"logstream-inotify"}
    other = Recorder(tmp_path / "b.out")
    follow(watcher, other, other.file)
    woken = follower.woken
    Path(follower.path).read_text()
    append(other.path)
    wait_until(lambda: other.woken)  # events come in their order, so all of the reading's would be here
    assert follower.woken == woken


@pytest.mark.watcher("inotify", "observer")
def test_each_file_has_one_watch_and_none_has_a_thread(watcher: Watcher, tmp_path: Path, no_sweep: None) -> None:
    """A hundred files cost a hundred kernel watches, three threads in all, and wake nobody but their followers.

    By watchdog's observer, they cost one, on their directory, and two threads more.
    """
    before = threading.active_count()
    followers = [Recorder(tmp_path / f"{number}.out") for number in range(100)]
    for follower in followers:
        follow(watcher, follower, follower.file)
        follow(watcher, follower, follower.file)
    assert count_watches() == watches_for(100)
    assert threading.active_count() == before + watcher_threads()
    append(followers[0].path)
    append(str(tmp_path / "unwatched.out"))
    append(followers[99].path)
    wait_until(lambda: followers[99].woken)
    assert [number for number, follower in enumerate(followers) if follower.woken] == [0, 99]


def test_the_last_to_be_forgotten_takes_everything_along(watcher: Watcher, tmp_path: Path) -> None:
    """Without followers there is no thread, no watch and no descriptor; with the next one all is back."""
    before = threading.active_count()
    follower, other = Recorder(tmp_path / "a.out"), Recorder(tmp_path / "b.out")
    descriptors = count_descriptors()
    for _ in range(3):
        follower.look()  # so that there is no news
        follow(watcher, follower, follower.file)
        follow(watcher, other, None)
        watcher.forget(follower)
        woken = follower.woken
        append(follower.path)
        assert threading.active_count() == before + watcher_threads()
        watcher.forget(other)
        watcher.forget(other)
        wait_until(lambda: threading.active_count() == before)
        assert follower.woken == woken
        assert count_watches() == 0
        wait_until(lambda: count_descriptors() == descriptors)


@pytest.mark.watcher("inotify")
def test_following_another_file_ends_the_watch_on_the_first(watcher: Watcher, tmp_path: Path, no_sweep: None) -> None:
    """After a rotation there is one watch, on the new file, whatever stood at the path when it was opened."""
    watches = count_watches()
    follower = Recorder(tmp_path / "a.out")
    follow(watcher, follower, follower.file)
    Path(follower.path).rename(tmp_path / "a.out.1")
    Path(follower.path).touch()
    wait_until(lambda: follower.woken)  # for the renaming
    follow(watcher, follower, LogFile.open(follower.path))
    assert count_watches() == watches + 1
    woken = follower.woken
    append(str(tmp_path / "a.out.1"))
    append(follower.path)
    wait_until(lambda: follower.woken > woken)


def test_the_sweep_finds_what_inotify_misses(watcher: Watcher, tmp_path: Path) -> None:
    """A file that comes to be, changes, goes, or is replaced wakes its follower without any kernel watch."""
    follower = Recorder(tmp_path / "a.out")
    follow(watcher, follower, None)
    path = Path(follower.path)
    for change in (
        lambda: append(follower.path),
        path.unlink,
        path.touch,
        lambda: (path.rename(tmp_path / "b"), path.touch()),
        lambda: os.utime(path, (1, 1)),
    ):
        woken = follower.woken
        change()
        wait_until(lambda woken=woken: follower.woken > woken, 0.5)
    assert follower.threads == {"logstream-sweep"}


def test_the_sweep_wakes_nobody_without_need(watcher: Watcher, tmp_path: Path) -> None:
    """A file that its follower has already seen as it is, is left alone."""
    follower, other = Recorder(tmp_path / "a.out"), Recorder(tmp_path / "b.out")
    follow(watcher, follower, None)
    follow(watcher, other, None)
    for _ in range(3):
        woken = other.woken
        append(other.path)
        wait_until(lambda woken=woken: other.woken > woken)
    assert follower.woken == 0


def test_a_large_sweep_reaches_everyone(watcher: Watcher, tmp_path: Path) -> None:
    """Many files are looked at in slices, each within the interval."""
    followers = [Recorder(tmp_path / f"{number}.out") for number in range(173)]
    for follower in followers:
        follow(watcher, follower, None)
    for follower in followers:
        append(follower.path)
    wait_until(lambda: all(follower.woken for follower in followers), 1.0)


def test_who_asks_is_woken_again(watcher: Watcher, tmp_path: Path, no_sweep: None) -> None:
    """A follower that has more to do is woken soon, as often as it asks; one that is not known is not."""
    follower, stranger = Recorder(tmp_path / "a.out"), Recorder(tmp_path / "b.out")
    follow(watcher, follower, follower.file)
    for number in range(1, 4):
        watcher.wake_again(stranger)
        watcher.wake_again(follower)
        wait_until(lambda number=number: follower.woken == number)
    assert stranger.woken == 0


@pytest.mark.watcher("inotify")
def test_without_inotify_the_sweep_carries_everything_and_says_so_once(
    watcher: Watcher, tmp_path: Path, no_inotify: None, caplog: pytest.LogCaptureFixture
) -> None:
    """No inotify instance costs latency, and makes one log line that names the limit to raise."""
    followers = [Recorder(tmp_path / f"{number}.out") for number in range(3)]
    with caplog.at_level(logging.WARNING):
        for follower in followers:
            follow(watcher, follower, follower.file)
            watcher.forget(follower)
            follow(watcher, follower, follower.file)
    for follower in followers:
        append(follower.path)
    wait_until(lambda: all(follower.woken for follower in followers), 0.5)
    assert len(caplog.records) == 1
    assert "fs.inotify.max_user_instances" in caplog.text


@pytest.mark.watcher("inotify", "observer")
def test_a_follower_that_fails_does_not_end_the_thread(
    watcher: Watcher, tmp_path: Path, no_sweep: None, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of one follower is logged as the bug it is, and the others are still woken."""
    broken, follower = Recorder(tmp_path / "a.out"), Recorder(tmp_path / "b.out")

    def fail() -> None:
        raise ValueError("broken")

    broken.wake = fail  # type: ignore[method-assign]
    follow(watcher, broken, broken.file)
    follow(watcher, follower, follower.file)
    append(broken.path)
    append(follower.path)
    wait_until(lambda: follower.woken)
    assert "ValueError: broken" in caplog.text


def test_a_closed_watcher_follows_nobody(watcher: Watcher, tmp_path: Path) -> None:
    """After close there is nothing to start any more."""
    threads = threading.active_count()
    watcher.close()
    follower = Recorder(tmp_path / "a.out")
    follow(watcher, follower, follower.file)
    watcher.wake_again(follower)
    watcher.forget(follower)
    assert threading.active_count() == threads
    watcher.wake_later(follower)


def test_a_watch_that_fails_for_the_end_of_all_is_no_news(
    watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever follows while it is closed finds the descriptor gone, which the operator need not hear."""

    def fail_at_the_end(*_: object) -> None:
        watcher.close()
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(module.Watching, "watch", fail_at_the_end)
    follower = Recorder(tmp_path / "a")
    follow(watcher, follower, follower.file)
    assert not caplog.messages


@pytest.mark.watcher("inotify")
def test_a_file_without_a_kernel_watch_is_swept(
    watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where there are too many, the operator is told which limit to raise, and changes are found all the same."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(module.InotifyObserver, "watch", refuse)
    follower = Recorder(tmp_path / "a.out")
    follow(watcher, follower, follower.file)
    append(follower.path)
    wait_until(lambda: follower.woken, 0.5)
    assert "fs.inotify.max_user_watches" in caplog.text


@pytest.mark.watcher("inotify")
def test_a_follower_that_leaves_while_it_is_being_watched_leaves_no_watch(
    watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's watch ends with who wanted it, whoever comes first; nor is it woken later."""
    watches = count_watches()
    stays, leaves = Recorder(tmp_path / "a.out"), Recorder(tmp_path / "b.out")
    follow(watcher, stays, stays.file)

    watch = module.InotifyObserver.watch

    def watch_late(*arguments: Any) -> Any:
        made = watch(*arguments)
        watcher.forget(leaves)
        return made

    monkeypatch.setattr(module.InotifyObserver, "watch", watch_late)
    follow(watcher, leaves, leaves.file)
    assert count_watches() == watches + 1
    observer = watcher._watching
    assert observer is not None
    watcher.wake_later(leaves)
    assert not observer._later


@pytest.mark.watcher("inotify", "observer")
@pytest.mark.parametrize("started", [0, 1, 2])
def test_a_start_that_fails_anywhere_is_made_whole_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: int
) -> None:
    """With threads for some of it only, nobody is followed; what has begun is used later, or ended."""
    before = threading.active_count(), count_descriptors()
    start = threading.Thread.start
    left = [started]

    def refuse(thread: threading.Thread) -> None:
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    observer = module.Watching("auto")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(module.NoThreadError):
            observer.start(print)
    if started:  # else it is stopped with nothing of it running
        observer.start(print)
        assert observer.is_alive()
        assert threading.active_count() == before[0] + watcher_threads(directories=0)
    observer.stop()
    observer.join()
    assert not observer.is_alive()
    wait_until(lambda: (threading.active_count(), count_descriptors()) == before)


def test_a_sweep_that_is_stopped_does_nothing_more(tmp_path: Path) -> None:
    """Also where it is before it has begun."""
    observer = module.Watching("auto")
    follower = Recorder(tmp_path / "a.out")
    observer.add(follower)
    append(follower.path)
    observer.stop()
    observer._sweep_on(observer._sweep.shift)
    assert follower.woken == 0


def test_a_thread_whose_sweep_was_taken_over_leaves_the_rest_to_the_other(tmp_path: Path) -> None:
    """Who comes back from a disk that hung goes no further."""
    observer = module.Watching("auto")
    follower, other = Recorder(tmp_path / "a.out"), Recorder(tmp_path / "b.out")

    def be_relieved() -> None:
        observer._sweep.shift.stuck_with = follower

    follower.wake = be_relieved  # type: ignore[method-assign]
    for one in (follower, other):
        observer.add(one)
        observer.wake_again(one)
    assert not observer._serve(observer._sweep.shift, 5.0)
    assert other.woken == 0
    assert list(observer._again) == [other]


@pytest.mark.watcher("inotify")
def test_a_watch_that_comes_too_late_for_a_closed_watcher_is_no_trouble(
    watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Inotify is closed by then, which tells the operator nothing about the machine."""

    watch = module.InotifyObserver.watch

    def watch_late(*arguments: Any) -> Any:
        watcher.close()
        return watch(*arguments)

    monkeypatch.setattr(module.InotifyObserver, "watch", watch_late)
    follower = Recorder(tmp_path / "a.out")
    follow(watcher, follower, follower.file)
    assert caplog.messages == []

"""One life of a watcher's threads: from the first follower to the last."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from .fanout import FanOut
from .inotify import InotifyObserver
from .logfile import LogFile, signature_of
from .relief import Follower, Loop, Relief, Shift

SWEEP_INTERVAL = 0.25  # seconds in which each file is looked at once
_JOIN = 1.0  # seconds that all threads have to end
_SLICE = 100  # files looked at in one go, so that a sweep of many delays no increment


class NoThreadError(RuntimeError):
    """There is no thread to be had to watch files with."""


class Watch(Protocol):
    """What an observer does for one follower."""

    def cancel(self) -> None:
        """Do it no more."""


class SharedObserver(Protocol):
    """One observer for all followers. Any thread may call anything."""

    name: str  # for the operator

    def start(self) -> None:
        """Start its threads. Raises RuntimeError where there is none to be had; it has ended then."""

    def stop(self) -> None:
        """Have all its threads end, and wait for none."""

    def watch(self, follower: Follower, file: LogFile | None) -> Watch | None:
        """Have a follower woken for changes of its file; None where nothing tells of them. Raises OSError, too."""

    def loops(self) -> list[Loop]:
        """What is to be watched over."""

    def threads(self) -> list[threading.Thread]:
        """Those that are to end."""


class Watching:
    """One life of the watcher's threads: the observer's, the sweep, and the relief of both."""

    def __init__(self, kind: str) -> None:
        """Make one of a `kind` of watcher; nothing runs yet."""
        self._kind = kind
        # Guards _followers, _again, _later and _stopped; the sweep's thread waits on it.
        self._changed = threading.Condition(threading.Lock())
        self._followers: dict[Follower, Watch | None] = {}
        self._again: deque[Follower] = deque()
        self._later: set[Follower] = set()
        self._stopped = False
        # Guards the start: whoever comes meanwhile waits for it.
        self._starting = threading.Lock()
        self._started = False
        self._observer: SharedObserver | None = None
        self._sweep = Loop("logstream-sweep", self._sweep_on)
        self._relief = Relief()

    def start(self, warn: Callable[[OSError, str | None], None]) -> None:
        """Start the threads, unless they run.

        `warn(error, instead)` is told when there is no inotify to be had, and what is used instead of it.

        Raises NoThreadError; what has started by then is of use when this is called again, or stopped.
        """
        with self._starting:
            if self._started:
                return
            try:
                if self._observer is None:
                    self._observer = self._start_observer(warn)
                if not self._sweep.thread.is_alive():
                    self._sweep.thread.start()
                self._relief.start([self._sweep, *(self._observer.loops() if self._observer is not None else [])])
            except RuntimeError as error:
                raise NoThreadError(str(error)) from None
            self._started = True

    def _start_observer(self, warn: Callable[[OSError, str | None], None]) -> SharedObserver | None:
        """The observer of this kind, at work; None where there is none to be had. Raises RuntimeError."""
        problem: OSError | None = None
        observer: SharedObserver | None = None
        if self._kind in ("auto", "inotify"):
            try:
                observer = InotifyObserver(self._relief)
            except OSError as error:
                problem = error
        # Where there are no more inotify instances, watchdog has none either.
        if self._kind == "observer" or (problem is not None and self._kind == "auto" and problem.errno == errno.ENOSYS):
            try:
                observer = FanOut(self.wake_again)
            except OSError as error:
                problem = problem or error
        if problem is not None:
            warn(problem, observer.name if observer is not None else None)
        if observer is not None:
            observer.start()
        return observer

    def add(self, follower: Follower) -> None:
        with self._changed:
            self._followers.setdefault(follower, None)

    def watch(self, follower: Follower, file: LogFile | None) -> None:
        """Have a follower told of changes of this file, if any. Raises OSError where nothing tells of it."""
        if self._observer is None:
            return
        watch = self._observer.watch(follower, file)
        if watch is None:
            return
        before: Watch | None = watch
        with self._changed:
            if follower in self._followers:
                before, self._followers[follower] = self._followers[follower], watch
        if before is not None:
            before.cancel()

    def remove(self, follower: Follower) -> None:
        with self._changed:
            watch = self._followers.pop(follower, None)
        if watch is not None:
            watch.cancel()

    def idle(self) -> bool:
        return not self._followers

    def wake_again(self, follower: Follower) -> None:
        with self._changed:
            if follower in self._followers and follower not in self._again:
                self._again.append(follower)
                self._changed.notify()

    def wake_later(self, follower: Follower) -> None:
        with self._changed:
            if follower in self._followers:
                self._later.add(follower)

    def stop(self) -> None:
        """Have all threads end, and the kernel forget all watches."""
        with self._changed:
            self._stopped = True
            self._again.clear()  # those who ask last may have left
            self._later.clear()
            self._changed.notify()
        self._relief.stop()
        if self._observer is not None:
            self._observer.stop()

    def is_alive(self) -> bool:
        """Whether a thread of it is still running, but for those that are stuck."""
        return any(thread.is_alive() for thread in [self._relief.monitor, *self._threads()])

    def join(self) -> None:
        """Wait until all threads have ended, but not long for those that are stuck."""
        deadline = time.monotonic() + _JOIN
        for thread in [self._relief.monitor, *self._threads()]:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _threads(self) -> list[threading.Thread]:
        return [self._sweep.thread, *(self._observer.threads() if self._observer is not None else [])]

    def _sweep_on(self, shift: Shift) -> None:
        """Look at each file once an interval, a slice at a time; wake between slices those who asked for it."""
        while not self._stopped:
            with self._changed:
                followers = list(self._followers)
                later, self._later = self._later, set()
            slices = [followers[start : start + _SLICE] for start in range(0, len(followers), _SLICE)] or [[]]
            for part in slices:
                if not self._look_at(shift, part, later):
                    return
                if not self._serve(shift, SWEEP_INTERVAL / len(slices)):
                    return

    def _look_at(self, shift: Shift, followers: list[Follower], later: set[Follower]) -> bool:
        """Look at files, and wake those followers that must know, or are among `later`.

        Returns whether the loop is still this shift's.
        """
        relief = self._relief
        for follower in followers:
            if relief.is_troubled and relief.put_off(follower):
                continue
            shift.calls += 1
            shift.follower = follower
            changed = _is_changed(follower)
            shift.follower = None
            if (changed or follower in later) and follower in self._followers:
                relief.wake(shift, follower)
            if shift.stuck_with is not None and relief.come_back(shift):
                return False
        return True

    def _serve(self, shift: Shift, seconds: float) -> bool:
        """For so long, wake those who have asked for it. Returns whether the loop is still this shift's."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with self._changed:
                self._changed.wait_for(lambda: self._again or self._stopped, left)
                if self._stopped or not self._again:
                    break
                follower = self._again.popleft()
                known = follower in self._followers
            if known:
                self._relief.wake(shift, follower)
                if shift.stuck_with is not None and self._relief.come_back(shift):
                    return False
        return not self._stopped


def _is_changed(follower: Follower) -> bool:
    """Whether a follower has not seen its file as it is; notes that it has now.

    There may be thousands of files, and nearly all are as they were: that takes one call, to the kernel.
    """
    seen = follower.seen
    try:
        found = os.lstat(follower.path)
    except OSError:
        follower.seen = None
        return seen is not None
    device, inode, size, changed = seen or (None, None, None, None)
    if found.st_mtime_ns == changed and found.st_size == size and found.st_ino == inode and found.st_dev == device:
        return False
    follower.seen = signature_of(found) if stat.S_ISREG(found.st_mode) else None
    return follower.seen != seen

"""Waking whoever follows a file: one kernel watch a file, and a slow sweep for what the kernel does not tell."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from .inotify import Inotify, Watch
from .logfile import LogFile, signature_of
from .relief import Follower, Loop, Relief, Shift

logger = logging.getLogger(__name__)

SWEEP_INTERVAL = 0.25  # seconds in which each file is looked at once
_JOIN = 1.0  # seconds that all threads have to end
_SLICE = 100  # files looked at in one go, so that a sweep of many delays no increment


class NoThreadError(RuntimeError):
    """There is no thread to be had to watch files with."""


class Watcher:
    """Wakes followers of files, from a thread of watchdog's or from the sweep's. Any thread may call anything.

    Has an inotify descriptor, and threads, only while there is somebody to wake.
    """

    def __init__(self) -> None:
        """Make a watcher that has nothing to do yet."""
        # Guards all below: followers come and go in one order with the observer's beginning and end.
        self._lock = threading.Lock()
        self._observer: _Observer | None = None
        self._ending: list[_Observer] = []  # stopped, but perhaps not at their end yet
        self._calls = 0  # calls that are using the observer outside the lock
        self._closed = False
        self._warned = False  # the operator was told that there is no inotify

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Have the threads there, and stay there, so that a first follower is woken too. Raises NoThreadError."""
        observer = self._enter()
        try:
            if observer is not None:
                observer.start(self._warn)
            yield
        finally:
            self._leave()

    def follow(self, follower: Follower, file: LogFile | None) -> None:
        """Wake `follower` for changes of `file`, if any, instead of an earlier one, and for news at its path.

        The first follower needs `running` around the call.
        """
        observer = self._enter(must_be_there=True)
        try:
            if observer is not None:
                observer.add(follower)
                if file is not None:
                    observer.watch(follower, file)
        except OSError as error:
            self._warn(error)
        finally:
            self._leave()

    def wake_again(self, follower: Follower) -> None:
        """Wake a follower soon, if it still is one."""
        observer = self._observer
        if observer is not None:
            observer.wake_again(follower)

    def wake_later(self, follower: Follower) -> None:
        """Wake a follower with the next sweep, if it still is one."""
        observer = self._observer
        if observer is not None:
            observer.wake_later(follower)

    def forget(self, follower: Follower) -> None:
        """Wake `follower` no more. One that is not known is no error."""
        observer = self._enter(must_be_there=True)
        try:
            if observer is not None:
                observer.remove(follower)
        finally:
            self._leave()

    def close(self) -> None:
        """Forget everyone and end the threads. Idempotent. Not to be called while being woken."""
        with self._lock:
            self._closed = True
            observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            self._ending.append(observer)
        for observer in self._ending:
            observer.join()

    def _enter(self, *, must_be_there: bool = False) -> _Observer | None:
        """The observer, which stays until `_leave`; None once closed, or where there is none but must be."""
        with self._lock:
            self._calls += 1
            if self._observer is None and not self._closed and not must_be_there:
                self._observer = _Observer()
            return self._observer

    def _leave(self) -> None:
        with self._lock:
            self._calls -= 1
            observer = self._observer
            if observer is None or self._calls or not observer.idle():
                return
            self._observer = None
            self._ending = [*(one for one in self._ending if one.is_alive()), observer]
        observer.stop()

    def _warn(self, error: OSError) -> None:
        """Say once that files are followed by the sweep alone, and what to raise."""
        if self._warned or self._closed:  # whose inotify is closed, too
            return
        self._warned = True
        limit = {
            errno.ENOSPC: "raise fs.inotify.max_user_watches",
            errno.EMFILE: "raise fs.inotify.max_user_instances, or the limit of open files",
            errno.ENOSYS: "it needs Linux and watchdog 7.1",
        }.get(error.errno or 0, "is inotify to be had here?")
        logger.warning(
            "no inotify watch (%s): %s. Files without one are looked at every %d ms instead.",
            str(error),
            limit,
            SWEEP_INTERVAL * 1000,
        )


class _Observer:
    """One life of the watcher's threads: watchdog's inotify reader, the sweep, and the relief of both."""

    def __init__(self) -> None:
        # Guards _followers, _again, _later and _stopped; the sweep's thread waits on it.
        self._changed = threading.Condition(threading.Lock())
        self._followers: dict[Follower, Watch | None] = {}
        self._again: deque[Follower] = deque()
        self._later: set[Follower] = set()
        self._stopped = False
        # Guards the start: whoever comes meanwhile waits for it.
        self._starting = threading.Lock()
        self._started = False
        self._inotify: Inotify | None = None
        self._sweep = Loop("logstream-sweep", self._sweep_on)
        self._relief = Relief()

    def start(self, warn: Callable[[OSError], None]) -> None:
        """Start the threads, unless they run. `warn(error)` is told when there is no inotify to be had.

        Raises NoThreadError; what has started by then is of use when this is called again, or stopped.
        """
        with self._starting:
            if self._started:
                return
            try:
                if self._inotify is None:
                    self._inotify = self._start_inotify(warn)
                if not self._sweep.thread.is_alive():
                    self._sweep.thread.start()
                self._relief.start([self._sweep, *([self._inotify.loop] if self._inotify is not None else [])])
            except RuntimeError as error:
                raise NoThreadError(str(error)) from None
            self._started = True

    def _start_inotify(self, warn: Callable[[OSError], None]) -> Inotify | None:
        try:
            inotify = Inotify(self._relief)
        except OSError as error:
            warn(error)
            return None
        try:
            inotify.start()
        except RuntimeError:
            inotify.close()
            raise
        return inotify

    def add(self, follower: Follower) -> None:
        with self._changed:
            self._followers.setdefault(follower, None)

    def watch(self, follower: Follower, file: LogFile) -> None:
        """Have the kernel tell of changes of this file. Raises OSError where it will not."""
        inotify = self._inotify
        if inotify is None:
            return
        watch: Watch | None = Watch(inotify, file, follower)
        with self._changed:
            if follower in self._followers:
                watch, self._followers[follower] = self._followers[follower], watch
        if watch is not None:
            watch.cancel()

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
        if self._inotify is not None:
            self._inotify.stop()

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
        inotify = [self._inotify.loop.thread] if self._inotify is not None else []
        return [self._sweep.thread, *inotify]

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

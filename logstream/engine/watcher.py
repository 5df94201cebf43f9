"""Waking whoever follows a file: one kernel watch a file, and a slow sweep for what the kernel does not tell."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from .logfile import LogFile, Signature, signature_of

try:
    from watchdog.observers.inotify_c import (
        CallbackId,
        InotifyConstants,
        InotifyEvent,
        InotifyFD,
        Mask,
        WatchDescriptor,
    )
except (ImportError, AttributeError):  # not Linux
    InotifyFD = object  # type: ignore[assignment, misc]

logger = logging.getLogger(__name__)

SWEEP_INTERVAL = 0.25  # seconds in which each file is looked at once
_EVENTS = 4096  # bytes of the kernel's queue read at once
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name behind it; see inotify(7)
_RARE = 0x4000 | 0x8000  # IN_Q_OVERFLOW, IN_IGNORED
_SLICE = 100  # files looked at in one go, so that a sweep of many delays no increment


class NoThreadError(RuntimeError):
    """There is no thread to be had to watch files with."""


class Follower(Protocol):
    """Who is woken when something may have happened to the file at a path."""

    path: str
    seen: Signature | None  # the file as last looked at; the sweep wakes its follower for any other

    def wake(self) -> None:
        """Look at the file: something may have happened to it."""


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
        if self._warned:
            return
        self._warned = True
        limit = {
            errno.ENOSPC: "raise fs.inotify.max_user_watches",
            errno.EMFILE: "raise fs.inotify.max_user_instances, or the limit of open files",
        }.get(error.errno or 0, "is inotify to be had here?")
        logger.warning(
            "no inotify watch (%s): %s. Files without one are looked at every %d ms instead.",
            error,
            limit,
            SWEEP_INTERVAL * 1000,
        )


class _Observer:
    """One life of the watcher's threads: watchdog's inotify reader and the sweep."""

    def __init__(self) -> None:
        # Guards _followers, _again and _stopped; the sweep's thread waits on it.
        self._changed = threading.Condition(threading.Lock())
        self._followers: dict[Follower, _Watch | None] = {}
        self._again: deque[Follower] = deque()
        self._later: set[Follower] = set()
        self._stopped = False
        # Guards the start: whoever comes meanwhile waits for it.
        self._starting = threading.Lock()
        self._inotify: InotifyFD | None = None
        self._sweeper = threading.Thread(target=self._run, name="logstream-sweep", daemon=True)

    def start(self, warn: Callable[[OSError], None]) -> None:
        """Start both threads, unless they run. `warn(error)` is told when there is no inotify to be had.

        Raises NoThreadError; what has started by then is of use when this is called again, or stopped.
        """
        with self._starting:
            try:
                if self._inotify is None and InotifyFD is not object and not self._sweeper.is_alive():
                    self._inotify = _start_inotify(warn)
                if not self._sweeper.is_alive():
                    self._sweeper.start()
            except RuntimeError as error:
                raise NoThreadError(str(error)) from None

    def add(self, follower: Follower) -> None:
        with self._changed:
            self._followers.setdefault(follower, None)

    def watch(self, follower: Follower, file: LogFile) -> None:
        """Have the kernel tell of changes of this file. Raises OSError where it will not."""
        if self._inotify is None:
            return
        watch: _Watch | None = _Watch(follower, self._inotify, file)
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
        """Have both threads end, and the kernel forget all watches."""
        with self._changed:
            self._stopped = True
            self._again.clear()  # those who ask last may have left
            self._later.clear()
            self._changed.notify()
        if self._inotify is not None:
            self._inotify.stop()

    def is_alive(self) -> bool:
        """Whether a thread of it is still running."""
        return self._sweeper.is_alive() or (self._inotify is not None and self._inotify.is_alive())

    def join(self) -> None:
        """Wait until both threads have ended."""
        if self._sweeper.ident is not None:
            self._sweeper.join()
        if self._inotify is not None:
            self._inotify.join()

    def _run(self) -> None:
        """Look at each file once an interval, a slice at a time; wake between slices those who asked for it."""
        while not self._stopped:
            with self._changed:
                followers = list(self._followers)
                later, self._later = self._later, set()
            slices = [followers[start : start + _SLICE] for start in range(0, len(followers), _SLICE)] or [[]]
            for part in slices:
                for follower in part:
                    if (_is_changed(follower) or follower in later) and follower in self._followers:
                        _wake(follower)
                self._serve(SWEEP_INTERVAL / len(slices))
                if self._stopped:
                    return

    def _serve(self, seconds: float) -> None:
        """For so long, wake those who have asked for it."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with self._changed:
                self._changed.wait_for(lambda: self._again or self._stopped, left)
                if self._stopped or not self._again:
                    return
                follower = self._again.popleft()
                known = follower in self._followers
            if known:
                _wake(follower)


def _start_inotify(warn: Callable[[OSError], None]) -> InotifyFD | None:
    """watchdog's reader, running; None where there is no inotify. Raises RuntimeError where there is no thread."""
    try:
        inotify = _Inotify()
    except OSError as error:
        warn(error)
        return None
    inotify.name = "logstream-inotify"
    try:
        inotify.start()
    except RuntimeError:
        inotify.close()
        raise
    return inotify


class _Changed:
    """An event as far as watchdog's `handle_event` looks at one, and all that can matter of most of them."""

    __slots__ = ("wd",)
    is_queue_overflow = is_ignored = False

    def __init__(self, wd: int) -> None:
        self.wd = wd


class _Inotify(InotifyFD):
    """watchdog's reader of the kernel's queue, on a shorter way from the kernel to who is woken.

    Its own makes an object of five fields of each event, in a buffer of 96 KB: 60 us of a line's 300. A file
    that was written to several times is looked at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_reading = False  # or else `close` leaves the descriptors to a thread that may never come to be

    def run(self) -> None:
        """Read events, and have them handled, until it is stopped."""
        while self.should_keep_running():
            events = self._read_event_buffer(_EVENTS)
            changed: dict[int, None] = {}
            rare: list[InotifyEvent] = []
            position = 0
            while position < len(events):
                wd, mask, cookie, length = _EVENT.unpack_from(events, position)
                position += _EVENT.size + length
                if mask & _RARE:
                    rare.append(InotifyEvent(WatchDescriptor(wd), Mask(mask), cookie, b""))
                else:
                    changed[wd] = None
            for wd in changed:
                self.handle_event(_Changed(wd))  # type: ignore[arg-type]
            for event in rare:
                self.handle_event(event)


class _Watch:
    """The kernel's watch on one file, as watchdog calls it back, on its inotify thread and with no lock held."""

    def __init__(self, follower: Follower, inotify: InotifyFD, file: LogFile) -> None:
        self._follower = follower
        self._inotify = inotify
        self._id = CallbackId(id(self))
        # The path of a descriptor leads to the file that is open, whatever stands at the file's own path by now.
        # Asked for is only what can matter: reading the file ourselves must not wake us.
        self._wd = inotify.add_callback(
            b"/proc/self/fd/%d" % file.fileno(),
            Mask(
                InotifyConstants.IN_MODIFY
                | InotifyConstants.IN_ATTRIB
                | InotifyConstants.IN_MOVE_SELF
                | InotifyConstants.IN_DELETE_SELF
            ),
            self,
            self._id,
        )

    def cancel(self) -> None:
        self._inotify.remove_callbacks([(self._wd, self._id)])

    def on_event(self, event: InotifyEvent) -> None:
        _wake(self._follower)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The file is gone for good; the sweep finds the next one."""

    def on_queue_overflow(self) -> None:
        """Events were lost; the sweep finds what they told of."""


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


def _wake(follower: Follower) -> None:
    try:
        follower.wake()
    except Exception:  # the thread that calls serves everyone
        logger.exception("waking a follower failed")

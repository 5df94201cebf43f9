"""One life of a watcher's threads: from the first follower to the last."""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from .fanout import FanOut
from .inotify import InotifyObserver
from .logfile import LogFile
from .relief import Follower, Loop, Relief, Shift
from .sweep import Glance, Round, Surroundings, is_changed

SWEEP_INTERVAL = 0.25  # seconds in which each file is looked at once that nothing is sure to tell of
TOLD_INTERVAL = 0.35  # seconds in which the others are
_JOIN = 1.0  # seconds that all threads have to end
_SLICE = 100  # files looked at in one go, so that a sweep of many delays no increment
_TOLD_SLICE = 1000  # the same, of those that are looked at by their descriptors


class NoThreadError(RuntimeError):
    """There is no thread to be had to watch files with."""


class Watch(Protocol):
    """What an observer does for one follower."""

    file: LogFile | None  # open, where all that is done to it is told of, but for what its directory's time tells
    directory: str

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
        # Guards all below up to _stopped; the sweep's thread waits on it.
        self._changed = threading.Condition(threading.Lock())
        self._followers: dict[Follower, Watch | None] = {}
        # The followers by how they are looked at, and looks at files, by the followers; None and nothing where that has
        # changed: a file that was let go is not held here.
        self._told_now: list[Follower] | None = None
        self._directories: set[str] = set()  # of those that are told of
        self._untold_now: list[Follower] | None = None
        self._glances: list[tuple[list[Follower], Glance]] = []
        self._again: deque[Follower] = deque()
        self._later: set[Follower] = set()
        self._all = False  # whether each file is to be looked at now
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
                observer = InotifyObserver(self._relief, self.look_at_all)
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
        with self._changing():
            self._followers.setdefault(follower, None)

    def watch(self, follower: Follower, file: LogFile | None) -> None:
        """Have a follower told of changes of this file, if any. Raises OSError where nothing tells of it."""
        if self._observer is None:
            return
        watch = self._observer.watch(follower, file)
        if watch is None:
            return
        before: Watch | None = watch
        with self._changing():
            if follower in self._followers:
                before, self._followers[follower] = self._followers[follower], watch
        if before is not None:
            before.cancel()

    def remove(self, follower: Follower) -> None:
        with self._changing():
            watch = self._followers.pop(follower, None)
        if watch is not None:
            watch.cancel()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """With the lock held: there will be other followers, or other files of theirs, to look at."""
        with self._changed:
            yield
            self._told_now = self._untold_now = None
            outdated, self._glances = self._glances, []
        outdated.clear()  # without the lock: closing a file may block

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

    def look_at_all(self) -> None:
        """Have each file looked at now: the kernel has lost what it had to tell."""
        with self._changed:
            self._all = True
            self._changed.notify()

    def _sweep_on(self, shift: Shift) -> None:
        """Look at each file once an interval, a slice at a time; wake between slices those who asked for it."""
        surroundings = Surroundings()
        try:
            untold = Round(SWEEP_INTERVAL, _SLICE, self._untold)
            told = Round(TOLD_INTERVAL, _TOLD_SLICE, self._told)
            while not self._stopped:
                with self._changed:
                    anew, self._all = self._all, False
                for part in untold.slices(anew=anew):
                    if not self._look_at(shift, part):
                        return
                for part in told.slices(anew=anew):
                    if not self._glance_at(shift, part, surroundings, first=told.begins):
                        return
                if not self._serve(shift, min(untold.due, told.due) - time.monotonic()):
                    return
        finally:
            surroundings.close()

    def _untold(self) -> list[Follower]:
        """Those whose files are to be looked at by their paths: all, while a disk does not answer."""
        with self._changed:
            self._again.extend(self._later)
            self._later.clear()
            if self._relief.is_troubled:
                return list(self._followers)
            if self._untold_now is None:
                followers = self._followers.items()
                self._untold_now = [one for one, watch in followers if watch is None or watch.file is None]
            return self._untold_now

    def _told(self) -> list[Follower]:
        """Those whose files may be looked at by their descriptors."""
        with self._changed:
            if self._relief.is_troubled:
                return []
            if self._told_now is None:
                told = [(one, watch) for one, watch in self._followers.items() if watch is not None and watch.file]
                self._told_now = [one for one, _ in told]
                self._directories = {watch.directory for _, watch in told}
            return self._told_now

    def _find_glance(self, followers: list[Follower]) -> Glance:
        """The look at the files of these, which are told of; the same one as long as there is no change."""
        with self._changed:
            for whose, glance in self._glances:
                if whose is followers:
                    return glance
            watched = [(one, watch, watch.file) for one in followers if (watch := self._followers.get(one)) is not None]
            told = [(one, file, watch.directory) for one, watch, file in watched if file is not None]
            glance = Glance(told)
            self._glances.append((followers, glance))
            return glance

    def _glance_at(self, shift: Shift, followers: list[Follower], surroundings: Surroundings, *, first: bool) -> bool:
        """Look at files by their descriptors, and closer where something has changed.

        With the `first` of a round, their directories are looked at. Returns whether the loop is still this shift's.
        """
        if first and followers:
            shift.calls += 1
            shift.follower = followers[0]  # if it does not come back, it is no better to ask this one
            surroundings.look(self._directories)
            shift.follower = None
            if shift.stuck_with is not None and self._relief.come_back(shift):
                return False
        glance = self._find_glance(followers)
        as_seen = glance.are_as_seen()
        if all(as_seen) and not surroundings.have_changed:
            return True
        return self._look_at(
            shift,
            [
                one
                for one, directory, same in zip(glance.followers, glance.directories, as_seen, strict=True)
                if not same or surroundings.may_have_led_on(directory)
            ],
        )

    def _look_at(self, shift: Shift, followers: list[Follower]) -> bool:
        """Look at files, and wake those followers that must know. Returns whether the loop is still this shift's."""
        relief = self._relief
        for follower in followers:
            if relief.is_troubled and relief.put_off(follower):
                continue
            shift.calls += 1
            shift.follower = follower
            changed = is_changed(follower)
            self._let_go(follower)
            shift.follower = None
            if changed and follower in self._followers:
                relief.wake(shift, follower)
            if shift.stuck_with is not None and relief.come_back(shift):
                return False
        return True

    def _let_go(self, follower: Follower) -> None:
        """Hold no file that its follower's path does not lead to any more: it may be deleted, and take space."""
        watch, seen = self._followers.get(follower), follower.seen
        if watch is not None and (file := watch.file) is not None and (seen is None or seen[:2] != file.identity):
            with self._changing():
                watch.file = None

    def _serve(self, shift: Shift, seconds: float) -> bool:
        """For so long, wake those who have asked for it. Returns whether the loop is still this shift's."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with self._changed:
                self._changed.wait_for(lambda: self._again or self._all or self._stopped, left)
                if self._stopped or self._all or not self._again:
                    break
                follower = self._again.popleft()
                known = follower in self._followers
            if known and not self._relief.wake_and_go_on(shift, follower):
                return False
        return not self._stopped

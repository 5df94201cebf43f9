"""Waking whoever follows a file: by one shared observer of watchdog's, and a slow sweep for what that does not tell.

The observer is, by the kind of watcher:

- `inotify`: ours, with one kernel watch for each file (`inotify`), where the kernel is Linux;
- `observer`: the one that watchdog has for this system, scheduled once for each directory (`fanout`);
- `sweep`: none;
- `auto`: inotify, else watchdog's, else none.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import threading
from collections.abc import Iterator

from .fanout import why_no_observer
from .inotify import why_no_inotify
from .logfile import LogFile
from .relief import Follower
from .watching import SWEEP_INTERVAL, NoThreadError, Watching

__all__ = ["NoThreadError", "Watcher", "why_not"]

logger = logging.getLogger(__name__)


def why_not(kind: str) -> str | None:
    """Why a kind of watcher is not to be had here, in words for the operator; None where it is."""
    reason = {"inotify": why_no_inotify, "observer": why_no_observer}.get(kind, lambda: None)()
    return f"{kind!r} is not to be had here ({reason}); 'auto' takes what there is" if reason is not None else None


class Watcher:
    """Wakes followers of files, from a thread of watchdog's or from the sweep's. Any thread may call anything.

    Has an observer, and threads, only while there is somebody to wake.
    """

    def __init__(self, kind: str = "auto") -> None:
        """Make a watcher of a kind that has nothing to do yet."""
        self._kind = kind
        # Guards all below: followers come and go in one order with the observer's beginning and end.
        self._lock = threading.Lock()
        self._watching: Watching | None = None
        self._ending: list[Watching] = []  # stopped, but perhaps not at their end yet
        self._calls = 0  # calls that are using the observer outside the lock
        self._closed = False
        self._warned = False  # the operator was told that there is no inotify

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Have the threads there, and stay there, so that a first follower is woken too. Raises NoThreadError."""
        watching = self._enter()
        try:
            if watching is not None:
                watching.start(self._warn)
            yield
        finally:
            self._leave()

    def follow(self, follower: Follower, file: LogFile | None) -> None:
        """Wake `follower` for changes of `file`, if any, instead of an earlier one, and for news at its path.

        The first follower needs `running` around the call.
        """
        watching = self._enter(must_be_there=True)
        try:
            if watching is not None:
                watching.add(follower)
                watching.watch(follower, file)
        except OSError as error:
            self._warn(error)
        finally:
            self._leave()

    def wake_again(self, follower: Follower) -> None:
        """Wake a follower soon, if it still is one."""
        watching = self._watching
        if watching is not None:
            watching.wake_again(follower)

    def wake_later(self, follower: Follower) -> None:
        """Wake a follower with the next sweep, if it still is one."""
        watching = self._watching
        if watching is not None:
            watching.wake_later(follower)

    def forget(self, follower: Follower) -> None:
        """Wake `follower` no more. One that is not known is no error."""
        watching = self._enter(must_be_there=True)
        try:
            for one in [watching] if watching is not None else list(self._ending):  # it may have been closed since
                one.remove(follower)
        finally:
            self._leave()

    def close(self) -> None:
        """Forget everyone and end the threads. Idempotent. Not to be called while being woken."""
        with self._lock:
            self._closed = True
            watching, self._watching = self._watching, None
            self._ending += [watching] if watching is not None else []
        if watching is not None:
            watching.stop()
        for watching in self._ending:
            watching.join()

    def _enter(self, *, must_be_there: bool = False) -> Watching | None:
        """The observer, which stays until `_leave`; None once closed, or where there is none but must be."""
        with self._lock:
            self._calls += 1
            if self._watching is None and not self._closed and not must_be_there:
                self._watching = Watching(self._kind)
            return self._watching

    def _leave(self) -> None:
        with self._lock:
            self._calls -= 1
            watching = self._watching
            if watching is None or self._calls or not watching.idle():
                return
            self._watching = None
            self._ending = [*(one for one in self._ending if one.is_alive()), watching]
        watching.stop()

    def _warn(self, error: OSError, instead: str | None = None) -> None:
        """Say once what files are followed by instead of inotify, None for the sweep alone; and what to raise."""
        if self._warned or self._closed:  # whose inotify is closed, too
            return
        self._warned = True
        interval = SWEEP_INTERVAL * 1000
        if instead is not None:
            logger.info(
                "no inotify (%s): %s tells of changes instead, and each file is looked at every %d ms.",
                error.strerror,
                instead,
                interval,
            )
            return
        limit = {
            errno.ENOSPC: "raise fs.inotify.max_user_watches",
            errno.EMFILE: "raise fs.inotify.max_user_instances, or the limit of open files",
            errno.ENOSYS: "it needs Linux and watchdog 7.1",
        }.get(error.errno or 0, "is inotify to be had here?")
        logger.warning(
            "no inotify watch (%s): %s. Files without one are looked at every %d ms instead.",
            str(error),
            limit,
            interval,
        )

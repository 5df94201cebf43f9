"""watchdog's own observer of this system, for who follows a file where the kernel does not tell of single files."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from watchdog.events import (
    FileAttribEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch
from watchdog.observers.polling import PollingObserver

from .logfile import Identity, LogFile, identity_of
from .relief import Follower, Loop

# Opening and reading a file ourselves must not wake us.
_EVENTS: list[type[FileSystemEvent]] = [
    *(FileModifiedEvent, FileAttribEvent),
    *(FileCreatedEvent, FileDeletedEvent, FileMovedEvent),
]


class FanOut:
    """One observer, scheduled once on each directory with a followed file, and told on to its followers by name.

    Its callbacks only `wake`, which must not block: watchdog holds a lock of its own meanwhile. What it does not tell
    of is left to the sweep, and so is a directory that is not there yet. Any thread may call.
    """

    def __init__(self, wake: Callable[[Follower], object]) -> None:
        """Raises OSError where this system has none, or has no more, and RuntimeError for want of a thread."""
        if why_no_observer() is not None:
            raise OSError(errno.ENOSYS, why_no_observer())
        self._wake = wake
        self.name = f"watchdog's {getattr(Observer, '__name__', 'observer')}"
        self._observer = _make_observer()
        self._ending = threading.Thread(target=self._observer.stop, name="logstream-observer-end", daemon=True)
        # Guards the directories; not held while watchdog is called.
        self._lock = threading.Lock()
        self._directories: defaultdict[str, _Directory] = defaultdict(_Directory)

    def start(self) -> None:
        """Start it. Raises RuntimeError where there is no thread for it; it is ended then."""
        try:
            self._observer.start()
        except RuntimeError:
            self.stop()
            raise

    def stop(self) -> None:
        """Have its threads end. Waits for nobody: one may be stuck with a directory on a disk that hangs."""
        try:
            self._ending.start()
        except RuntimeError:  # no thread to be had
            self._observer.stop()

    def watch(self, follower: Follower, file: LogFile | None) -> Told:
        """Have `follower` woken for changes at its path. Raises OSError where nothing is told of its directory."""
        told = Told(self, follower)
        with self._lock:
            self._directories[told.directory].followers[told.name].add(told)
        try:
            self._schedule(told.directory)
        except FileNotFoundError:
            pass  # it is watched from the first file in it on
        except BaseException:
            told.cancel()
            raise
        return told

    def loops(self) -> list[Loop]:
        """What is to be watched over: nothing blocks here."""
        return []

    def threads(self) -> list[threading.Thread]:
        """Those that are to end."""
        return [self._ending, self._observer]

    def forget(self, told: Told) -> None:
        """Tell a follower no more. Its directory stays watched for the next one: there are but few directories."""
        with self._lock:
            names = self._directories[told.directory].followers
            names[told.name].discard(told)
            if not names[told.name]:
                del names[told.name]

    def _schedule(self, path: str) -> None:
        """Have the observer watch the directory that is at a path now. Raises OSError."""
        identity = identity_of(os.stat(path))
        with self._lock:
            directory = self._directories[path]
            if directory.is_settling or (directory.identity == identity and self._is_told_of(directory)):
                return
            directory.is_settling = True
            before, directory.watch, directory.identity = directory.watch, None, None
        watch = None
        try:
            if before is not None:  # it is another directory now
                with contextlib.suppress(KeyError):
                    self._observer.unschedule(before)
            handler = _Handler(lambda name: self._tell(path, name))
            watch = self._observer.schedule(handler, os.path.realpath(path), event_filter=_EVENTS)
        finally:
            with self._lock:
                directory.is_settling = False
                directory.watch = watch
                directory.identity = identity if watch is not None else None

    def _is_told_of(self, directory: _Directory) -> bool:
        """Whether an emitter is at work for it, which ends with the directory that it was made for."""
        return any(
            emitter.watch == directory.watch and emitter.is_alive() for emitter in self._observer.emitters.copy()
        )

    def _tell(self, path: str, name: str) -> None:
        with self._lock:
            followers = self._directories[path].followers
            found = [told.follower for told in followers[name]] if name in followers else []
        for follower in found:
            self._wake(follower)


class Told:
    """One follower's part in what an observer tells."""

    def __init__(self, fanout: FanOut, follower: Follower) -> None:
        self._fanout = fanout
        self.follower = follower
        self.file: LogFile | None = None  # not all that is done to a file is told of
        directory, name = os.path.split(follower.path)
        self.directory = directory
        self.name = _plain(name)

    def cancel(self) -> None:
        """Tell the follower no more."""
        self._fanout.forget(self)


class _Directory:
    """A directory, and who follows a file in it."""

    def __init__(self) -> None:
        self.followers: defaultdict[str, set[Told]] = defaultdict(set)
        self.watch: ObservedWatch | None = None
        self.identity: Identity | None = None  # of the directory that is watched
        self.is_settling = False  # some thread is at it


class _Handler(FileSystemEventHandler):
    """What watchdog calls, with a lock of its own held."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell

    def dispatch(self, event: FileSystemEvent) -> None:
        """Tell the name of each file that an event is of. Its directory may have another path: macOS resolves links."""
        for path in {event.src_path, event.dest_path} - {"", b""}:
            self._tell(_plain(os.path.basename(os.fsdecode(path))))


def why_no_observer() -> str | None:
    """Why there is no such observer: one that looks by itself is a worse sweep. None where there is one."""
    return "watchdog has none for this system but one that polls" if Observer is PollingObserver else None


def _make_observer() -> BaseObserver:
    """One of this system's. Raises OSError, and RuntimeError where there is no thread for it."""
    make: Any = Observer
    observer: BaseObserver = make.__new__(make)
    try:
        make.__init__(observer)
    except RuntimeError:
        reader = getattr(observer, "_inotify_fd", None)
        if reader is not None:  # on Linux, it has opened its descriptors by then, and would forget them
            reader._is_reading = False  # or else they are left to the thread that there is not
            reader.stop()
        raise
    return observer


def _plain(name: str) -> str:
    """A file's name, as it may be told: macOS takes names for one that differ in case, or in how accents are spelt."""
    return unicodedata.normalize("NFC", name).casefold()

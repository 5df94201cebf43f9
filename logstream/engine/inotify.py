"""The kernel's own word that a file has changed: an observer with one emitter, descriptor and thread for all files."""

from __future__ import annotations

import errno
import os
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from watchdog.events import FileSystemEventHandler
from watchdog.observers.api import BaseObserver, EventEmitter
from watchdog.utils import UnsupportedLibcError

from .logfile import LogFile
from .relief import Follower, Loop, Relief, Shift
from .sweep import is_told_of

try:
    from watchdog.observers.inotify_c import (
        CallbackId,
        InotifyConstants,
        InotifyEvent,
        InotifyFD,
        Mask,
        WatchDescriptor,
    )

    _missing = ""
except (ImportError, AttributeError, UnsupportedLibcError) as error:
    # Not Linux, or another watchdog than ours: this module of it is not its API.
    InotifyFD = object  # type: ignore[assignment, misc]
    _missing = str(error)

_EVENTS = 4096  # bytes of the kernel's queue read at once
_EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name behind it; see inotify(7)
_KNOWN = 8192  # single changes that are known at most
_MODIFY = 0x2  # IN_MODIFY
_RARE = 0x4000 | 0x8000  # IN_Q_OVERFLOW, IN_IGNORED


class InotifyObserver(BaseObserver):
    """One observer for all files, whose emitter reads the kernel's queue, and wakes on its own thread.

    So nothing is queued, and the observer has no thread that would wait for it. Any thread may call.
    """

    def __init__(self, relief: Relief, on_overflow: Callable[[], object] = lambda: None) -> None:
        """Open a descriptor; `relief` watches over the emitter's `loop`. `on_overflow()` is told of lost events.

        Raises OSError where there is none to be had.
        """
        super().__init__(Inotify, relief=relief, on_overflow=on_overflow)
        self.name = "inotify"
        self.schedule(FileSystemEventHandler(), os.sep)  # for whatever file: each has a watch of its own
        (emitter,) = self.emitters
        assert isinstance(emitter, Inotify)
        self.emitter = emitter

    def start(self) -> None:
        """Start the emitter. Raises RuntimeError where there is no thread for it; it is closed then."""
        self.on_thread_start()

    def on_thread_stop(self) -> None:
        """Have the emitter end, and the kernel forget all watches. Waits for nobody: it may be stuck with a file."""
        self.emitter.stop()

    def watch(self, follower: Follower, file: LogFile | None) -> Watch | None:
        """Have `follower` woken for each change of a file, if any. Raises OSError where there is no watch to be had."""
        return Watch(self.emitter, file, follower) if file is not None else None

    def loops(self) -> list[Loop]:
        """What is to be watched over."""
        return [self.emitter.loop]

    def threads(self) -> list[threading.Thread]:
        """Those that are to end."""
        return [self.emitter.loop.thread]


class Inotify(EventEmitter, InotifyFD):
    """watchdog's reader of the kernel's queue as an emitter, on a shorter way from the kernel to who is woken.

    Its own makes an object of five fields of each event, in a buffer of 96 KB: 60 us of a line's 300. A file
    that was written to several times is looked at once.
    """

    def __init__(
        self, *arguments: Any, relief: Relief, on_overflow: Callable[[], object] = lambda: None, **options: Any
    ) -> None:
        """Open a descriptor; the rest is an emitter's. Raises OSError where there is none to be had."""
        if _missing:
            raise OSError(errno.ENOSYS, _missing)
        super().__init__(*arguments, **options)
        self._is_reading = False  # or else `close` leaves the descriptors to a thread that may never come to be
        self.relief = relief
        self.on_overflow = on_overflow
        # Read, and not handled yet: the watches of files that have changed, and what is for watchdog's own tables.
        self._events: deque[int | InotifyEvent] = deque()
        # A file's next change is mostly told by the same bytes as the one before: what they say is known then, as long
        # as there is the watch.
        self._known: dict[bytes, int] = {}
        self.loop = Loop("logstream-inotify", self._read_on)
        self.loop.thread = self
        self.name = "logstream-inotify"

    def run(self) -> None:
        """Read events, and have them handled, until it is stopped."""
        self._read_on(self.loop.shift)

    def _read_on(self, shift: Shift) -> None:
        with self._lock:
            if not self._closed:
                self._is_reading = True  # so `close` leaves the descriptors to this thread, or to who takes over
        while self.should_keep_running():
            event = self._next()
            if isinstance(event, int):
                self._tell(event)
            elif event is not None:
                self.handle_event(event)
            if shift.stuck_with is not None and self.relief.come_back(shift):
                return
        with self._lock:
            if self._closed and self._is_reading:
                self._close_resources()
            self._is_reading = False

    def _next(self) -> int | InotifyEvent | None:
        """The next file's watch, or what is for watchdog's own tables; None where both are still to be found.

        Waits for the kernel. A single change, as nearly always, is put nowhere before.
        """
        if self._events:
            return self._events.popleft()
        events = self._read_event_buffer(_EVENTS)
        known = self._known.get(events)
        if known is not None:
            return known
        self._take_apart(events)
        return None

    def _read_event_buffer(self, event_buffer_size: int) -> bytes:
        """What watchdog does, but without its lock: nobody else closes the descriptors meanwhile."""
        assert self._poller is not None
        self._poller.poll()
        return b"" if self._closed else os.read(self._inotify_fd, event_buffer_size)

    def _tell(self, wd: int) -> None:
        """What watchdog does where a file has changed, but without an object of the event: nobody looks at it.

        And without its lock: each of these two looks is one step, whatever another thread adds or removes.
        """
        found = self._watch_for_wd.get(wd)  # type: ignore[call-overload]
        if found is None:
            with self._lock:  # while a watch is added, the kernel may tell of it before it stands there
                found = self._watch_for_wd.get(wd)  # type: ignore[call-overload]
        if found is not None:
            for watch in list(found.callbacks.values()):
                watch.on_event(wd)

    def _take_apart(self, events: bytes) -> None:
        changed: dict[int, None] = {}
        rare: list[InotifyEvent] = []
        position = 0
        while position < len(events):
            wd, mask, cookie, length = _EVENT.unpack_from(events, position)
            position += _EVENT.size + length
            if mask & _RARE:
                self._known.pop(_EVENT.pack(wd, _MODIFY, 0, 0), None)
                rare.append(InotifyEvent(WatchDescriptor(wd), Mask(mask), cookie, b""))
            else:
                changed[wd] = None
        if changed and len(events) == _EVENT.size and mask == _MODIFY:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            [self._known[events]] = changed
        self._events.extend(changed)
        self._events.extend(rare)


class Watch:
    """The kernel's watch on one file, as watchdog calls it back, on its inotify thread and with no lock held."""

    __slots__ = ("_id", "_inotify", "_wd", "directory", "file", "follower")

    def __init__(self, inotify: Inotify, file: LogFile, follower: Follower) -> None:
        """Have `follower` woken for each change of a file. Raises OSError where there is no watch to be had."""
        self._inotify = inotify
        self.follower = follower
        self.directory = sys.intern(os.path.dirname(follower.path))  # one for all of them: it is compared a lot
        self.file: LogFile | None = file if is_told_of(file, self.directory) else None
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
        """Have the kernel tell of the file no more."""
        self._inotify.remove_callbacks([(self._wd, self._id)])
        self.file = None

    def on_event(self, event: object) -> None:
        """The file has changed."""
        inotify = self._inotify
        inotify.relief.wake(inotify.loop.shift, self.follower)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The file is gone for good; the sweep finds the next one."""
        self.file = None

    def on_queue_overflow(self) -> None:
        """Events were lost; the sweep finds what they told of."""
        self._inotify.on_overflow()


def why_no_inotify() -> str | None:
    """Why there is no inotify to be had just now; None where there is."""
    try:
        InotifyObserver(Relief()).stop()
    except OSError as error:
        return error.strerror
    return None

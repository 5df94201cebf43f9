"""Hearing from other processes which sessions are complete."""

from __future__ import annotations

import threading
from collections.abc import Callable

import orjson

from .logfile import Identity, LogFile, Signature, signature_of, stat_log
from .watcher import Watcher

_MOST = 1 << 20  # bytes that are read at once; of more, only that there is more


class News:
    """Follows the file that names the sessions which were completed last. Any thread."""

    def __init__(
        self,
        path: str,
        watcher: Watcher,
        is_wanted: Callable[[], bool],
        tell: Callable[[list[str] | None], object],
    ) -> None:
        """`is_wanted()` tells whether anybody wants to hear; it must not block.

        `tell(names)` is called with the names that are new, or None where any may be among them; no lock is held.
        """
        self.path = path
        self.seen: Signature | None = None
        self._watcher = watcher
        self._is_wanted = is_wanted
        self._tell = tell
        # Guards all below.
        self._lock = threading.Lock()
        self._following = False
        self._is_settling = False  # some thread is telling the watcher, and will ask again whether it is wanted
        self._place: tuple[Identity, int] | None = None  # what has been read, up to which offset
        self._watched: LogFile | None = None
        self._to_watch: LogFile | None = None  # instead, as soon as somebody settles

    def settle(self) -> None:
        """Follow the file from now on if that is wanted, or no more. To begin needs `Watcher.running` around this.

        One thread at a time is at it, so that the watcher is told things in order.
        """
        with self._lock:
            if self._is_settling:
                return
            self._is_settling = True
        while True:
            with self._lock:
                wanted, following = self._is_wanted(), self._following
                another, self._to_watch = self._to_watch, None
                if wanted == following and (another is None or not wanted):
                    self._is_settling = False
                    return
                self._following = wanted
            if not wanted:
                self._watcher.forget(self)
                with self._lock:
                    self._place = self._watched = None
            elif not following:
                self._begin()
                self._tell(None)  # of those who came while another thread was at this
            else:
                self._watcher.follow(self, another)
                self._watcher.wake_again(self)  # a new watch tells nothing of what was written before it

    def _begin(self) -> None:
        """Go on from the end of what is there."""
        file = self._open()
        with self._lock:
            self._place = (file.identity, file.size()) if file is not None else None
            self._watched = file
        self.seen = signature_of(file.state()) if file is not None else None
        self._watcher.follow(self, file)

    def wake(self) -> None:
        """Read on, and tell what is new."""
        found = stat_log(self.path)
        self.seen = signature_of(found) if found is not None else None
        file = self._open()
        if file is None:
            self.seen = None  # if it is there, the sweep has us look again
            return
        while True:
            with self._lock:
                place = self._place
            is_another = place is None or place[0] != file.identity
            offset = 0 if place is None or is_another else place[1]
            data = file.read(offset, _MOST)
            data = data[: data.rfind(b"\n") + 1]  # a line that is not whole yet is left
            with self._lock:
                if not self._following:
                    return  # and nothing is to hold the file open
                if self._place is not place:
                    continue  # another thread has read on meanwhile
                self._place = file.identity, offset + len(data)
                if is_another:
                    self._watched = self._to_watch = file
                break
        if is_another:
            self.settle()
        try:
            names = [orjson.loads(line) for line in data.splitlines()]
        except orjson.JSONDecodeError:
            names = None
        if is_another or names is None or len(data) > _MOST // 2:
            self._tell(None)
        elif names:
            self._tell(names)

    def _open(self) -> LogFile | None:
        try:
            return LogFile.open(self.path)
        except OSError:
            return None

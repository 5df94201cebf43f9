"""A look, ten times a second, at what may be stuck with a file that does not answer."""

from __future__ import annotations

import threading
from typing import Protocol

_PATIENCE = 0.1  # seconds between two looks


class Watched(Protocol):
    """What may be stuck."""

    def look(self) -> bool:
        """See whether it is stuck, and help. Returns whether there is to be another look."""


class Monitor:
    """Looks at all that is to be looked at; has a thread only while there is something. Any thread."""

    def __init__(self) -> None:
        # Guards all below; notified by `close`.
        self._changed = threading.Condition(threading.Lock())
        self._watched: set[Watched] = set()
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, watched: Watched) -> None:
        """Look at one from now on. Where there is no thread to be had, nobody looks until another one is added."""
        with self._changed:
            self._watched.add(watched)
            if self._thread is not None or self._closed:
                return
            thread = self._thread = threading.Thread(target=self._run, name="logstream-monitor", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            with self._changed:
                self._thread = None

    def close(self) -> None:
        """Look no more, and wait for the end of the thread. Idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed, _PATIENCE)
                if self._closed or not self._watched:
                    self._thread = None
                    return
                watched, self._watched = self._watched, set()  # one that is added meanwhile is not lost
            remaining = {one for one in watched if one.look()}
            with self._changed:
                self._watched |= remaining

"""Long work in slices, with rests between them, so that who waits for a line does not wait for the work."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

_SLICE = 0.002  # seconds of work after which there is a rest
_REST = 2.0  # times as long as the work: all workers together take a third of the time of one
_MOST = 0.1  # seconds that are taken for work: in a longer slice, a disk was waited for


class Pace:
    """What all who do such work have in common. Any thread."""

    def __init__(self) -> None:
        # Guards _workers.
        self._lock = threading.Lock()
        self._workers = 0

    @contextlib.contextmanager
    def work(self, needed: Callable[[], bool] = lambda: True) -> Iterator[Callable[[], None]]:
        """For the time of some work: gives a function to be called in each of its rounds, which rests when it is due.

        The first slice is not delayed, so that what is short is done at once; nor are those after which no rest is
        `needed()`.
        """
        with self._lock:
            self._workers += 1
        begun = time.monotonic()

        def rest() -> None:
            nonlocal begun
            spent = time.monotonic() - begun
            if spent > _SLICE:
                if needed():
                    time.sleep(min(spent, _MOST) * _REST * self._workers)
                begun = time.monotonic()

        try:
            yield rest
        finally:
            with self._lock:
                self._workers -= 1

"""How many may do at the same time what takes much of a processor."""

from __future__ import annotations

import contextlib
import threading


class BusyError(Exception):
    """There are as many as there may be; its text is a sentence that says so."""


class Places:
    """Places for so many. Any thread."""

    def __init__(self, most: int, going_on: str) -> None:
        """`going_on` is what the most that there may be are doing, to be said behind their number."""
        self._free = threading.Semaphore(most)
        self._sentence = f"{most} {going_on}, which is the most. Try again later."

    def enter(self) -> contextlib.ExitStack:
        """One of the places, to be closed. Raises BusyError."""
        if not self._free.acquire(blocking=False):
            raise BusyError(self._sentence)
        place = contextlib.ExitStack()
        place.callback(self._free.release)
        return place

"""Doing something no more often than so many times in a while."""

from __future__ import annotations

import logging
import threading
import time

_LINES = 10  # of one kind that are printed at once, and again in each further _WHILE, where nothing else is said
_WHILE = 60.0  # seconds


class TokenBucket:
    """Allows `count` takes at once, and as many again in each further `seconds`. Any thread."""

    def __init__(self, count: int, seconds: float) -> None:
        self._count = count
        self._rate = count / seconds
        # Guards both below.
        self._lock = threading.Lock()
        self._left = float(count)
        self._filled = time.monotonic()

    def take(self) -> bool:
        """Whether one more is allowed now; if so, it is taken."""
        now = time.monotonic()
        with self._lock:
            self._left = min(self._count, self._left + (now - self._filled) * self._rate)
            self._filled = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


class RateLimitedLog:
    """Warnings that can be caused as often as one likes: `lines` of them at once, as many in a minute. Any thread."""

    def __init__(self, logger: logging.Logger, lines: int = _LINES) -> None:
        self._logger = logger
        self._bucket = TokenBucket(lines, _WHILE)
        self._left_out = 0

    def warning(self, message: str, *arguments: object, exc_info: bool = False) -> None:
        """Print one line, with the traceback of the current exception behind it where asked for; or only count it."""
        if not self._bucket.take():
            self._left_out += 1
            return
        left_out, self._left_out = self._left_out, 0
        if left_out:
            message += f" ({left_out} like this were left out before)"
        self._logger.warning(message, *arguments, exc_info=exc_info)

"""Where one copy stands, and what it does about a message of its host. Offsets and sizes are bytes.

pushed, and fits the copy's end          appended
pushed, and lies before the end          a duplicate: ignored
pushed, while a pull is outstanding      ignored: it comes in its turn
anything else                            pulled
"""

from __future__ import annotations

import time

from ..engine.logfile import stat_log
from .spool import CopyLock, SpoolFile
from .words import Data, Done, More, Reply, offset_of

PATIENCE = 3.0  # seconds without a piece after which a pull is made again
_FIRST_PAUSE = 1.0  # seconds until a copy that could not be written is tried again; each further time twice as long,
_LAST_PAUSE = 60.0  # up to this


class Copy:
    """One copy, in the hands of the holder of its lock. Only for the thread that works, but for what others may read.

    Methods that take a message return whether the copy is to be pulled now; they raise OSError where it cannot be
    written.
    """

    def __init__(self, name: str, host: str, source_name: str, file: SpoolFile, lock: CopyLock) -> None:
        """`name` is the session as viewers here have it, `source_name` as its host has it."""
        self.name = name
        self.host = host
        self.source_name = source_name
        self.file = file
        self.lock = lock
        self.is_listening = False  # to what is pushed
        self.is_level = False  # with what the host has said last; any thread may read this,
        self.moved = time.monotonic()  # and this: when it got on last
        self.is_missing = False  # and this: the host has no such log now
        self.lag = 0  # and this: bytes
        self.number: int | None = None  # of the outstanding pull
        self.final: str | None = None  # where the session ends
        self.completed: str | None = None  # where it was last said to end
        self._begun = False  # the outstanding pull has started the copy over
        self._begin_offset = 0  # where the outstanding pull began
        self._until = 0.0  # the outstanding pull is waited for
        self._rest = 0.0  # the copy is left alone
        self._pause = _FIRST_PAUSE

    def begin_pull(self, number: int) -> None:
        """A pull is on its way."""
        self.number, self._begun, self._begin_offset = number, False, self.file.offset
        self._until = time.monotonic() + PATIENCE
        self.is_level = False  # or else nobody would ask again if the answer is lost

    def is_overdue(self) -> bool:
        """Whether it should be pulled, since a pull was lost, or a pause is over."""
        waits = self.number is not None and time.monotonic() <= self._until
        return not self.is_level and not waits and not self.is_pausing

    def lose_touch(self) -> None:
        """What was under way is lost."""
        self.number, self.is_level = None, False

    def fail(self) -> None:
        """It cannot be written: leave it alone for a while, the longer the more often that happens."""
        self.number, self.is_level = None, False
        self._rest = time.monotonic() + self._pause
        self._pause = min(_LAST_PAUSE, 2 * self._pause)

    @property
    def is_pausing(self) -> bool:
        """Whether it is left alone for a while."""
        return self.number is None and time.monotonic() <= self._rest

    def data(self, message: Data) -> bool:
        """Bytes were pushed."""
        if self.number is not None or self.is_pausing:
            return False
        if message.cursor != self.file.cursor:
            if self.file.exists and offset_of(message.cursor) + len(message.payload) <= self.file.offset:
                return False
            self.is_level = False
            return True
        self._append(message.payload, message.size)
        self.is_level = self.lag == 0
        return False

    def reply(self, message: Reply) -> bool:
        """A piece of what was pulled."""
        if message.number != self.number:
            is_next = message.payload and not message.start_over and message.cursor == self.file.cursor
            if self.number is not None and is_next:  # of an earlier pull, and late
                self._append(message.payload, message.size)
                self._until = self.moved + PATIENCE
            return False
        if message.start_over and not self._begun:
            self.file.start_over(message.payload)
            self._begun = True
            self.final = self.completed = None  # of the log before; where this one is complete, that is said again
            self._note(message.size)
        elif message.cursor == self.file.cursor:
            self._append(message.payload, message.size)
        elif offset_of(message.cursor) + len(message.payload) > self.file.offset:
            self.number = None
            return True
        self._until = self.moved + PATIENCE
        if not message.last:
            return False
        self.number = None
        self.is_missing = False
        self.is_level = self.lag == 0
        if not self._begun and self.file.offset == self._begin_offset:
            if not self.is_level:  # there should be more, and nothing came: not in a loop
                self._rest = self.moved + _FIRST_PAUSE
            return False
        return not self.is_level

    def more(self, message: More) -> bool:
        """There is something that must be pulled."""
        if self.number is not None or self.is_pausing:
            return False
        self.is_level = False
        return True

    def done(self, message: Done) -> bool:
        """The session is complete."""
        self.final = message.cursor
        return self.final != self.file.cursor and self.number is None and not self.is_pausing

    def missing(self, number: int) -> None:
        """The host has no such log, says the answer to a pull."""
        if number == self.number:
            self.number = None
            self.is_missing = True
            self.moved = time.monotonic()
            self._rest = self.moved + _FIRST_PAUSE

    def look_again(self) -> None:
        """Somebody asks for it: perhaps the host has it by now."""
        if self.is_missing:
            self._rest = 0.0

    def is_at_end(self) -> bool:
        """Whether all of a complete session is here, and that was not said yet."""
        return self.final is not None and self.final == self.file.cursor and self.completed != self.final

    def close(self) -> None:
        """Let go of the file and its lock."""
        self.file.close()
        self.lock.release(is_copied=stat_log(self.file.path) is not None)

    def _append(self, payload: bytes, size: int) -> None:
        self.file.append(payload)
        self._note(size)

    def _note(self, size: int) -> None:
        self.lag = max(0, size - self.file.offset)
        self.moved = time.monotonic()
        self._pause = _FIRST_PAUSE

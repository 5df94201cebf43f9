"""One log as it is shipped: how far it was pushed, and what answers a pull. Offsets and sizes are bytes.

A file that was rotated away stays open for a while: who lacks some of it gets that first, and then the next file.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..engine.logfile import LogFile, Signature, identity_of, signature_of, stat_log
from ..engine.reading import Reader, RewrittenError, place_of
from .words import LEASE, PIECE, PUSH, Data, Message, Missing, More, Read, Reply, offset_of

_EARLIER = 4  # files of one name that were rotated away and are still held open


@dataclass(slots=True)
class Lease:
    """A dashboard that follows a log."""

    until: float
    lag: int = 0  # bytes that its copy lacked when it was last heard of
    behind_since: float | None = None  # None where it lacked nothing


@dataclass(slots=True)
class _Earlier:
    """A file that was rotated away."""

    file: LogFile
    until: float  # when it is let go, unless somebody asks for more of it


class ShippedLog:
    """One log; for the watcher, a follower of its file.

    What reads its files is for the thread that holds `lock`, and raises OSError.
    """

    def __init__(
        self,
        name: str,
        path: str,
        *,
        say: Callable[[Message, str | None], object],
        watch: Callable[[ShippedLog, LogFile], object],
        on_wake: Callable[[ShippedLog], object],
    ) -> None:
        """`say(message, dashboard)` sends to one dashboard, or where that is None, to all who follow."""
        self.name = name
        self.path = path
        self.seen: Signature | None = None
        # Held while its files are read, so that what is sent of it goes out in order. A disk that hangs holds it.
        self.lock = threading.Lock()
        # Guarded by the ship's lock:
        self.leases: dict[str, Lease] = {}
        self.jobs: deque[Callable[[ShippedLog], object]] = deque()  # what is to be done for it
        self.is_due = False  # and whether it is to be pushed
        self.is_queued = False  # for either of these
        # Guarded by `lock`:
        self._reader: Reader | None = None  # what was pushed so far, in the file that is at the path
        self._earlier: list[_Earlier] = []
        self.pushed = 0
        self.say = say
        self._watch, self._on_wake = watch, on_wake

    def wake(self) -> None:
        """The file may have changed. Does not block."""
        self._on_wake(self)

    @property
    def is_followed(self) -> bool:
        """Whether what is appended is pushed. Any thread may ask."""
        return self._reader is not None

    @property
    def offset(self) -> int:
        """How far it was pushed."""
        return self._reader.offset if self._reader is not None else 0

    @property
    def file(self) -> LogFile | None:
        """The file that is pushed."""
        return self._reader.file if self._reader is not None else None

    def follow(self) -> bool:
        """Push what is appended from now on; False where there is no log. Raises NoThreadError."""
        return self._reader is not None or self._take_up()

    def let_go(self) -> None:
        """Push nothing more."""
        self._reader = None
        self._earlier.clear()

    def push(self) -> None:
        """Send what is new to all who follow."""
        reader = self._reader
        if reader is None:
            return
        try:
            state = reader.file.state()
            self.seen = signature_of(state)
            reader = self._advance(reader, state.st_size)
        except OSError:
            self.seen = None  # the sweep has us look again
            raise
        found = stat_log(self.path)
        if found is None or identity_of(found) == reader.file.identity:
            return
        reader = self._advance(reader, reader.file.size())  # for what was written between that look and this one
        if not self._take_up():
            return  # it is found by the sweep
        self._earlier = [*self._earlier, _Earlier(reader.file, time.monotonic() + LEASE)][-_EARLIER:]
        self.say(More(self.name, self.offset), None)

    def stands_at(self, cursor: str) -> bool:
        """Whether a copy is where the pushes are."""
        return self._reader is not None and self._reader.cursor == cursor

    def lag(self, cursor: str) -> int:
        """Bytes that a copy lacks, as far as is known; one of an earlier file lacks all of this one."""
        lag = self.offset - offset_of(cursor)
        return self.offset if lag < 0 else lag

    def read(self, asked: Read) -> LogFile | None:
        """Answer a pull. Returns the log's file where that was sent to its end."""
        if asked.most and self.follow():
            self.push()  # so that what is sent now ends where the next push begins
        file = self._open()
        reader = place_of(file, asked.cursor) if file is not None else None
        start_over = False
        if reader is None:
            reader = self._place_in_earlier(asked.cursor, file)
            start_over = reader is None or reader.offset == 0
        if reader is None and file is None:
            self.say(Missing(asked.name, asked.number), asked.dashboard)
            return None
        if reader is None:
            assert file is not None
            reader = Reader(file)
        end = self._end_of(reader.file)
        stop = min(end, reader.offset + asked.most)
        while True:
            cursor = reader.cursor
            try:
                data = reader.read_bytes(max(stop, reader.offset), PIECE)
            except RewrittenError:
                reader, data, start_over, stop = Reader(file or reader.file), b"", True, 0
                cursor = reader.cursor
            last = not data or reader.offset >= stop
            reply = Reply(asked.name, asked.number, cursor, max(end, reader.offset), start_over, last, data)
            self.say(reply, asked.dashboard)
            start_over = False
            if last:
                break
        if file is not None and reader.file.identity != file.identity:
            if reader.offset >= end:  # of an earlier file: on to the next one
                self.say(More(asked.name, file.size()), asked.dashboard)
            return None
        return reader.file if asked.most and reader.offset == reader.file.size() else None

    def forget_earlier(self, now: float) -> None:
        """Let those files go that nobody has asked for lately."""
        self._earlier = [one for one in self._earlier if one.until > now]

    def _take_up(self) -> bool:
        """Push from the end on of the file that is at the path now; False where there is none. Raises NoThreadError."""
        file = self._open()
        if file is None:
            return False
        seen = file.signature()  # before its size: what is written between the two is found by the sweep
        reader = Reader.at(file, file.size())
        self._watch(self, file)
        self.seen, self._reader = seen, reader
        return True

    def _open(self) -> LogFile | None:
        try:
            return LogFile.open(self.path)
        except OSError:
            return None

    def _end_of(self, file: LogFile) -> int:
        pushed = self._reader
        size = file.size()
        return min(size, pushed.offset) if pushed is not None and pushed.file.identity == file.identity else size

    def _place_in_earlier(self, cursor: str, file: LogFile | None) -> Reader | None:
        """Where a copy stands that lacks some of what was rotated away; None where it lacks nothing, or all.

        At the beginning of the next file where it has all of its own one.
        """
        held = [_Earlier(self._reader.file, 0.0)] if self._reader is not None else []
        later: list[_Earlier] = []
        for earlier in [*held, *reversed(self._earlier)]:
            if file is not None and earlier.file.identity == file.identity:
                continue
            reader = place_of(earlier.file, cursor)
            if reader is not None and reader.offset > 0:
                for one in (earlier, *later):  # these are asked for next
                    one.until = time.monotonic() + LEASE
                if reader.offset < self._end_of(earlier.file):
                    return reader
                return Reader(later[-1].file) if later else None
            if self._end_of(earlier.file):
                later.append(earlier)
        return None

    def _advance(self, reader: Reader, size: int) -> Reader:
        """Send what is new in the file that is pushed, or that there is much. Returns where it was pushed to."""
        try:
            # Where there is nothing new, too: it may be another text. And who stands at the beginning gets a piece in
            # any case: or else nobody knows of which file that is the beginning, once this one is rotated away.
            while size - reader.offset <= PUSH or reader.offset == 0:
                cursor = reader.cursor
                data = reader.read_bytes(size, PIECE)
                if data:
                    self.say(Data(self.name, cursor, size, data), None)
                    self.pushed += len(data)
                if not data or reader.offset >= size:
                    return reader
        except RewrittenError:
            size = reader.file.size()
        self._reader = reader = Reader.at(reader.file, size)
        self.say(More(self.name, size), None)
        return reader

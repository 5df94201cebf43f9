"""Which line stands at an offset of a log: sparse indexes, made once for a file and extended as it grows.

Offsets and sizes are bytes.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from ..ratelimit import RateLimitedLog
from .logfile import Identity, LogFile, stat_log
from .pacing import Pace
from .reading import Reader
from .sessions import file_name
from .state import StateDirectory

logger = logging.getLogger(__name__)

_VERSION = 1  # of a record
_RECORDS = "lines"  # the directory of the indexes, each by the name of its log's file
_STRIDE = 256 * 1024  # from mark to mark, doubled whenever there would be too many
_MOST_MARKS = 16384
_BLOCK = 256 * 1024  # read and counted at once
_BATCH = 16 * 1024 * 1024  # after which what is known is told
_AT_ONCE = 8 * 1024 * 1024  # indexed while somebody waits
_WORTH_KEEPING = 4 * 1024 * 1024  # by which an index has grown that is written down again
_MOST_KNOWN = 32  # indexes in memory


class _State(NamedTuple):
    """What an index knows. `counts` only grows, and may be longer than what `covered` says."""

    stride: int
    counts: array[int]  # the line feeds before each multiple of the stride
    covered: int
    cursor: str  # at `covered`


class LineIndex:
    """The index of one file. Any thread may ask; who extends it does so alone."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._state = _State(_STRIDE, array("Q", [0]), 0, "0.00000000")
        # Held by who extends the index. Nobody waits for it, so that it may be held while the file is read.
        self._extending = threading.Lock()
        self.kept = 0  # how far it is written down

    @property
    def covered(self) -> int:
        """How far lines are counted."""
        return self._state.covered

    def fits(self, file: LogFile) -> bool:
        """Whether what was counted is still what is in the file. Raises OSError."""
        state = self._state
        if file.identity != self._identity or file.size() < state.covered:
            return False
        return Reader.at(file, state.covered).cursor == state.cursor

    def lacks(self, size: int) -> bool:
        """Whether there is something to count in a file of this size."""
        state = self._state
        return size - state.covered >= state.stride

    def line_at(self, file: LogFile, offset: int) -> int | None:
        """The number, from 1 on, of the line that has the byte at an offset; None where that is not known yet.

        Raises OSError.
        """
        state = self._state
        mark = min(offset, state.covered) // state.stride
        start = mark * state.stride
        if offset - start > 2 * state.stride:
            return None
        count = _count(file, start, offset)
        return None if count is None else state.counts[mark] + count + 1

    def extend(self, file: LogFile, stop: int, rest: Callable[[], object]) -> bool:
        """Count on, at most up to an offset; False if another thread does. Calls `rest()` between. Raises OSError."""
        if not self._extending.acquire(blocking=False):
            return False
        try:
            stride, counts, covered, _ = self._state
            while covered + stride <= stop:
                count, place = counts[covered // stride], covered
                while place < covered + stride:
                    data = file.read(place, min(_BLOCK, covered + stride - place))
                    if not data:
                        return True  # truncated meanwhile: `fits` will say so
                    count += data.count(b"\n")
                    place += len(data)
                    rest()
                covered = place
                counts.append(count)
                if len(counts) > _MOST_MARKS:
                    stride, counts = 2 * stride, counts[::2]
                    covered = (len(counts) - 1) * stride
            self._state = _State(stride, counts, covered, Reader.at(file, covered).cursor)
        finally:
            self._extending.release()
        return True

    def record(self) -> bytes:
        """The index as text."""
        stride, counts, covered, cursor = self._state
        marks = counts[: covered // stride + 1]
        device, inode = self._identity
        fields = {
            "version": _VERSION,
            "device": device,
            "inode": inode,
            "stride": stride,
            "cursor": cursor,
            "lines": [after - before for before, after in itertools.pairwise(marks)],
        }
        return orjson.dumps(fields)

    @classmethod
    def parse(cls, record: bytes) -> LineIndex:
        """Raises ValueError for what is no record, or one of a later version."""
        fields: Any = orjson.loads(record)
        if not isinstance(fields, dict) or fields.get("version") != _VERSION:
            raise ValueError("it is of another version")
        try:
            numbers = (fields["device"], fields["inode"], fields["stride"], *fields["lines"])
            cursor = fields["cursor"]
        except (KeyError, TypeError):
            raise ValueError("its fields are not all there") from None
        if not all(type(number) is int and number >= 0 for number in numbers) or type(cursor) is not str:
            raise ValueError("its fields are of other types")
        device, inode, stride, *lines = numbers
        if stride < _STRIDE or len(lines) >= _MOST_MARKS or any(count > stride for count in lines):
            raise ValueError("its numbers make no sense")
        counts = array("Q", [0])
        for count in lines:
            counts.append(counts[-1] + count)
        index = cls((device, inode))
        index._state = _State(stride, counts, len(lines) * stride, cursor)
        index.kept = index.covered
        return index


class LineNumbers:
    """The numbers of lines that are asked for one after the other, in either direction. For one thread at a time."""

    def __init__(self, index: LineIndex, file: LogFile) -> None:
        self._index = index
        self._file = file
        self._last = (0, 1)  # where a line begins, and its number

    def line_at(self, offset: int) -> int | None:
        """As the index says it, but counted from the last one where that is near. Raises OSError."""
        place, known = self._last
        if abs(offset - place) <= _STRIDE // 2:
            count = _count(self._file, min(place, offset), max(place, offset))
            line = None if count is None else known + count if offset > place else known - count
        else:
            line = self._index.line_at(self._file, offset)
        if line is not None:
            self._last = (offset, line)
        return line


def _count(file: LogFile, start: int, stop: int) -> int | None:
    """How many line feeds there are between two offsets; None where the file ends before. Raises OSError."""
    count = 0
    while start < stop:
        data = file.read(start, min(_BLOCK, stop - start))
        if not data:
            return None  # truncated meanwhile
        count += data.count(b"\n")
        start += len(data)
    return count


class LineIndexes:
    """The indexes of the logs in a directory. Any thread. A thread of its own runs while there is much to count."""

    def __init__(self, directory: str, suffix: str, state: StateDirectory, pace: Pace) -> None:
        self._directory = directory
        self._suffix = suffix
        self._records = state.within(_RECORDS)
        self._pace = pace
        self._troubles = RateLimitedLog(logger, lines=1)
        # Guards all below.
        self._lock = threading.Lock()
        self._known: OrderedDict[str, LineIndex] = OrderedDict()
        self._waiting: OrderedDict[str, LogFile] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._closed = False

    def of(self, session_name: str, file: LogFile) -> LineIndex:
        """The index of a session's log. A little is counted at once, more than that meanwhile. Raises OSError."""
        index = self._find(session_name, file)
        size = file.size()
        if size - index.covered <= _AT_ONCE:
            index.extend(file, size, lambda: None)
        if index.lacks(size):
            self._continue(session_name, file)
        return index

    def close(self) -> None:
        """Count no more."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            thread = self._thread
        if thread is not None:
            thread.join(1.0)  # longer only where a disk does not answer

    def _find(self, session_name: str, file: LogFile) -> LineIndex:
        with self._lock:
            index = self._known.get(session_name)
        if index is None:
            index = self._read(session_name)
        if index is None or not index.fits(file):
            index = LineIndex(file.identity)
        with self._lock:
            self._known[session_name] = index
            self._known.move_to_end(session_name)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return index

    def _read(self, session_name: str) -> LineIndex | None:
        try:
            found = self._records.read(file_name(session_name, self._suffix))
            return LineIndex.parse(found[0]) if found is not None else None
        except (OSError, ValueError) as error:
            self._troubles.warning("the line index of session %r is not believed: %s", session_name, str(error))
            return None

    def _continue(self, session_name: str, file: LogFile) -> None:
        """Have the rest of a file counted by the thread."""
        with self._lock:
            if self._closed:
                return
            self._waiting.setdefault(session_name, file)
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="logstream line indexes", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads: some other time
                self._waiting.clear()
                return
            self._thread = thread

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                session_name, file = self._waiting.popitem(last=False)
            try:
                self._count(session_name, file)
            except OSError as error:
                self._troubles.warning("the lines of session %r cannot be counted: %s", session_name, str(error))
            except Exception:
                logger.exception("counting the lines of session %r failed", session_name)

    def _count(self, session_name: str, file: LogFile) -> None:
        index = self._find(session_name, file)
        with self._pace.work() as rest:
            while index.lacks(size := file.size()) and not self._closed:
                before = index.covered
                if not index.extend(file, min(size, before + _BATCH), rest) or index.covered == before:
                    return  # another thread does it, or the file was truncated
        if index.covered - index.kept >= _WORTH_KEEPING and index.fits(file):
            self._keep(session_name, index)

    def _keep(self, session_name: str, index: LineIndex) -> None:
        """Write an index down, and take those away whose logs are gone."""
        covered = index.covered
        try:
            self._records.write(file_name(session_name, self._suffix), index.record())
            for name in self._records.names():
                if stat_log(os.path.join(self._directory, name)) is None:
                    self._records.remove(name)
        except OSError as error:
            self._troubles.warning("line indexes cannot be written down: %s", str(error))
        index.kept = covered

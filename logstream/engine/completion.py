"""Which sessions are complete: written down, so that it holds for every process and over every restart."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from ..ratelimit import RateLimitedLog
from .logfile import LogFile, Signature, signature_of, stat_log
from .reading import Reader
from .sessions import file_name, log_path
from .state import StateDirectory
from .subscription import LogEnd

logger = logging.getLogger(__name__)

_VERSION = 1  # of a record
_RECORDS = "complete"  # the directory of the records, each by the name of its log's file
_NEWS = "news"  # the sessions that were completed last, one a line: a hint for the other processes
_MOST_NEWS = 256 * 1024  # bytes
_MAX_REMEMBERED = 10_000  # completions that cannot be written down; the longest known is forgotten first
_RETRIED = 100  # of them, that are written down at once when that can be again


@dataclass(frozen=True, slots=True)
class Completion:
    """What the log of a completed session is known by, so that one of its name that starts anew is live again.

    Inode and size are not enough: a new file may get the old one's inode, and hold as much. The number of the device
    is no part of it, since that may be another one after a restart, and on another host.
    """

    inode: int
    size: int  # bytes
    changed: int  # nanoseconds since the epoch
    cursor: str  # at the end
    completed: float  # seconds since the epoch

    @classmethod
    def at(cls, end: LogEnd) -> Completion | None:
        """None where there is no file, or one that has gone on already."""
        try:
            if end.file is None:
                return None
            _, inode, size, changed = end.file.signature()
            if size != end.offset:
                return None
            return cls(inode, size, changed, Reader.at(end.file, size).cursor, time.time())
        except OSError:
            return None

    @classmethod
    def parse(cls, record: bytes) -> Completion:
        """Raises ValueError for what is no record, or one of a later version."""
        fields: Any = orjson.loads(record)
        if not isinstance(fields, dict) or fields.get("version") != _VERSION:
            raise ValueError("it is of another version")
        try:
            numbers = (fields["inode"], fields["size"], fields["changed"])
            cursor, completed = fields["cursor"], fields["completed"]
        except KeyError as error:
            raise ValueError(f"it has no {error}") from None
        if (
            not all(type(number) is int for number in numbers)
            or type(cursor) is not str
            or type(completed) is not float
        ):
            raise ValueError("its fields are of other types")
        return cls(*numbers, cursor, completed)

    def record(self, session_name: str) -> bytes:
        """The completion as text, for people too."""
        fields = {
            "version": _VERSION,
            "session": session_name,
            "size": self.size,
            "cursor": self.cursor,
            "changed": self.changed,
            "completed": self.completed,
            "inode": self.inode,
        }
        return orjson.dumps(fields, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def is_of_the_same(self, other: Completion) -> bool:
        """Whether both are of one log as it was, whenever they were noted."""
        return replace(self, completed=other.completed) == other

    def fits(self, signature: Signature) -> bool:
        """Whether a log looks from outside as it was completed."""
        return (self.inode, self.size, self.changed) == signature[1:]

    def end_in(self, file: LogFile) -> LogEnd | None:
        """Where the session ended, if this file is the log as it was completed."""
        try:
            is_the_same = self.fits(file.signature()) and Reader.at(file, self.size).cursor == self.cursor
        except OSError:
            return None
        return LogEnd(file, self.size) if is_the_same else None


class Completions:
    """The completions of the logs in a directory, as all processes know them. Any thread."""

    def __init__(self, directory: str, suffix: str, state: StateDirectory) -> None:
        self._directory = directory
        self._suffix = suffix
        self._state = state
        self._records = state.within(_RECORDS)
        self._bad_records, self._troubles = RateLimitedLog(logger, lines=1), RateLimitedLog(logger, lines=1)
        # Guards _remembered.
        self._lock = threading.Lock()
        self._remembered: OrderedDict[str, Completion] = OrderedDict()  # what could not be written down

    @property
    def news_path(self) -> str:
        """The file that changes whenever a session has been completed."""
        return os.path.join(self._state.path, _NEWS)

    def find(self, session_name: str) -> Completion | None:
        """What a session was last completed as, whatever its log is by now."""
        with self._lock:
            remembered = self._remembered.get(session_name)
        written = self._read(session_name)
        if remembered is None or (written is not None and written.completed > remembered.completed):
            return written
        return remembered

    def _read(self, session_name: str) -> Completion | None:
        try:
            found = self._records.read(file_name(session_name, self._suffix))
            return Completion.parse(found[0]) if found is not None else None
        except ValueError as error:
            self._bad_records.warning("the record of session %r is not believed: %s", session_name, str(error))
        except OSError as error:
            self._warn(error)
        return None

    @contextlib.contextmanager
    def listed(self) -> Iterator[Callable[[str, Signature], float | None]]:
        """Gives a function: when a session was completed whose log is still as it was then; None if it is not complete.

        For lists of thousands: a record bears its log's time of last change, so it need not be read.
        """
        with self._lock:
            remembered = dict(self._remembered)
        user = os.geteuid()
        with contextlib.ExitStack() as opened:
            try:
                records = opened.enter_context(self._records.opened())
                names = frozenset(os.listdir(records))
            except OSError:
                records, names = -1, frozenset()

            def completed_since(session_name: str, signature: Signature) -> float | None:
                completion = remembered.get(session_name)
                if completion is not None and completion.fits(signature):
                    return completion.completed
                name = file_name(session_name, self._suffix)
                if name not in names:
                    return None
                try:
                    found = os.stat(name, dir_fd=records, follow_symlinks=False)
                except OSError:
                    return None
                return found.st_ctime if found.st_mtime_ns == signature[3] and found.st_uid == user else None

            yield completed_since

    def note(self, session_name: str, completion: Completion) -> None:
        """Write a completion down, unless it is; where that cannot be, remember it as long as this process lives."""
        written = self._read(session_name)
        with self._lock:
            remembered = self._remembered.get(session_name)
        if written is not None and remembered is None and completion.is_of_the_same(written):
            return
        if remembered is not None and completion.is_of_the_same(remembered):
            completion = remembered
        try:
            self._write(session_name, completion)
        except OSError as error:
            self._warn(error)
            with self._lock:
                self._remembered.pop(session_name, None)
                self._remembered[session_name] = completion
                if len(self._remembered) > _MAX_REMEMBERED:
                    self._remembered.popitem(last=False)
        else:
            self._write_remembered()

    def _write(self, session_name: str, completion: Completion) -> None:
        """Raises OSError."""
        name = file_name(session_name, self._suffix)
        self._records.write(name, completion.record(session_name), completion.changed)
        if not self._state.append(_NEWS, orjson.dumps(session_name) + b"\n", _MOST_NEWS):
            self._clear_away()  # so rarely that it costs nothing
        with self._lock:
            self._remembered.pop(session_name, None)

    def _write_remembered(self) -> None:
        """Something could be written down: so can some of what could not before."""
        with self._lock:
            remembered = list(itertools.islice(self._remembered.items(), _RETRIED))
        for session_name, completion in remembered:
            found = stat_log(log_path(self._directory, session_name, self._suffix))
            try:
                if found is not None and completion.fits(signature_of(found)):
                    self._write(session_name, completion)
                    continue
            except OSError:
                return
            with self._lock:
                self._remembered.pop(session_name, None)

    def _warn(self, error: OSError) -> None:
        self._troubles.warning(
            "completions cannot be written down in %s (%s): they are forgotten when this process ends, and no other "
            "one hears of them. LOGSTREAM_STATE names another place",
            self._state.path,
            error.strerror,
        )

    def _clear_away(self) -> None:
        """Take away the records of logs that are gone."""
        for name in self._records.names():
            if stat_log(os.path.join(self._directory, name)) is None:
                self._records.remove(name)

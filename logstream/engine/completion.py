"""Which sessions are complete: written down, so that it holds for every process and over every restart."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
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
_LOCK = "lock"  # held by who writes a record
_MOST_READ = 2000  # records that a list reads for their exit statuses, for what is not known from an earlier one
_SCRIPT_DONE = re.compile(rb'\r?\nScript done on [^\r\n]*\[COMMAND_EXIT_CODE="(\d{1,3})"\]\s*\Z')
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
    exit_status: int | None = None  # of the session's program; None where nobody knows it

    @classmethod
    def at(cls, end: LogEnd, exit_status: int | None = None) -> Completion | None:
        """None where there is no file, or one that has gone on already.

        What `script` has written last says the exit status better than who ran `script`.
        """
        try:
            if end.file is None:
                return None
            _, inode, size, changed = end.file.signature()
            if size != end.offset:
                return None
            reader = Reader.at(end.file, size)
            said = _SCRIPT_DONE.search(reader.check)
            return cls(inode, size, changed, reader.cursor, time.time(), int(said[1]) if said else exit_status)
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
        exit_status = fields.get("exit_status")
        if exit_status is not None and type(exit_status) is not int:
            raise ValueError("its exit status is no number")
        return cls(*numbers, cursor, completed, exit_status)

    def record(self, session_name: str) -> bytes:
        """The completion as text, for people too."""
        fields = {
            "version": _VERSION,
            "session": session_name,
            "size": self.size,
            "cursor": self.cursor,
            "changed": self.changed,
            "completed": self.completed,
            "exit_status": self.exit_status,
            "inode": self.inode,
        }
        return orjson.dumps(fields, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def is_of_the_same(self, other: Completion) -> bool:
        """Whether both are of one log as it was, whenever they were noted, and whatever is known of its program."""
        return replace(self, completed=other.completed, exit_status=other.exit_status) == other

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


_Stamp = tuple[int, int]  # a record's inode and last change of state, in nanoseconds


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
        self._exit_statuses: dict[str, tuple[_Stamp, int | None]] = {}  # of records that a list has read

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
    def listed(self) -> Iterator[Listing]:
        """What a list of thousands says of them: most records need not be read."""
        with self._lock:
            remembered = dict(self._remembered)
        with contextlib.ExitStack() as opened:
            try:
                records = opened.enter_context(self._records.opened())
                names = frozenset(os.listdir(records))
            except OSError:
                records, names = -1, frozenset()
            yield Listing(self, remembered, records, names, self._suffix, self._exit_statuses)

    def note(self, session_name: str, completion: Completion) -> bool:
        """Write a completion down, unless it is; where that cannot be, remember it as long as this process lives.

        Returns whether it is news: of all threads and processes that note the same one, it is to one only.
        """
        with contextlib.ExitStack() as locked:
            try:
                fd = self._state.lock(_LOCK, wait=True)
                if fd is not None:
                    locked.callback(os.close, fd)
            except OSError:
                pass  # there are no locks, or nothing can be written at all
            written = self._read(session_name)
            with self._lock:
                remembered = self._remembered.get(session_name)
            known = remembered if remembered is not None else written
            if known is None or not completion.is_of_the_same(known):
                self._keep(session_name, completion)
                return True
            if known.exit_status is None and completion.exit_status is not None:
                self._keep(session_name, replace(known, exit_status=completion.exit_status))
            elif remembered is not None:
                self._keep(session_name, remembered)
            return False

    def _keep(self, session_name: str, completion: Completion) -> None:
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
        self._exit_statuses.clear()


class Listing:
    """The completions as a list has them, as long as it is made: `listing(session_name, signature)`. For one thread."""

    def __init__(
        self,
        completions: Completions,
        remembered: Mapping[str, Completion],
        records: int,
        names: frozenset[str],
        suffix: str,
        known: dict[str, tuple[_Stamp, int | None]],
    ) -> None:
        """`remembered` are those that are not written down, `records` is the descriptor of the directory of `names`.

        `known` keeps what is read from one list to the next.
        """
        self._completions = completions
        self._remembered = remembered
        self._records = records
        self._names = names
        self._user = os.geteuid()
        self._suffix = suffix
        self._known = known
        self._stamps: dict[str, _Stamp] = {}
        self._left = _MOST_READ

    def __call__(self, session_name: str, signature: Signature) -> float | None:
        """When a session was completed whose log still has this signature, in seconds since the epoch; else None.

        A record bears its log's time of last change, so it need not be read.
        """
        completion = self._remembered.get(session_name)
        if completion is not None and completion.fits(signature):
            return completion.completed
        name = file_name(session_name, self._suffix)
        if name not in self._names:
            return None
        try:
            found = os.stat(name, dir_fd=self._records, follow_symlinks=False)
        except OSError:
            return None
        if found.st_mtime_ns != signature[3] or found.st_uid != self._user:
            return None
        self._stamps[session_name] = found.st_ino, found.st_ctime_ns
        return found.st_ctime

    def exit_status(self, session_name: str) -> int | None:
        """The exit status of a session that was found to be complete, where it is known.

        For that the record is read, once in a process. A list reads 2,000 at most: what is left, a later one has.
        """
        stamp = self._stamps.get(session_name)
        if stamp is None:
            completion = self._remembered.get(session_name)
            return completion.exit_status if completion is not None else None
        known = self._known.get(session_name)
        if known is not None and known[0] == stamp:
            return known[1]
        if not self._left:
            return None
        self._left -= 1
        completion = self._completions.find(session_name)
        exit_status = completion.exit_status if completion is not None else None
        self._known[session_name] = stamp, exit_status
        return exit_status

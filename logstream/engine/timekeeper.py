"""Looks once a second how large the logs are that are followed, and writes it down: see `arrivals`.

It has a thread of its own, which asks nothing of those who follow, and takes no lock that they wait for. Where a
thousand logs are written at once, it looks less often: it takes a quarter of one percent of a processor at most.
Several processes may follow one log: each writes down what it has seen, and what they have seen together is true, too.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from ..ratelimit import RateLimitedLog
from .arrivals import Standing, beginning, lines, merged, now, parse, thinned
from .logfile import LogFile, NotALogError, Signature, signature_of, stat_log
from .pacing import Pace
from .reading import Reader
from .sessions import file_name, log_path
from .state import StateDirectory

logger = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds from look to look
_SHARE = 400  # times as long as it has worked it rests, however many logs are written

_RECORDS = "times"  # the directory of the records, each by the name of its log's file
_LATE = 500  # milliseconds by which those who follow may have seen a change too late
_LAST = 0.5  # seconds in which it is written down what is not, in the end
_WRITTEN = 20.0  # seconds after which is written down what is new
_MOST = 2048  # standings of a log, of which older ones are left out
_MOST_UNWRITTEN = 128  # the same, where they cannot be written down
_MOST_BYTES = 256 * 1024  # of a record, which is then written anew with no more than those
_REPEATED = 1000  # milliseconds by which a standing has to be longer, and as long again, to be written down once more
_MOST_LEFT = 100  # logs that nobody follows any more, and of which not all could be written down
_MOST_READ = 4  # records that are kept as they were read, for who asks for one part of a log after the other
_CLEARED = 60.0  # seconds after which it is looked again for records of logs that are gone
_NOWHERE = -1  # no descriptor
_CLOCK = 60_000  # milliseconds that another process's clock may be ahead

_Look = tuple[int, int, int]  # inode, size and last change of state in nanoseconds: nothing happened if it is the same
_Stamp = tuple[int, Signature]  # the inode of a log, and its record's signature


@dataclass(slots=True)
class _Note:
    """What was seen of one log. Only the thread changes it, with the lock held."""

    look: _Look
    standing: Standing
    until: int  # till when it is known to have had that size
    seen: Signature | None = None  # what those who follow had seen, at that look
    written: Standing | None = None  # the last one that is written down
    unwritten: list[Standing] = field(default_factory=list)  # and came before the last
    tried: float = field(default_factory=time.monotonic)  # when it was written down, or could not be

    @property
    def last(self) -> Standing:
        """The size that it had last, from when till when."""
        return self.standing._replace(until=max(self.standing.until, self.until))

    def stay(self, until: int) -> None:
        """It has not changed until a time. Needs no lock."""
        self.until = max(self.until, until)

    def add(self, look: _Look, standing: Standing) -> None:
        """Take what is seen now."""
        last, self.look = self.last, look
        if standing.size == last.size:
            self.stay(standing.until)
            return
        if self._says_more(last):
            self.unwritten.append(last)
        if len(self.unwritten) >= 2 * _MOST_UNWRITTEN:
            self.unwritten = thinned(self.unwritten, _MOST_UNWRITTEN)
        since = max(standing.since, last.until)
        self.standing, self.until = standing._replace(since=since), max(since, standing.until)

    def to_write(self, is_over: bool) -> list[Standing]:
        """What is not written down: less and less often of a log that does not change, unless the looking `is_over`."""
        return [*self.unwritten, self.last] if self._says_more(self.last, is_over) else list(self.unwritten)

    def _says_more(self, standing: Standing, is_over: bool = True) -> bool:
        written = self.written
        if written is None or written.size != standing.size:
            return True
        longer = standing.until - written.until
        return longer >= _REPEATED and (is_over or longer >= written.until - written.since)


class Timekeeper:
    """When the logs in a directory arrived. Any thread may ask. Its own runs while there is somebody who follows."""

    def __init__(
        self,
        directory: str,
        suffix: str,
        state: StateDirectory,
        pace: Pace,
        followed: Callable[[], Collection[str]],
        seen: Callable[[str], Signature | None] = lambda name: None,
    ) -> None:
        """`followed()` are the names of the sessions that somebody follows, and `seen(name)` is what they have seen of
        a log, no later than half a second after it was so, or None. Neither may block.
        """
        self._directory = directory
        self._suffix = suffix
        self._records = state.within(_RECORDS)
        self._pace = pace
        self._followed = followed
        self._seen = seen
        self._troubles, self._bad_records = RateLimitedLog(logger, lines=1), RateLimitedLog(logger, lines=1)
        # Only for the thread:
        self._missing: dict[str, int] = {}  # logs that were waited for, and when they were not there
        self._cleared = -_CLEARED
        self._round = contextlib.ExitStack()  # left at the end of a round
        self._place: int | None = None  # the descriptor of the records' directory, once a round has asked for it
        # Guards all below; notified when the thread has to look sooner. Nobody blocks under it.
        self._changed = threading.Condition(threading.Lock())
        self._notes: OrderedDict[str, _Note] = OrderedDict()
        self._lately: OrderedDict[str, tuple[_Stamp, list[Standing]]] = OrderedDict()  # records that were read
        self._thread: threading.Thread | None = None
        self._closed = False

    def settle(self) -> None:
        """Have somebody look if there is anything followed, and nobody any more if not. Does not block."""
        with self._changed:
            if self._thread is not None:
                if not self._followed():
                    self._changed.notify()
                return
            if self._closed or not self._followed():
                return
            thread = threading.Thread(target=self._run, name="logstream-times", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads: the next who follows tries again
                return
            self._thread = thread

    def of(self, session_name: str, file: LogFile) -> list[Standing]:
        """The sizes that a session's log has had, as far as that is known, and the one that it has now.

        Raises OSError where the log cannot be read.
        """
        written = self._read(session_name, file)
        with self._changed:
            note = self._notes.get(session_name)
            seen = [*note.unwritten, note.last] if note is not None and note.look[0] == file.identity[1] else []
        known = [one for part in (written, seen) if part and part[-1].fits(file) for one in part]
        current = Standing.now(file)
        believed = (one for one in known if one.until <= current.until + _CLOCK and one.size <= current.size)
        return merged([*believed, current])

    def close(self) -> None:
        """Write down what is not, and look no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join(_LAST)  # longer only where a disk does not answer

    def _run(self) -> None:
        while True:
            followed = set() if self._closed else set(self._followed())
            begun = time.thread_time()
            with self._pace.work() as rest, contextlib.ExitStack() as self._round:
                self._place = None
                for name in [*followed, *(name for name in list(self._notes) if name not in followed)]:
                    try:
                        self._attend(name, is_followed=name in followed)
                    except Exception:  # the thread looks after all others
                        self._troubles.warning("looking at session %r failed", name, exc_info=True)
                    if not self._closed:
                        rest()
            self._missing = {name: at for name, at in self._missing.items() if name in followed}
            with self._changed:
                if self._closed or not self._followed():
                    if not followed:
                        self._thread = None
                        return
                    continue
                if not followed:
                    continue  # somebody follows again, and may be gone before the next look
                seconds = max(INTERVAL, _SHARE * (time.thread_time() - begun))
                self._changed.wait_for(lambda: self._closed or not self._followed(), seconds)

    def _attend(self, name: str, *, is_followed: bool) -> None:
        """Look at a log, and write down what is new: for the last time if nobody follows it any more."""
        note = self._notes.get(name)
        if not is_followed and note is not None and note.tried < 0:
            return  # it was let go of already
        try:
            note = self._look(name, note)
        except OSError as error:
            self._troubles.warning("it is not known when session %r is written: %s", name, str(error))
        if note is None:
            return
        if not is_followed or time.monotonic() - note.tried >= _WRITTEN:
            self._write(name, note, is_over=not is_followed)
        if not is_followed:
            self._let_go(name, note)

    def _look(self, name: str, note: _Note | None) -> _Note | None:
        """Note how large a log is; None where there is none. Raises OSError."""
        before = now()
        seen = self._seen(name)
        if note is not None and seen is not None and seen == note.seen:
            note.stay(before - _LATE)
            return note
        try:
            file = LogFile.open(log_path(self._directory, name, self._suffix))
        except (FileNotFoundError, NotALogError):
            self._missing[name] = before
            return note
        with contextlib.closing(file):
            before = now()
            state = file.state()
            look = state.st_ino, state.st_size, state.st_ctime_ns
            if note is None:
                cursor = Reader.at(file, state.st_size).cursor
                note = self._begin(name, file, look, Standing.of(state, before, cursor))
            elif look == note.look:
                note.stay(before)
            else:
                standing, is_continued = note.last.then(file, state, before)
                if is_continued and look[0] == note.look[0]:
                    with self._changed:
                        note.add(look, standing)
                else:
                    note = self._begin(name, file, look, standing)
        note.seen = seen
        return note

    def _begin(self, name: str, file: LogFile, look: _Look, standing: Standing) -> _Note:
        """What was seen of a log, beginning now, or where it is written down that somebody has left off."""
        record = file_name(name, self._suffix)
        is_recorded = self._is_recorded(record)
        written = self._read(name, file) if is_recorded else []
        is_known = bool(written) and written[-1].fits(file)
        note = _Note(look, standing, standing.until)
        if is_known and written[-1].size == standing.size:
            note.written = written[-1]
        at = self._missing.pop(name, None)
        if at is not None and not is_known and at <= standing.since:
            note.unwritten.append(Standing(0, at, at, "0.00000000"))
        if not is_known:
            try:
                if is_recorded:
                    self._records.remove(record)
                if time.monotonic() - self._cleared >= _CLEARED:
                    self._cleared = time.monotonic()
                    self._clear_away()
            except OSError as error:
                self._warn(error)
        with self._changed:
            self._notes[name] = note
        return note

    def _is_recorded(self, record: str) -> bool:
        """Whether there is such a record. Their directory is opened once a round, not for each."""
        if self._place is None:
            self._place = _NOWHERE
            with contextlib.suppress(OSError):
                self._place = self._round.enter_context(self._records.opened())
        if self._place == _NOWHERE:
            return False
        try:
            os.stat(record, dir_fd=self._place, follow_symlinks=False)
        except OSError:
            return False
        return True

    def _write(self, name: str, note: _Note, *, is_over: bool) -> None:
        """Write down what is not."""
        note.tried = time.monotonic()
        new = note.to_write(is_over)
        if not new:
            return
        record = file_name(name, self._suffix)
        content = beginning(note.look[0]) + lines(new)
        try:
            found = self._records.stat(record)
            if found is not None and found.st_size + len(content) > _MOST_BYTES:
                read = self._records.read(record)
                known = parse(read[0], note.look[0])[0] if read is not None else []
                content = beginning(note.look[0]) + lines(thinned(merged([*known, *new]), _MOST))
                self._records.write(record, content)
            else:
                self._records.append(record, content, 2 * _MOST_BYTES)
        except (OSError, ValueError) as error:
            self._warn(error)
            return
        with self._changed:
            note.unwritten = []
            note.written = note.last

    def _let_go(self, name: str, note: _Note) -> None:
        """Forget a log that nobody follows any more, but not what could not be written down."""
        note.tried = -1.0
        with self._changed:
            if not note.to_write(is_over=True):
                del self._notes[name]
                return
            self._notes.move_to_end(name)
            left = [one for one, other in self._notes.items() if other.tried < 0]
            for one in left[:-_MOST_LEFT]:
                del self._notes[one]

    def _read(self, name: str, file: LogFile) -> list[Standing]:
        """What is written down of a log. Any thread."""
        record, inode = file_name(name, self._suffix), file.identity[1]
        state = self._records.stat(record)
        with self._changed:
            known = self._lately.get(name)
        if known is not None and state is not None and known[0] == (inode, signature_of(state)):
            return known[1]
        try:
            found = self._records.read(record)
            if found is None:
                return []
            standings, bad = parse(found[0], inode)
        except ValueError as error:
            self._bad_records.warning("the times of session %r are not believed: %s", name, str(error))
            return []
        except OSError as error:
            self._warn(error)
            return []
        if bad:
            self._bad_records.warning("%d lines in the times of session %r are not believed", bad, name)
        with self._changed:
            self._lately[name] = (inode, signature_of(found[1])), standings
            self._lately.move_to_end(name)
            if len(self._lately) > _MOST_READ:
                self._lately.popitem(last=False)
        return standings

    def _clear_away(self) -> None:
        """Take away the records of logs that are gone. Raises OSError."""
        for name in self._records.names():
            if stat_log(os.path.join(self._directory, name)) is None:
                self._records.remove(name)

    def _warn(self, error: Exception) -> None:
        self._troubles.warning(
            "when logs arrive cannot be written down (%s): it is forgotten when this process ends", str(error)
        )

"""When the bytes of a log arrived, as far as somebody has looked: sizes that it had, and from when till when.

What stands between two such sizes came after the first one was seen last, and before the second one was there. So
what nobody has seen is told by two times that may be far apart, and nothing is invented.

Offsets and sizes are bytes. Times are milliseconds since the epoch.
"""

from __future__ import annotations

import bisect
import itertools
import time
from collections.abc import Iterable, Sequence
from os import stat_result
from typing import Any, NamedTuple

import orjson

from .logfile import LogFile
from .reading import CHECK, Reader, cursor_text

VERSION = 1  # of a record

_MOST_TIME = 1 << 53  # what any reader of JSON takes for a whole number
_EARLY = 60_000  # added to an age, so that what has just come need not be known to the millisecond


def now() -> int:
    """The time."""
    return time.time_ns() // 1_000_000


class Standing(NamedTuple):
    """A size that a log had, at least from one time until another one."""

    size: int
    since: int
    until: int
    cursor: str  # at that size

    @classmethod
    def now(cls, file: LogFile) -> Standing:
        """What a file's size is. Raises OSError.

        It is what it is since the last change of the file's state, which nothing but the kernel sets.
        """
        before = now()
        state = file.state()
        return cls.of(state, before, Reader.at(file, state.st_size).cursor)

    @classmethod
    def of(cls, state: stat_result, before: int, cursor: str) -> Standing:
        """The same by the file's state, the time before it was asked for, and the cursor at its end."""
        since = min(-(-state.st_ctime_ns // 1_000_000), now() + 1)
        return cls(state.st_size, since, max(before, since), cursor)

    def then(self, file: LogFile, state: stat_result, before: int) -> tuple[Standing, bool]:
        """What the file's size is after this one, as `of` has it, and whether this one still `fits`. Raises OSError.

        Where little has come since, one read tells both.
        """
        size = state.st_size
        start = max(0, self.size - CHECK)
        if 0 <= size - self.size <= CHECK:
            data = file.read(start, size - start)
            if len(data) == size - start:
                fits = cursor_text(self.size, data[: self.size - start]) == self.cursor
                return Standing.of(state, before, cursor_text(size, data[-CHECK:])), fits
        return Standing.of(state, before, Reader.at(file, size).cursor), self.fits(file)

    def fits(self, file: LogFile) -> bool:
        """Whether what stood before that size is in the file still. Raises OSError."""
        return file.size() >= self.size and Reader.at(file, self.size).cursor == self.cursor


class Span(NamedTuple):
    """Bytes that arrived after one time and no later than another; None where that is not known."""

    offset: int
    end: int
    earliest: int | None
    latest: int | None


def merged(standings: Iterable[Standing]) -> list[Standing]:
    """What several have seen of the same log, in order, each size once.

    The clocks of the files and of those who look are not quite the same: times go back nowhere.
    """
    found: list[Standing] = []
    latest = 0
    for size, group in itertools.groupby(sorted(standings), lambda standing: standing.size):
        same = list(group)
        since = max(latest, min(one.since for one in same))
        latest = max(since, *(one.until for one in same))
        found.append(Standing(size, since, latest, same[-1].cursor))
    return found


def thinned(standings: Sequence[Standing], most: int) -> list[Standing]:
    """The same with no more than so many, where those are left out without which the least is lost.

    That is where the times around one are near to each other, for how long ago it was. The first and the last one stay.
    """
    left = list(standings)
    end = left[-1].until if left else 0
    while len(left) > most:
        inner = range(1, len(left) - 1, 2)  # no two of them side by side: each is judged by what stays
        lost = sorted(inner, key=lambda at: (left[at + 1].since - left[at - 1].until) / (end - left[at].since + _EARLY))
        gone = set(lost[: min(len(left) - most, len(lost) // 4 + 1)])
        if not gone:
            return left[-most:]
        left = [standing for at, standing in enumerate(left) if at not in gone]
    return left


def spans(standings: Sequence[Standing], start: int, stop: int) -> list[Span]:
    """When the bytes from one offset to another arrived; all that is told of them by the same two times is one span."""
    found: list[Span] = []
    place = max(0, start)
    at = bisect.bisect_right(standings, place, key=lambda standing: standing.size)
    while place < stop:
        earliest = standings[at - 1].until if at > 0 else None
        following = standings[at] if at < len(standings) else None
        end = stop if following is None else min(stop, following.size)
        found.append(Span(place, end, earliest, None if following is None else following.since))
        place = end
        at += 1
    return found


def place_at(standings: Sequence[Standing], moment: int) -> int:
    """An offset before which nothing came later than a time, as far as is known: what came then is behind it."""
    at = bisect.bisect_right(standings, moment, key=lambda standing: standing.since)
    return standings[at - 1].size if at > 0 else 0


def beginning(inode: int) -> bytes:
    """The line with which a record begins, and whoever adds to it, whatever file the lines before are of.

    An empty one is before it, so that it is whole behind what was cut off by a crash.
    """
    return b"\n" + orjson.dumps({"version": VERSION, "inode": inode}, option=orjson.OPT_APPEND_NEWLINE)


def lines(standings: Iterable[Standing]) -> bytes:
    """The lines of a record."""
    return b"".join(
        orjson.dumps([standing.cursor, standing.since, standing.until], option=orjson.OPT_APPEND_NEWLINE)
        for standing in standings
    )


def parse(record: bytes, inode: int) -> tuple[list[Standing], int]:
    """What a record says of a file, and how many lines of it are none.

    Raises ValueError for what is no record, or one of another version; one of another file says nothing.
    """
    if not record.strip():
        return [], 0
    is_begun = is_ours = False
    found: list[Standing] = []
    bad = 0
    for line in record.splitlines():
        try:
            fields: Any = orjson.loads(line) if line else None
        except orjson.JSONDecodeError:
            fields = 0
        if isinstance(fields, dict):
            if fields.get("version") != VERSION:
                raise ValueError("it is of another version")
            is_begun, is_ours = True, fields.get("inode") == inode
        elif fields is not None:
            standing = _standing(fields) if is_begun else None
            if standing is None:
                bad += 1
            elif is_ours:
                found.append(standing)
    if not is_begun:
        raise ValueError("it has no beginning")
    return merged(found), bad


def _standing(fields: Any) -> Standing | None:
    """What a line of a record says, if it makes sense."""
    if not isinstance(fields, list) or len(fields) != 3:
        return None
    cursor, since, until = fields
    if type(cursor) is not str or type(since) is not int or type(until) is not int:
        return None
    digits = cursor.partition(".")[0]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18 or not 0 <= since <= until < _MOST_TIME:
        return None
    return Standing(int(digits), since, until, cursor)

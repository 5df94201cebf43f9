"""The lines around any place of a log, and where a line that is too long is cut.

A line of more than PIECE bytes counts as several: it is cut at each multiple of PIECE that has at least as many bytes
of it before. So where it is cut can be told from what stands around, and is the same for all who ask.

Offsets and sizes are bytes.
"""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass

from .logfile import LogFile

PIECE = 64 * 1024
MOST_LINES = 1000  # on each side of a place

_WINDOWS = (32 * 1024, 256 * 1024, 1024 * 1024)  # that are read on each side of a place; the last one holds any piece


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it is in the file, without its line feed."""

    offset: int
    end: int  # behind its line feed
    data: bytes


def first_cut(offset: int) -> int:
    """Where a line that begins at an offset is cut for the first time, if it goes on behind that."""
    return -(-(offset + PIECE) // PIECE) * PIECE


def lines_around(file: LogFile, at: int, before: int, after: int) -> list[Line]:
    """The line that has the byte at an offset, or else the last one, and up to so many more on both sides.

    No more are given than a megabyte on each side holds. Raises OSError.
    """
    size = file.size()
    at = max(0, min(at, size - 1))
    for window in _WINDOWS:
        low, high = max(0, at - window), min(size, at + window)
        data = file.read(low, high - low)
        marks = _marks(data, low)
        is_end = low + len(data) >= size or len(data) < high - low
        if is_end and marks and marks[-1] < low + len(data):
            marks.append(low + len(data))
        this = bisect.bisect_right(marks, at) - 1
        is_enough = (this >= before or low == 0) and (len(marks) - 2 - this >= after or is_end)
        if 0 <= this < len(marks) - 1 and (is_enough or window == _WINDOWS[-1]):
            wanted = marks[max(0, this - before) : this + after + 2]
            return [
                Line(start, end, data[start - low : end - low].removesuffix(b"\n"))
                for start, end in itertools.pairwise(wanted)
            ]
    return []  # it is empty, or was truncated just now


def _marks(data: bytes, offset: int) -> list[int]:
    """Where lines begin in what stands at an offset, and the place behind the last one's end."""
    marks = [0] if offset == 0 else []
    start = 0
    while True:
        end = data.find(b"\n", start)
        stop = end if end >= 0 else len(data)
        if stop - start > PIECE:
            marks.extend(range(first_cut(offset + start), offset + stop, PIECE))
        if end < 0:
            return marks
        start = end + 1
        marks.append(offset + start)

"""Searching a log of any size: hits while they are found, in little memory, and in slices.

Offsets and sizes are bytes, places in a text are characters.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from .escapes import plain
from .lineindex import LineIndex, LineIndexes, LineNumbers
from .lines import PIECE, first_cut, lines_around
from .logfile import LogFile
from .pacing import Pace
from .patterns import Pattern
from .places import Places
from .worker import Hanging, Worker

MOST_AT_ONCE = 4  # searches
MOST_HITS = 10_000  # of one search
MOST_CONTEXT = 50  # lines on each side of a hit

_BLOCK = 256 * 1024  # searched at once
_FIRST = 8 * 1024  # the same for the first part of a search in reverse, which may find all that is wanted
_AHEAD = 4096  # behind the place where a long line is cut, for what begins before it
_MOST_TEXT = 2000  # characters of a line that are given
_LEAD = 200  # of them before the first range, where a longer line is cut
_MOST_RANGES = 100  # of a line
_MISSES = 16
_SKIPPED = 16 * 1024
_PROGRESS = 0.5  # seconds after which it is said how far a search is
_COUNTED = 16 * 1024 * 1024  # lines of so much are counted at once where all numbers are wanted


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for, and where: in what stands from `start` on and before `stop`."""

    pattern: Pattern
    start: int = 0
    stop: int | None = None  # None for the end that the log has now
    limit: int = 1000
    context: int = 0  # lines
    reverse: bool = False  # the last hit first
    numbers: bool = False  # every hit has its line's number, however long that takes


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A line beside a hit: where it begins and the next one does, and its plain text, cut to a bound."""

    offset: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A line with a match."""

    offset: int  # where it begins
    end: int  # and the next one
    line: int | None  # its number from 1 on, where that is known
    text: str  # without escape sequences, cut to a bound:
    skipped: int  # characters of the line before the text
    cut: bool  # whether there are more behind it
    ranges: list[tuple[int, int]]  # what matches, within the text
    before: list[Neighbour]
    after: list[Neighbour]


@dataclass(frozen=True, slots=True)
class Progress:
    """How much was read so far: after each block in which something was found, and now and then."""

    read: int


@dataclass(frozen=True, slots=True)
class End:
    """The search is over."""

    read: int
    more: bool  # as many hits were found as were wanted, and not all was searched
    next: int | None  # then the place to go on from: the `start` of a next search, or in reverse its `stop`


class _Block(NamedTuple):
    """A part of the file, in a buffer that the next one is read into. Whole lines stand between `first` and `last`."""

    offset: int  # of the buffer
    data: bytearray
    first: int
    last: int
    filled: int  # what has been read behind them belongs to a line that is cut there


class Searches:
    """All searches of one manager. Any thread."""

    def __init__(self, indexes: LineIndexes, pace: Pace, others: Callable[[], bool]) -> None:
        """Searches rest between slices of work while there are `others()` whom they would delay."""
        self._indexes = indexes
        self._pace = pace
        self._others = others
        self._places = Places(MOST_AT_ONCE, "searches are going on")
        self._hanging = Hanging()

    def enter(self) -> contextlib.ExitStack:
        """A place for one who searches, to be closed. Raises BusyError."""
        return self._places.enter()

    def worker(self) -> Worker[Any]:
        """One that searches for one owner, to be closed, and is left alone where a log hangs."""
        return Worker(self._hanging)

    def run(
        self, session_name: str, file: LogFile, query: Query, live: Callable[[], object]
    ) -> Generator[Hit | Progress | End]:
        """What is found in a session's log; the last one is an End. Calls `live()` now and then. Raises OSError."""
        with self._pace.work(self._others) as pause:

            def rest() -> None:
                live()
                pause()
                live()

            yield from search(file, query, self._indexes.of(session_name, file), rest)


def search(file: LogFile, query: Query, index: LineIndex, rest: Callable[[], object]) -> Iterator[Hit | Progress | End]:
    """What is found in a file as it is now; the last one is an End.

    Calls `rest()` between slices of work. What is truncated meanwhile is not found. Raises OSError.
    """
    size = file.size()
    stop = size if query.stop is None else min(query.stop, size)
    numbers = LineNumbers(index, file)
    blocks = _backward if query.reverse else _forward
    read = 0
    left = query.limit
    said = time.monotonic()
    for block in blocks(file, query.start, stop):
        found: Iterable[Hit] = _hits(block, query.pattern, rest)
        if query.reverse:
            found = reversed(deque(found, maxlen=left))
        before = left
        for hit in found:
            if query.numbers:
                _count_lines(file, hit.offset, index, rest)
            yield _complete(hit, file, query.context, numbers)
            left -= 1
            place = hit.offset if query.reverse else hit.end
            if left == 0:
                done = place <= query.start if query.reverse else place >= stop
                begun = block.offset + (block.last if query.reverse else block.first)
                yield End(read + abs(place - begun), not done, None if done else place)
                return
        read += block.last - block.first
        if left < before or time.monotonic() - said > _PROGRESS:
            yield Progress(read)
            said = time.monotonic()
        rest()
    yield End(read, False, None)


def _forward(file: LogFile, start: int, stop: int) -> Iterator[_Block]:
    buffer = bytearray(_BLOCK + _AHEAD)
    view = memoryview(buffer)
    while start < stop:
        wanted = min(len(buffer), stop - start)
        filled = file.read_into(view[:wanted], start)
        if not filled:
            return
        last = filled
        if filled == wanted < stop - start:
            last = buffer.rfind(b"\n", 0, filled) + 1 or (start + filled - _AHEAD) // PIECE * PIECE - start
        yield _Block(start, buffer, 0, last, filled)
        start += last


def _backward(file: LogFile, start: int, stop: int) -> Iterator[_Block]:
    buffer = bytearray(_BLOCK + _AHEAD)
    view = memoryview(buffer)
    end, size = stop, _FIRST
    while start < end:
        offset = max(start, end - size)
        filled = file.read_into(view[: min(end - offset + _AHEAD, stop - offset)], offset)
        last = min(filled, end - offset)
        if not last:
            end = min(offset, file.size())
            continue
        first = 0
        if offset > start:
            first = buffer.find(b"\n", 0, last - 1) + 1
            if not first and size < _BLOCK:
                size = _BLOCK  # where a line begins that is longer cannot be seen in less
                continue
            if not first and last > 3 * PIECE:
                first = first_cut(offset) - offset
        yield _Block(offset, buffer, first, last, filled)
        end = offset + first
        size = min(2 * size, _BLOCK)


def _hits(block: _Block, pattern: Pattern, rest: Callable[[], object]) -> Iterator[Hit]:
    """The lines of a block that match, the first one first."""
    offset, data, place, last, filled = block
    text = memoryview(data)[:filled]
    candidates = pattern.through if data.find(b"\x1b", place, filled) >= 0 else pattern.quick
    misses = 0  # candidates that were none, in number beyond the hits
    while place < last:
        if misses > _MISSES:
            place = _skip(data, place, last, pattern)
        match = candidates.search(text, place)
        if match is None:
            return
        at = match.start()
        if at >= last:
            if at > last or last < filled or data[last - 1] == 0x0A:
                return
            at = last - 1  # behind the last character of a line without a line feed
        start = max(place, data.rfind(b"\n", place, at) + 1)
        feed = data.find(b"\n", at, filled)
        stop = feed if feed >= 0 else filled
        end = min(last, stop + 1)
        if stop - start > PIECE:
            start, end = _piece(offset, start, stop, end, min(at, stop - 1))
        hit = _hit(offset, text, start, min(end, stop), end, stop, pattern)
        if hit is not None:
            yield hit
        misses = max(0, misses + (1 if hit is None else -1))
        place = end
        rest()


def _skip(data: bytearray, place: int, last: int, pattern: Pattern) -> int:
    """Where to go on, behind lines without a match: for patterns that are found in most escape sequences."""
    end = data.rfind(b"\n", place, min(place + _SKIPPED, last)) + 1
    if not end:
        return place
    match = pattern.quick.search(plain(bytes(data[place:end])))
    if match is None:
        return end
    for _ in range(match.string.count(b"\n", 0, match.start())):
        place = data.index(b"\n", place) + 1
    return place


def _piece(offset: int, start: int, stop: int, end: int, at: int) -> tuple[int, int]:
    """The part of a long line that a place is in; all within what stands at an offset."""
    cut = first_cut(offset + start) - offset
    if at >= cut:
        start = cut + (at - cut) // PIECE * PIECE
        cut = start + PIECE
    return start, cut if cut < stop else end


def _hit(offset: int, text: memoryview, start: int, stop: int, end: int, whole: int, pattern: Pattern) -> Hit | None:
    """The line or piece from `start` to `stop`, if it matches; it goes on to `whole` where it is cut."""
    shown = plain(bytes(text[start:stop]))
    searched = shown if stop == whole else plain(bytes(text[start : min(stop + _AHEAD, whole)]))
    matches = (match.span() for match in pattern.exact.finditer(searched))
    spans = [span for span in itertools.islice(matches, _MOST_RANGES) if span[0] < len(shown) or stop == whole]
    if not spans:
        return None
    characters, skipped, cut = _excerpt(shown, spans[0][0])
    ranges = []
    counted, character = 0, -skipped
    for span in spans:
        first = character + len(shown[counted : span[0]].decode(errors="replace"))
        counted, character = span[1], first + len(shown[span[0] : span[1]].decode(errors="replace"))
        if first < character and first < len(characters):
            ranges.append((first, min(character, len(characters))))
    return Hit(offset + start, offset + end, None, characters, skipped, cut, ranges, [], [])


def _excerpt(shown: bytes, place: int = 0) -> tuple[str, int, bool]:
    """A line's text, cut to a bound so that a place is in it; what is skipped before, and whether there is more."""
    text = shown.decode(errors="replace")
    if len(text) <= _MOST_TEXT:
        return text, 0, False
    first = max(0, len(shown[:place].decode(errors="replace")) - _LEAD)
    return text[first : first + _MOST_TEXT], first, len(text) > first + _MOST_TEXT


def _count_lines(file: LogFile, offset: int, index: LineIndex, rest: Callable[[], object]) -> None:
    """Have the lines before an offset counted, however many there are."""
    while index.lacks(offset) and file.size() >= offset:
        covered = index.covered
        if not index.extend(file, min(offset, covered + _COUNTED), rest):
            time.sleep(0.01)  # another thread is at it
        if index.covered > covered:
            rest()


def _complete(hit: Hit, file: LogFile, context: int, numbers: LineNumbers) -> Hit:
    """A hit with what is asked for beside it."""
    before, after = [], []
    if context:
        around = lines_around(file, hit.offset, context, context)
        sides = [Neighbour(line.offset, line.end, _excerpt(plain(line.data))[0]) for line in around]
        before = [side for side in sides if side.offset < hit.offset]
        after = [side for side in sides if side.offset >= hit.end]
    return dataclasses.replace(hit, line=numbers.line_at(hit.offset), before=before, after=after)

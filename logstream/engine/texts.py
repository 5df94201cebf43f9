"""Logs as plain text, of any size: in little memory, and in slices so that others' lines do not wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..plain import PlainText
from .logfile import LogFile
from .pacing import Pace
from .places import Places
from .reading import Reader, RewrittenError

MOST_AT_ONCE = 4  # texts

_PIECE = 8 * 1024  # bytes that a terminal is given at once


class Texts:
    """All texts that one manager's logs are turned into. Any thread."""

    def __init__(self, pace: Pace, others: Callable[[], bool]) -> None:
        """They rest between slices of work while there are `others()` whom they would delay."""
        self._pace = pace
        self._others = others
        self.places = Places(MOST_AT_ONCE, "logs are being turned into text")

    def run(self, file: LogFile, columns: int | None = None) -> Iterator[str]:
        """What a terminal shows of a log as it is now, in pieces; empty ones, too, so that who takes them can leave.

        `columns`: the width of the terminal, instead of the one that the log says or 80. Raises OSError, or
        RewrittenError where the log is not what it was any more.
        """
        size = file.size()
        reader = Reader(file)
        terminal = PlainText(columns)
        with self._pace.work(self._others) as rest:
            while reader.offset < size:
                text = reader.read(size, _PIECE, final=True)
                if not text:
                    raise RewrittenError  # there is less than there was
                yield terminal.feed(text)
                rest()
            yield terminal.finish()

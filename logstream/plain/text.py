"""A log on its way to lines of plain text."""

from __future__ import annotations

from .history import History
from .recording import ScriptRecording
from .terminal import Terminal

_COLUMNS, _ROWS = 80, 24  # of a terminal that nothing is known of
MIN_COLUMNS = 2
MAX_COLUMNS = 1000
_MAX_ROWS = 1000  # no log is to say how much memory is taken


class PlainText:
    """A log in pieces that may be cut anywhere, to lines that are final. Only for one thread."""

    def __init__(self, columns: int | None = None) -> None:
        """`columns`: the width of the terminal, instead of the one that the log says or 80; from 2 to 1,000."""
        self._columns = columns
        self._begin()

    def feed(self, text: str) -> str:
        """What has become final with the next piece: lines that have scrolled off the screen."""
        recording, terminal = self._recording, self._terminal
        before = recording.from_terminal
        shown = recording.read(text)
        terminal.resize(*self._size())
        if recording.from_terminal is not None and recording.from_terminal != before:
            terminal.convert_eol(not recording.from_terminal)
        terminal.write(shown)
        return self._history.take()

    def finish(self) -> str:
        """What was on the screen in the end; what comes next is the beginning of a log."""
        self._terminal.finish()
        text = self._history.take()
        self._begin()
        return text

    def _begin(self) -> None:
        self._history = History()
        self._recording = ScriptRecording()
        self._terminal = Terminal(*self._size(), self._history)

    def _size(self) -> tuple[int, int]:
        columns, rows = self._recording.size or (_COLUMNS, _ROWS)
        columns = self._columns or columns
        return max(MIN_COLUMNS, min(columns, MAX_COLUMNS)), min(rows, _MAX_ROWS)

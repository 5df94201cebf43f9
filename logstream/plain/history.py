"""The lines that have scrolled off a terminal's screen: they do not change any more, and can be printed."""

from __future__ import annotations

from collections.abc import Iterable

from .row import Row


class History:
    """Text to print, without blanks at the end of a line and without blank lines at the end of all."""

    def __init__(self) -> None:
        self.is_open = False
        """Whether the last line goes on in the screen's first row."""
        self._text: list[str] = []
        self._begun = False  # whether something of the line was printed
        self._blanks = 0  # that are printed if the line goes on
        self._blank_lines = 0  # that are printed if another one follows

    def take(self) -> str:
        """What is to be printed since the last time."""
        text = "".join(self._text)
        self._text = []
        return text

    def push(self, row: Row, continued: int) -> None:
        """Take a row that scrolls off; `continued` is the screen's columns where its line goes on, else 0."""
        if not row.wrapped:
            self.close()
        self._add(row.text(continued))
        self.is_open = True
        if not continued:
            self.close()

    def push_lines(self, lines: Iterable[str]) -> None:
        """Take whole lines that have never been on the screen."""
        self.close()
        for line in lines:
            self._add(line)
            self._end_line()

    def close(self) -> None:
        """A line that scrolled off in part does not go on."""
        if self.is_open:
            self._end_line()
        self.is_open = False

    def _add(self, text: str) -> None:
        shown = text.rstrip(" ")
        if shown:
            self._text.append("\n" * self._blank_lines + " " * self._blanks + shown)
            self._begun = True
            self._blanks = self._blank_lines = 0
        self._blanks += len(text) - len(shown)

    def _end_line(self) -> None:
        if self._begun:
            self._text.append("\n")
        else:
            self._blank_lines += 1
        self._begun = False
        self._blanks = 0

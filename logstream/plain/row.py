"""One row of a terminal's screen: the text of each of its cells."""

from __future__ import annotations

_CONTINUED = "\0"  # what the second column of a wide character has for its text
_EMPTY = ""
_LONGEST = 32  # UTF-16 units of a character with all that joins it


class Row:
    """A row; it has cells up to the last one that something was in."""

    __slots__ = ("_cells", "_padded", "wrapped")

    def __init__(self, *, wrapped: bool = False) -> None:
        self.wrapped = wrapped
        """Whether it goes on with the line that the row above it ends with."""
        self._cells: list[str] = []
        self._padded = False  # whether its last column is only empty because a wide character had no place there

    @property
    def is_blank(self) -> bool:
        """Whether nothing is in it."""
        return not any(self._cells)

    def clear(self) -> None:
        """Make it blank, and a line of its own."""
        self.wrapped = self._padded = False
        self._cells = []

    def fill(self, character: str, columns: int) -> None:
        """Fill it with a character."""
        self.clear()
        self._cells = [character] * columns

    def text(self, continued: int) -> str:
        """Its text; `continued` is the screen's columns where its line goes on in the next row, else 0."""
        cells = self._cells
        length = len(cells)
        while length > 0 and cells[length - 1] == _EMPTY:
            length -= 1
        shown = "".join([cell or " " for cell in cells[:length]]).replace(_CONTINUED, "")
        if length >= continued:
            return shown
        return shown + " " * (continued - length - (1 if self._padded else 0))

    def write(self, column: int, text: str) -> None:
        """Write characters that take one column each."""
        cells = self._cells
        end = column + len(text)
        if self._is_wide(column - 1):
            cells[column - 1] = _EMPTY
        if self._is_wide(end - 1):
            cells[end] = _EMPTY
        self._extend(column)
        cells[column:end] = text

    def write_character(self, column: int, text: str, width: int) -> None:
        """Write a character of any width, which must fit."""
        cells = self._cells
        end = column + width
        if self._is_wide(column - 1):
            cells[column - 1] = _EMPTY
        if self._is_wide(end - 1):
            cells[end] = _EMPTY
        self._extend(column)
        cells[column:end] = [text, *[_CONTINUED] * (width - 1)]

    def join(self, column: int, text: str) -> None:
        """Add to the character whose last column is given."""
        cells = self._cells
        if 0 < column < len(cells) and cells[column] == _CONTINUED:
            column -= 1
        if 0 <= column < len(cells) and _units(cells[column]) + _units(text) <= _LONGEST:
            cells[column] += text

    def separate(self, column: int) -> None:
        """Leave no half of a wide character where the cursor is within one."""
        if self._is_wide(column - 1):
            self._cells[column - 1 : column + 1] = [_EMPTY, _EMPTY]

    def widen(self, column: int) -> None:
        """Let a character of one column take the next one too."""
        if self._is_wide(column + 1):
            self._cells[column + 2] = _EMPTY
        self._extend(column + 1)
        self._cells[column + 1 : column + 2] = [_CONTINUED]

    def pad(self, begin: int, columns: int) -> None:
        """Leave the last columns empty, as a wide character has no place there."""
        self._extend(columns)
        self._cells[begin:columns] = [_EMPTY] * (columns - begin)
        self._padded = True

    def erase(self, begin: int, end: int) -> None:
        """Put blanks in place of columns."""
        cells = self._cells
        if self._is_wide(begin - 1):
            cells[begin - 1] = _EMPTY
        if self._is_wide(end - 1):
            cells[end] = _EMPTY
        if end >= len(cells):
            self._padded = False
            del cells[begin:]
        else:
            cells[begin:end] = [_EMPTY] * (end - begin)

    def erase_right(self, begin: int) -> None:
        """Put blanks from a column on."""
        self.erase(begin, max(begin, len(self._cells)))

    def insert(self, column: int, count: int, columns: int) -> None:
        """Make room for blanks, and lose what is moved out of the screen's columns."""
        cells = self._cells
        self._padded = False
        if self._is_wide(column - 1):
            cells[column - 1 : column + 1] = [_EMPTY, _EMPTY]
        self._extend(column)
        cells[column:column] = [_EMPTY] * min(count, columns - column)
        if self._is_wide(columns - 1):
            cells[columns - 1] = _EMPTY
        del cells[columns:]

    def remove(self, column: int, count: int, columns: int) -> None:
        """Take columns out, and let what is after them follow."""
        cells = self._cells
        self._padded = False
        split = self._is_wide(column - 1)
        del cells[column : column + min(count, columns - column)]
        if split:
            cells[column - 1] = _EMPTY
        if column < len(cells) and cells[column] == _CONTINUED:
            cells[column] = _EMPTY

    def is_empty(self, column: int) -> bool:
        """Whether nothing is in a column."""
        return column >= len(self._cells) or self._cells[column] == _EMPTY

    def character_ending_at(self, column: int) -> str:
        """The text of the character whose last column is given."""
        cells = self._cells
        if 0 < column < len(cells) and cells[column] == _CONTINUED:
            column -= 1
        return (cells[column] if 0 <= column < len(cells) else _EMPTY) or " "

    def _is_wide(self, column: int) -> bool:
        """Whether a column has the first half of a wide character."""
        return -1 < column < len(self._cells) - 1 and self._cells[column + 1] == _CONTINUED

    def _extend(self, length: int) -> None:
        if len(self._cells) < length:
            self._cells += [_EMPTY] * (length - len(self._cells))


def _units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)

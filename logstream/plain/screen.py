"""A terminal's screen: rows of cells, a cursor, margins and tab stops. What scrolls off its top goes to a history."""

from __future__ import annotations

from .history import History
from .row import Row

TAB = 8
"""Columns between tab stops."""


class Screen:
    """A screen; columns and rows count from 0."""

    def __init__(self, columns: int, rows: int, history: History | None) -> None:
        self.columns = columns
        self.rows = [Row() for _ in range(rows)]
        self.x = 0
        """The cursor's column. It is `columns` after a row was filled: the next character wraps."""
        self.y = 0
        self.top = 0
        """The first row of what scrolls."""
        self.bottom = rows - 1
        """The last row of what scrolls."""
        self.origin = False
        """Whether places count from the margins, and the cursor stays between them."""
        self.scrolled = 0
        """Rows that have scrolled off."""
        self.saved: tuple[int, int, dict[int, str] | None] = (0, 0, None)
        """A cursor: its column, its row counted from the first one ever, and its character set."""
        self.has_own_stops = False
        """Whether there may be other tab stops than every eighth column."""
        self._history = history
        self._stops = _stops(0, columns)

    @property
    def row(self) -> Row:
        """The cursor's."""
        return self.rows[self.y]

    @property
    def is_whole(self) -> bool:
        """Whether all of it scrolls."""
        return self.top == 0 and self.bottom == len(self.rows) - 1

    # The cursor

    def restrict(self, last: int | None = None) -> None:
        """Bring the cursor back to where it may be, up to the last column or the one given."""
        self.x = min(self.columns - 1 if last is None else last, max(0, self.x))
        low, high = (self.top, self.bottom) if self.origin else (0, len(self.rows) - 1)
        self.y = min(high, max(low, self.y))

    def move_to(self, x: int, y: int) -> None:
        """Go to a place, whose row counts from the top margin in origin mode."""
        self.x = x
        self.y = self.top + y if self.origin else y
        self.restrict()

    def move_to_column(self, x: int) -> None:
        """Go to a column."""
        self.x = x
        self.restrict()

    def move_by(self, x: int, y: int) -> None:
        """Go so many columns and rows."""
        self.restrict()
        self.x += x
        self.y += y
        self.restrict()

    def up(self, count: int) -> None:
        """Go up, but not over the top margin."""
        room = self.y - self.top
        self.move_by(0, -(min(room, count) if room >= 0 else count))

    def down(self, count: int) -> None:
        """Go down, but not over the bottom margin."""
        room = self.bottom - self.y
        self.move_by(0, min(room, count) if room >= 0 else count)

    def back(self, wraps: bool) -> None:
        """Go back a column; if it wraps, to the end of the row above where that has wrapped."""
        self.restrict(self.columns if wraps else self.columns - 1)
        if self.x > 0:
            self.x -= 1
        elif wraps and self.top < self.y <= self.bottom and self.row.wrapped:
            self.row.wrapped = False
            self.y -= 1
            self.x = self.columns - 1
            if self.row.is_empty(self.x):
                self.x -= 1  # a wide character had no place there
        self.restrict()

    # Tab stops

    def set_stop(self) -> None:
        """Set a tab stop in the cursor's column."""
        self.has_own_stops = True
        if self.x < self.columns:
            self._stops[self.x] = True

    def clear_stops(self, every: bool) -> None:
        """Clear every tab stop, or that of the cursor's column."""
        self.has_own_stops = True
        if every:
            self._stops = [False] * self.columns
        elif self.x < self.columns:
            self._stops[self.x] = False

    def tab(self, count: int) -> None:
        """Go forward so many tab stops."""
        if self.x >= self.columns:
            return
        for _ in range(min(count, self.columns)):
            self.x += 1
            while self.x < self.columns and not self._stops[self.x]:
                self.x += 1
            self.x = min(self.x, self.columns - 1)

    def tab_back(self, count: int) -> None:
        """Go back so many tab stops."""
        if self.x >= self.columns:
            return
        for _ in range(min(count, self.columns)):
            self.x -= 1
            while self.x > 0 and not self._stops[self.x]:
                self.x -= 1
            self.x = max(0, self.x)

    # Scrolling

    def scroll(self, *, wrapped: bool = False) -> None:
        """Scroll between the margins by a row; the new one may go on with a line."""
        rows, top, bottom = self.rows, self.top, self.bottom
        row = rows.pop(top)
        rows.insert(bottom, Row(wrapped=wrapped))
        if top == 0 and self._history is not None:
            self._history.push(row, self.columns if rows[0].wrapped else 0)
            self.scrolled += 1

    def line_feed(self) -> None:
        """Go down a row, and scroll at the bottom margin; the row is a line of its own."""
        self.y += 1
        if self.y == self.bottom + 1:
            self.y -= 1
            self.scroll()
        elif self.y >= len(self.rows):
            self.y = len(self.rows) - 1
        else:
            self.row.wrapped = False
        if self.x >= self.columns:
            self.x -= 1

    def index(self) -> None:
        """Go down a row, and scroll at the bottom margin."""
        self.restrict()
        self.y += 1
        if self.y == self.bottom + 1:
            self.y -= 1
            self.scroll()
        self.restrict()

    def reverse_index(self) -> None:
        """Go up a row, and scroll at the top margin."""
        self.restrict()
        if self.y == self.top:
            self._shift_down(self.top, 1)
        else:
            self.y -= 1
        self.restrict()

    def wrap(self) -> None:
        """Go on in the next row with the line that this one is full of."""
        self.y += 1
        if self.y == self.bottom + 1:
            self.y -= 1
            self.scroll(wrapped=True)
        else:
            self.y = min(self.y, len(self.rows) - 1)
            self.row.wrapped = True
        self.x = 0

    def scroll_up(self, count: int) -> None:
        """Move what scrolls up: what is pushed out is lost."""
        self._shift_up(self.top, count)

    def scroll_down(self, count: int) -> None:
        """Move what scrolls down: what is pushed out is lost."""
        self._shift_down(self.top, count)

    def insert_lines(self, count: int) -> None:
        """Make room for blank rows at the cursor."""
        self.restrict()
        if self.top <= self.y <= self.bottom:
            self._shift_down(self.y, count)
            self.x = 0

    def delete_lines(self, count: int) -> None:
        """Take rows out at the cursor."""
        self.restrict()
        if self.top <= self.y <= self.bottom:
            self._shift_up(self.y, count)
            self.x = 0

    def _shift_up(self, first: int, count: int) -> None:
        end = self.bottom + 1
        count = min(count, end - first)
        self.rows[first:end] = self.rows[first + count : end] + [Row() for _ in range(count)]

    def _shift_down(self, first: int, count: int) -> None:
        end = self.bottom + 1
        count = min(count, end - first)
        self.rows[first:end] = [Row() for _ in range(count)] + self.rows[first : end - count]

    # Within a row

    def insert_characters(self, count: int) -> None:
        """Make room for blanks at the cursor."""
        self.restrict()
        self.row.insert(self.x, count, self.columns)

    def delete_characters(self, count: int) -> None:
        """Take characters out at the cursor."""
        self.restrict()
        self.row.remove(self.x, count, self.columns)

    def erase_characters(self, count: int) -> None:
        """Put blanks at the cursor."""
        self.restrict()
        if self.x + count >= self.columns:
            self.row.erase_right(self.x)
        else:
            self.row.erase(self.x, self.x + count)

    def erase_in_line(self, what: int) -> None:
        """Erase to the right (0), to the left (1), or all of it (2)."""
        self.restrict(self.columns)
        row = self.row
        if what == 0:
            row.erase_right(self.x)
            if self.x == 0:
                row.wrapped = False
        elif what == 1:
            if self.x + 1 >= self.columns:
                row.erase_right(0)
            else:
                row.erase(0, self.x + 1)
        elif what == 2:
            row.clear()

    def erase_in_display(self, what: int) -> None:
        """Erase below (0), above (1), or all of it (2)."""
        self.restrict(self.columns)
        rows, y = self.rows, self.y
        if what == 0:
            self.erase_in_line(0)
            for row in rows[y + 1 :]:
                row.clear()
        elif what == 1:
            self.erase_in_line(1)
            rows[y].wrapped = False
            if self.x + 1 >= self.columns and y + 1 < len(rows):
                rows[y + 1].wrapped = False
            for row in rows[:y]:
                row.clear()
        elif what == 2:
            for row in rows:
                row.clear()

    # All of it

    def fill(self, character: str) -> None:
        """Fill all of it with a character."""
        for row in self.rows:
            row.fill(character, self.columns)

    def resize(self, columns: int, rows: int) -> None:
        """Take another size; nothing is wrapped anew.

        Of rows that have no place any more, blank ones below the cursor go first, then the ones at the top scroll off.
        """
        before = self.columns
        self.columns = columns
        self._stops = (self._stops + _stops(before, columns))[:columns]
        while len(self.rows) > rows:
            if len(self.rows) - 1 > self.y and self.rows[-1].is_blank:
                self.rows.pop()
                continue
            row = self.rows.pop(0)
            if self._history is not None:
                self._history.push(row, before if self.rows[0].wrapped else 0)
                self.scrolled += 1
            self.y = max(0, self.y - 1)
        while len(self.rows) < rows:
            self.rows.append(Row())
        self.top = 0
        self.bottom = rows - 1
        self.x = min(self.x, columns - 1)

    def push_all(self) -> None:
        """Have all of it go to the history, as far as something is in it, as the end of what is shown."""
        if self._history is None:
            return
        rows = list(self.rows)
        while rows and rows[-1].is_blank and len(rows) - 1 != self.y:
            rows.pop()
        for row, following in zip(rows, [*rows[1:], None], strict=True):
            self._history.push(row, self.columns if following is not None and following.wrapped else 0)


def _stops(first: int, columns: int) -> list[bool]:
    return [x % TAB == 0 for x in range(first, columns)]

"""What a program that writes to a terminal does to its screen."""

from __future__ import annotations

from collections.abc import Sequence

from .characters import INVISIBLE, OTHER, joined_kind, joined_width, joins, kind_of, width_of
from .history import History
from .parser import Parser
from .screen import TAB, Screen

_LINE_DRAWING = dict(zip(range(0x60, 0x7F), "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·", strict=True))
_CHARSETS: dict[str, dict[int, str] | None] = {"0": _LINE_DRAWING, "A": {ord("#"): "£"}, "B": None}
_ALTERNATE_SCREENS = (47, 1047, 1049)


class Terminal:
    """A terminal without colours; what scrolls off its screen goes to a history."""

    def __init__(self, columns: int, rows: int, history: History) -> None:
        self._history = history
        self._normal = self._screen = Screen(columns, rows, history)
        self._alternate: Screen | None = None
        self._parser = Parser(self)
        self._convert_eol = self._newline = True
        self._wraps = True
        self._wraps_back = self._inserts = False
        self._charsets: list[dict[int, str] | None] = [None] * 4
        self._charset_index = 0
        self._charset: dict[int, str] | None = None
        # The character that was written last, as long as nothing else has happened: the next one may join it.
        self._last_kind = OTHER
        self._last_width = 0

    def write(self, text: str) -> None:
        """Take some more output, cut anywhere."""
        self._parser.write(text)

    def resize(self, columns: int, rows: int) -> None:
        """Take another size."""
        for screen in (self._normal, self._alternate):
            if screen is not None and (screen.columns, len(screen.rows)) != (columns, rows):
                screen.resize(columns, rows)

    def convert_eol(self, converts: bool) -> None:
        """Say whether a line feed begins a line, as in a log that was not recorded from a terminal."""
        self._convert_eol = self._newline = converts

    def finish(self) -> None:
        """Have the history take all that is on the screen; not on the alternate one, but on what lies under it."""
        self._normal.push_all()

    # What the parser finds

    def wants_lines(self) -> bool | None:
        """See `parser.Target`: at the bottom of a screen that nothing special holds for."""
        screen = self._screen
        if screen.x != 0 or screen.y != len(screen.rows) - 1 or not screen.is_whole or self._alternate is not None:
            return None
        if self._charset is not None or self._inserts or not self._wraps or screen.has_own_stops:
            return None
        return self._newline if screen.row.is_blank and not screen.row.wrapped else None

    def print_lines(self, lines: list[str]) -> bool:
        """See `parser.Target`: only the last ones need to be written to the screen, as the others would scroll off."""
        screen = self._screen
        bottom = len(screen.rows) - 1
        if any("\t" in line for line in lines):
            if not all(self._has_plain_tabs(line) for line in lines):
                return False
            lines = [line.expandtabs(TAB) for line in lines]
        heights = [max(1, -(-len(line) // screen.columns)) for line in lines]
        gone, left = len(lines), 0
        while gone > 0 and left < bottom:
            gone -= 1
            left += heights[gone]
        if gone <= bottom:
            return False
        for row, following in zip(screen.rows[:bottom], screen.rows[1:], strict=True):
            self._history.push(row, screen.columns if following.wrapped else 0)
        self._history.push_lines(lines[:gone])
        for row in screen.rows:
            row.clear()
        screen.y = 0
        screen.scrolled += bottom + sum(heights[:gone])
        for line in lines[gone:]:
            self.print(line)
            screen.x = 0
            screen.line_feed()
        self.end_character()
        return True

    def _has_plain_tabs(self, line: str) -> bool:
        """Whether each tab of a line leads to a column of its first row."""
        before, tab, _ = line.rpartition("\t")
        return tab == "" or len((before + tab).expandtabs(TAB)) < self._screen.columns

    def print(self, text: str) -> None:
        """Print characters that take one column and join nothing."""
        if self._charset is not None or self._inserts or self._last_kind != OTHER:
            for character in text if self._charset is None else text.translate(self._charset):
                self.print_character(character)
            return
        screen = self._screen
        columns = screen.columns
        at, end = 0, len(text)
        while at < end:
            room = columns - screen.x
            if room <= 0:
                if self._wraps:
                    screen.wrap()
                else:
                    screen.x = columns - 1
                room = columns - screen.x
            part = text[at : at + room]
            at += room
            if at < end and not self._wraps:  # all that has no place is written into the last column
                part = part[:-1] + text[-1]
                at = end
            screen.row.write(screen.x, part)
            screen.x += len(part)
        self._last_width = 1

    def print_character(self, character: str) -> None:
        """Print a character of any width, which may join the one before it."""
        screen = self._screen
        columns = screen.columns
        kind = kind_of(character)
        if kind == INVISIBLE:
            screen.row.join(screen.x - 1, character)
            return
        joined = self._last_width > 0 and joins(self._last_kind, kind)
        before = self._last_width if joined else 0
        width = joined_width(before, character) if joined else width_of(character)
        if self._last_width == 0 and screen.x > 0 and joins(OTHER, kind):
            screen.row.join(screen.x - 1, character)  # an accent after a sequence
            return
        self._last_kind = joined_kind(kind) if joined else kind
        self._last_width = width
        if not joined:
            screen.row.separate(screen.x)
        if screen.x + width - before > columns:
            if self._wraps:
                self._wrap(before)
            else:
                screen.x = columns - 1
                if width == 2:
                    return
        row = screen.row
        if joined and screen.x > 0:
            row.join(screen.x - 1, character)
            if width > before:
                row.widen(screen.x - 1)
                screen.x += 1
            return
        if self._inserts:
            row.insert(screen.x, width, columns)
        row.write_character(screen.x, character, width)
        screen.x += width

    def _wrap(self, before: int) -> None:
        """Go on in the next row, and take along the columns before the cursor whose character has no place here."""
        screen = self._screen
        begin = screen.x - before
        moved = screen.row.character_ending_at(screen.x - 1) if before else ""
        if begin < screen.columns:
            screen.row.pad(begin, screen.columns)
        screen.wrap()
        if before:
            screen.row.write_character(0, moved, before)
            screen.x = before

    def control(self, control: str) -> None:
        """Carry out a control character."""
        self.end_character()
        screen = self._screen
        match control:
            case "\b":
                screen.back(self._wraps_back)
            case "\t":
                screen.tab(1)
            case "\n" | "\v" | "\f":
                if self._newline:
                    screen.x = 0
                screen.line_feed()
            case "\r":
                screen.x = 0
            case "\x0e":
                self._use_charset(1)
            case "\x0f":
                self._use_charset(0)

    def end_character(self) -> None:
        """What comes next joins nothing before it."""
        self._last_kind = OTHER
        self._last_width = 0

    def escape(self, final: str, intermediates: str) -> None:
        """Carry out an escape sequence."""
        self.end_character()
        screen = self._screen
        match intermediates + final:
            case "7":
                self._save()
            case "8":
                self._restore()
            case "D":
                screen.index()
            case "E":
                screen.x = 0
                screen.index()
            case "H":
                screen.set_stop()
            case "M":
                screen.reverse_index()
            case "c":
                self._reset()
            case "n" | "}":
                self._use_charset(2)
            case "o" | "|":
                self._use_charset(3)
            case "~":
                self._use_charset(1)
            case "%@" | "%G":
                self._use_charset(0)
                self._set_charset(0, None)
            case "#8":
                screen.fill("E")
                screen.move_to(0, 0)
            case _:
                if len(intermediates) == 1 and intermediates in "()*+" and final in _CHARSETS:
                    self._set_charset("()*+".index(intermediates), _CHARSETS[final])

    def sequence(self, prefix: str, parameters: list[int], name: str) -> None:
        """Carry out a control sequence."""
        if prefix == "":
            self._carry_out(name, parameters)
        elif prefix == "?":
            if (name == "J" and parameters[0] < 3) or name == "K":
                self._carry_out(name, parameters)
            elif name in ("h", "l"):
                for mode in parameters:
                    self._set_mode(mode, name == "h")
        self.end_character()

    def _carry_out(self, name: str, parameters: Sequence[int]) -> None:
        screen = self._screen
        first = parameters[0]
        second = parameters[1] if len(parameters) > 1 else 0
        count = first or 1
        match name:
            case "@":
                screen.insert_characters(count)
            case "A":
                screen.up(count)
            case "B":
                screen.down(count)
            case "C" | "a":
                screen.move_by(count, 0)
            case "D":
                screen.move_by(-count, 0)
            case "E":
                screen.down(count)
                screen.x = 0
            case "F":
                screen.up(count)
                screen.x = 0
            case "G" | "`":
                screen.move_to_column(count - 1)
            case "H" | "f":
                screen.move_to((second or 1) - 1, count - 1)
            case "I":
                screen.tab(count)
            case "J":
                if first == 3:
                    self._clear_history()
                else:
                    screen.erase_in_display(first)
            case "K":
                screen.erase_in_line(first)
            case "L":
                screen.insert_lines(count)
            case "M":
                screen.delete_lines(count)
            case "P":
                screen.delete_characters(count)
            case "S":
                screen.scroll_up(count)
            case "T":
                screen.scroll_down(count)
            case "X":
                screen.erase_characters(count)
            case "Z":
                screen.tab_back(count)
            case "b":
                self._repeat(count)
            case "d":
                screen.move_to(screen.x, count - 1)
            case "e":
                screen.move_by(0, count)
            case "g":
                if first in (0, 3):
                    screen.clear_stops(first == 3)
            case "h" | "l":
                if 4 in parameters:
                    self._inserts = name == "h"
                if 20 in parameters:
                    self._newline = name == "h"
            case "r":
                self._set_margins(count, second)
            case "s":
                self._save()
            case "u":
                self._restore()
            case "!p":
                self._soft_reset()

    def _set_mode(self, mode: int, on: bool) -> None:
        match mode:
            case 2:
                if on:
                    self._charsets = [None] * 4
                    self._charset = None
            case 6:
                self._screen.origin = on
                self._screen.move_to(0, 0)
            case 7:
                self._wraps = on
            case 45:
                self._wraps_back = on
            case 1048:
                if on:
                    self._save()
                else:
                    self._restore()
            case 47 | 1047 | 1049:
                if mode == 1049 and on:
                    self._save()
                if on:
                    self._show_alternate()
                else:
                    self._show_normal()
                if mode == 1049 and not on:
                    self._restore()

    # How things are

    def _set_charset(self, index: int, charset: dict[int, str] | None) -> None:
        self._charsets[index] = charset
        if index == self._charset_index:
            self._charset = charset

    def _use_charset(self, index: int) -> None:
        self._charset_index = index
        self._charset = self._charsets[index]

    def _save(self) -> None:
        screen = self._screen
        screen.saved = (screen.x, screen.scrolled + screen.y, self._charset)

    def _restore(self) -> None:
        screen = self._screen
        screen.x, row, self._charset = screen.saved
        screen.y = max(0, row - screen.scrolled)
        screen.restrict()

    def _show_alternate(self) -> None:
        if self._alternate is not None:
            return
        normal = self._normal
        self._alternate = self._screen = Screen(normal.columns, len(normal.rows), None)
        self._hand_over(normal, self._alternate)

    def _show_normal(self) -> None:
        if self._alternate is None:
            return
        self._hand_over(self._alternate, self._normal)
        self._screen = self._normal
        self._alternate = None

    def _hand_over(self, before: Screen, after: Screen) -> None:
        """Leave the cursor where it is as another screen is shown."""
        after.x, after.y, after.origin = before.x, before.y, before.origin

    def _clear_history(self) -> None:
        """What has scrolled off may be printed already, and stays; what is on the screen does not go on with it."""
        if self._alternate is None:
            self._history.close()
            self._normal.scrolled = 0

    def _set_margins(self, top: int, bottom: int) -> None:
        """Set the first and last row of what scrolls, both counted from 1, or a last one of 0 for the screen's."""
        screen = self._screen
        rows = len(screen.rows)
        last = bottom if 0 < bottom <= rows else rows
        if last > top:
            screen.top, screen.bottom = top - 1, last - 1
            screen.move_to(0, 0)

    def _repeat(self, count: int) -> None:
        """Write the last character again."""
        if self._last_width == 0:
            return
        screen = self._screen
        text = screen.row.character_ending_at(screen.x - 1)
        for _ in range(min(count, screen.columns * len(screen.rows))):
            for character in text:
                self.print_character(character)

    def _soft_reset(self) -> None:
        screen = self._screen
        screen.top, screen.bottom = 0, len(screen.rows) - 1
        screen.origin = False
        self._reset_modes()
        screen.saved = (0, screen.scrolled, None)

    def _reset_modes(self) -> None:
        self._wraps = True
        self._wraps_back = self._inserts = False
        self._charsets = [None] * 4
        self._charset_index = 0
        self._charset = None

    def _reset(self) -> None:
        """Begin with a blank screen; what has scrolled off stays."""
        self._history.close()
        self._alternate = None
        self._normal = self._screen = Screen(self._normal.columns, len(self._normal.rows), self._history)
        self._newline = self._convert_eol
        self._reset_modes()

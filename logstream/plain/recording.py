"""What `script` writes around a session: a first line that says on which terminal, and a last one, how it ended.

They are about the session, not of it, and tell how to read what is between.
"""

from __future__ import annotations

import re

_BEGIN = "Script started on "
_END = "Script done on "
_SHORTEST = len("Script ")  # characters of one that may have been cut there
_LONGEST = 4096  # characters of such a line
_LOOKED_AT = 1000  # lines that tell how lines end
_LIST = re.compile(r"\[(.*)\]\s*\Z", re.DOTALL)
_VALUE = re.compile(r'([A-Z_]+)="((?:[^"\\]|\\.)*)"')


class ScriptRecording:
    """A log as it comes in, without the lines that `script` adds."""

    def __init__(self) -> None:
        self.size: tuple[int, int] | None = None
        """The terminal's columns and rows, where they were said."""
        self.from_terminal: bool | None = None
        """Whether it was recorded from a terminal; None as long as nothing has told."""
        self._held = ""
        self._begun = False  # by a first line
        self._at_start = True  # where there may be one
        self._after_newline = False

    def read(self, text: str) -> str:
        """What is to be shown of some more of the log."""
        data, self._held = self._held + text, ""
        if self._at_start:
            rest = self._without_begin(data)
            if rest is None:
                self._held = data
                return ""
            self._at_start = rest == "" != data
            data = rest
        shown: list[str] = []
        if self._after_newline and len(data) >= _SHORTEST:
            line = _line_at(data, 0, _END)
            if line is None:
                self._held = data
                return ""
            if line and self._finish(line):
                data = data[len(line) :]
        data = self._without_ends(data, shown)
        begun = _end_begun(data)
        if begun:
            data, self._held = data[:-begun], data[-begun:]
        shown.append(data)
        found = "".join(shown)
        if found:
            self._after_newline = found.endswith("\n")
        if self.from_terminal is None and "\n" in found:
            self.from_terminal = _is_terminals(found)
        return found

    def _without_begin(self, data: str) -> str | None:
        """What follows a first line; None if it cannot be told yet whether there is one."""
        line = _line_at(data, 0, _BEGIN)
        if line is None:
            return None
        if line:
            self._begun = self.from_terminal = True
            values = _values(line)
            columns, rows = (values.get(name, "") for name in ("COLUMNS", "LINES"))
            known = columns.isdecimal() and rows.isdecimal() and len(columns) < 7 and len(rows) < 7
            self.size = (int(columns), int(rows)) if known and int(columns) and int(rows) else None
        return data[len(line) :]

    def _without_ends(self, data: str, shown: list[str]) -> str:
        """Show what is before each last line, and hold what may be one; what follows."""
        begin = 0
        while (at := data.find(f"\n{_END}", begin)) >= 0:
            line = _line_at(data, at + 1, _END)
            if line is None:
                shown.append(data[:at])
                self._held = data[at:]
                return ""
            if not line or not self._finish(line):
                begin = at + 1
                continue
            shown.append(data[:at])
            data = data[at + 1 + len(line) :]
            begin = 0
            rest = self._without_begin(data)
            if rest is None:
                self._held, rest = data, ""
            data = rest
            self._at_start = data == ""
        return data

    def _finish(self, line: str) -> bool:
        """Whether it is a last line."""
        return self._begun or "COMMAND_EXIT_CODE" in _values(line)


def _line_at(data: str, at: int, beginning: str) -> str | None:
    """The line at a place with its newline, if it begins so; "" if it does not; None if that cannot be told yet."""
    if len(data) - at < len(beginning):
        return None if beginning.startswith(data[at:]) else ""
    if not data.startswith(beginning, at):
        return ""
    end = data.find("\n", at)
    if end >= 0:
        return data[at : end + 1] if end - at < _LONGEST else ""
    return None if len(data) - at < _LONGEST else ""


def _values(line: str) -> dict[str, str]:
    """The values in brackets at the end of a line."""
    found = _LIST.search(line)
    return dict(_VALUE.findall(found[1])) if found is not None else {}


def _end_begun(data: str) -> int:
    """How many characters at the end may be the beginning of a last line."""
    at = data.rfind("\n")
    return len(data) - at if at >= 0 and len(data) - at > _SHORTEST and f"\n{_END}".startswith(data[at:]) else 0


def _is_terminals(text: str) -> bool:
    """Whether lines end as a terminal's do."""
    lines = text.split("\n", _LOOKED_AT)[:-1]
    return 2 * sum(line.endswith("\r") for line in lines) > len(lines)

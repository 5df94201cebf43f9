"""Cuts terminal output into text, control characters and sequences, wherever the output itself is cut.

The states are those of ECMA-48 and DEC's terminals. What differs: nothing but a well-formed sequence takes anything
with it. One that breaks off (a line feed in it, a character that cannot be there, no end in sight) is left out as far
as it goes, and what follows is text. C1 characters (U+0080 to U+009F) are ignored: they are mostly badly decoded text.
"""

from __future__ import annotations

import re
from typing import Protocol

from .characters import SIMPLE

_LONGEST = 1000  # characters; what is longer is no sequence
_MOST = 0x7FFFFFFF  # that a parameter may be

_CAN, _SUB, _ESC = "\x18", "\x1a", "\x1b"
_CONTROLS = r"\x00-\x09\x0b-\x17\x19\x1c-\x1f\x7f"  # carried out within a sequence, while the others end it
_TEXT = re.compile(f"{SIMPLE}+")
_TEXT_OR_TAB = SIMPLE.replace("\\x00-\\x1f", "\\x00-\\x08\\x0a-\\x1f")
_COLOURS = r"\x1b\[[0-9:;]{,990}m"
_COLOUR = re.compile(_COLOURS)
_CSI_BODY = re.compile(rf"\x1b\[[<-?]?[{_CONTROLS}0-9:;]*(?:[ -/][{_CONTROLS} -/]*)?")
_CSI_PARTS = re.compile(r"([<-?]?)([0-9:;]*)([ -/]*)")
_ESCAPE_BODY = re.compile(rf"\x1b[{_CONTROLS} -/]*")
_WITHIN = re.compile(f"[{_CONTROLS}]")
_LINES = {  # by whether a line feed begins a line, or CR LF does
    newline: re.compile(rf"(?:(?:{_TEXT_OR_TAB}++|{_COLOURS})*+{end})++")
    for newline, end in ((False, "\r\n"), (True, "\r?\n"))
}
# What ends a string besides its terminator, by what it begins with; a title (`ESC k`) is screen's and tmux's.
_STRING_END = re.compile("[\x18\x1a\x1b]")
_BELL_END = re.compile("[\x07\x18\x1a\x1b]")
_LINE_END = re.compile("[\x07\n\x18\x1a\x1b]")


class Target(Protocol):
    """What output is handed to, piece by piece."""

    def wants_lines(self) -> bool | None:
        """Where many lines can be taken at once, whether a line feed begins one, or CR LF does; else None."""

    def print_lines(self, lines: list[str]) -> bool:
        """Take lines of simple characters and tabs, if it can be done so and is worth while."""

    def print(self, text: str) -> None:
        """Print simple characters."""

    def print_character(self, character: str) -> None:
        """Print any other one."""

    def control(self, control: str) -> None:
        """Carry out a control character."""

    def escape(self, final: str, intermediates: str) -> None:
        """Carry out an escape sequence."""

    def sequence(self, prefix: str, parameters: list[int], name: str) -> None:
        """Carry out a control sequence, whose name is its intermediate characters and its final one."""

    def end_character(self) -> None:
        """What comes next joins nothing before it."""


class Parser:
    """Output on its way to a target."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._held = ""  # what may be the beginning of something
        self._string_end: re.Pattern[str] | None = None  # in a string, which goes by: what ends it

    def write(self, text: str) -> None:
        """Take some more output, cut anywhere."""
        data, self._held = self._held + text, ""
        target = self._target
        at = self._skip_string(data, 0)
        tried = 0  # up to where lines are too few to be taken at once
        while at < len(data):
            newline = target.wants_lines() if at >= tried else None
            if newline is not None:
                lines = _LINES[newline].match(data, at)
                tried = lines.end() if lines is not None else at + 1
                if lines is not None and target.print_lines(_lines_of(lines[0])):
                    at = lines.end()
                    continue
            found = _TEXT.match(data, at)
            if found is not None:
                target.print(found[0])
                at = found.end()
                continue
            character = data[at]
            if character == _ESC:
                found = _COLOUR.match(data, at)
                if found is not None:
                    target.end_character()
                at = found.end() if found is not None else self._sequence(data, at)
                continue
            if character < " ":
                target.control(character)
            elif character > "\x9f":
                target.print_character(character)
            at += 1

    def _sequence(self, data: str, begin: int) -> int:
        """Take what an ESC begins; where to go on."""
        kind = data[begin + 1 : begin + 2]
        match kind:
            case "[":
                return self._control_sequence(data, begin)
            case "]":
                number = data[begin + 2 : begin + 3]
                if number == "":
                    return self._hold(data[begin:], data)
                self._string_end = _BELL_END if number in "0123456789" else _LINE_END
                return self._skip_string(data, begin + 2)
            case "P" | "X" | "^" | "_" | "k":
                self._string_end = _LINE_END if kind == "k" else _STRING_END
                return self._skip_string(data, begin + 2)
        body, at = self._body(_ESCAPE_BODY, data, begin)
        if at == len(data):
            return self._hold(body, data)
        if at == begin + _LONGEST or not "0" <= data[at] <= "~":
            return _after_broken(data, at)
        self._target.escape(data[at], body[1:])
        return at + 1

    def _control_sequence(self, data: str, begin: int) -> int:
        body, at = self._body(_CSI_BODY, data, begin)
        if at == len(data):
            return self._hold(body, data)
        if at == begin + _LONGEST or not "@" <= data[at] <= "~":
            return _after_broken(data, at)
        parts = _CSI_PARTS.fullmatch(body, 2)
        assert parts is not None, "it has been found by the same rule"
        prefix, parameters, intermediates = parts.groups()
        numbers = [min(int(one.partition(":")[0] or 0), _MOST) for one in parameters.split(";")]
        self._target.sequence(prefix, numbers, intermediates + data[at])
        return at + 1

    def _body(self, pattern: re.Pattern[str], data: str, begin: int) -> tuple[str, int]:
        """A sequence without its last character, where that is, and carried out what is within."""
        found = pattern.match(data, begin, begin + _LONGEST)
        assert found is not None, "it begins with what has been found"
        for control in _WITHIN.findall(found[0]):
            if control != "\x7f":
                self._target.control(control)
        return _WITHIN.sub("", found[0]), found.end()

    def _hold(self, begun: str, data: str) -> int:
        """Wait for the rest."""
        self._held = begun
        return len(data)

    def _skip_string(self, data: str, begin: int) -> int:
        """Go past a string's end, which may not be here yet."""
        if self._string_end is None:
            return begin
        found = self._string_end.search(data, begin)
        if found is None:
            return len(data)
        if self._string_end is _BELL_END:
            self._target.end_character()
        self._string_end = None
        return found.start() if found[0] in (_ESC, "\n") else found.end()


def _after_broken(data: str, at: int) -> int:
    """Where to go on after a sequence that breaks off at a place."""
    return at + 1 if data[at] in (_CAN, _SUB) else at


def _lines_of(text: str) -> list[str]:
    if _ESC in text:
        text = _COLOUR.sub("", text)
    return text[:-1].replace("\r", "").split("\n")

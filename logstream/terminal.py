"""What of a log may reach the terminal of whoever reads it, and how to leave that as it was. Pure: text in, text out.

A log is what programs wrote to a terminal of theirs: they asked it what it is, switched on its mouse, set its title.
The reader's terminal is to show what they showed, and no more. So only what is known to change the picture alone gets
there; not what makes a terminal send something, which the reader's shell would take for typed.
"""

from __future__ import annotations

import re

_LONGEST = 1000  # characters of a sequence; one with more is none

# Most of a log: text, with BEL, BS, HT, LF, VT, FF and CR, and colours. No other control character, and none of those
# from 0x80 on, which some terminals take for the beginning of a sequence.
_RUN = re.compile(r"(?:[^\x00-\x06\x0e-\x1f\x7f-\x9f]+|\x1b\[[0-9;]{,100}m)+")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_ESC = "\x1b"
_SHIFT_OUT, _SHIFT_IN = "\x0e", "\x0f"

# Within a sequence, terminals carry out control characters, but for those that end it.
_CONTROLS = r"\x00-\x17\x19\x1c-\x1f\x7f"
_CSI = re.compile(rf"\x1b\[([{_CONTROLS} -?]{{,{_LONGEST}}})([@-~])")
_CSI_PARTS = re.compile(r"([<-?]?)([0-9:;]*)([ -/]*)")
_ESCAPE = re.compile(rf"\x1b([{_CONTROLS} -/]{{,{_LONGEST}}})([0-Z\\-~])")
_BEGUN = re.compile(rf"\x1b(?:\[[{_CONTROLS} -?]{{,{_LONGEST}}}|[{_CONTROLS} -/]{{,{_LONGEST}}})")
_TEXT_CONTROL = re.compile("[\x07-\x0d]")
_NO_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")

# Strings: of all that there are, links and pictures are let through.
_STRING = re.compile(r"\x1b[PX\]^_]")
_LINK = "\x1b]8;"
_SIXEL = re.compile(r"\x1bP[0-9;]{,100}q")
_SIXEL_BEGUN = re.compile(r"\x1bP[0-9;]{,100}\Z")
_STRING_STOP = {True: re.compile("[\x07\x18\x1a\x1b]"), False: re.compile("[\x18\x1a\x1b]")}  # whether it is an OSC
_STRING_END = "\x1b\\"

# What is let through, by what stands before and after the parameters: moving the cursor, erasing, inserting, deleting,
# repeating, scrolling, colours, margins, and the same for rectangles.
_SHOWN = {
    ("", ""): "@ABCDEFGHIJKLMPSTXZ`abdefjkmrsu",
    ("?", ""): "JK",
    ("", " "): "@Aq",
    ("", "!"): "p",
    ("", '"'): "q",
    ("", "'"): "}~",
    ("", "$"): "rtvxz{",
    ("", "*"): "x",
}
_SHOWN_ESCAPES = {"": "6789DEMNO", "#": "34568", "(": "0AB", ")": "0AB", "*": "0AB", "+": "0AB"}
_UNDONE = {"m": "\x1b[0m", "r": "\x1b7\x1b[r\x1b8", " q": "\x1b[0 q", '"q': '\x1b[0"q', "*x": "\x1b[*x"}
_SOFT_RESET = "\x1b[!p\x1b[2J\x1b[H"

_ALTERNATE_SCREENS = ("?47", "?1047", "?1049")
# Modes that are let through, each with what a terminal has without: "h" or "l".
_MODES = {
    **dict.fromkeys(("4", "20", "?5", "?6", "?45", "?69", "?2026", *_ALTERNATE_SCREENS), "l"),
    **dict.fromkeys(("?7", "?25"), "h"),
}
_CURSOR_MODE = "?1048"  # no state, but a save and a restore
# Modes in which a terminal sends more, or something else, than what is typed: not let through, and switched off in the
# end all the same, in case that something else has let them through.
_INPUT_MODES = tuple(f"?{mode}" for mode in (1, 9, 66, *range(1000, 1007), 1015, 1016, 2004))


# What a terminal saves and restores together with the cursor: colours and character sets.
_SAVED = ("m", "(", ")", "*", "+", _SHIFT_OUT)


class TerminalFilter:
    """A log's text on its way to the reader's terminal, in pieces that may be cut anywhere. Only for one thread."""

    def __init__(self) -> None:
        self._held = ""  # the beginning of a sequence
        self._in_string: tuple[bool, bool] | None = None  # whether the string is let through, and whether it is an OSC
        # By name, what is not as it was: what makes it so, and what undoes it.
        self._changed: dict[str, tuple[str, str]] = {}
        self._saved: dict[str, str] = {}  # what undoes whatever was changed and may be restored with the cursor

    def feed(self, text: str) -> str:
        """What the terminal is to get of the next piece of the log."""
        text, self._held = self._held + text, ""
        shown: list[str] = []
        place = 0
        while place < len(text):
            place = (self._outside if self._in_string is None else self._inside)(text, place, shown)
        return "".join(shown)

    def undo(self) -> str:
        """What leaves the terminal as it was. It may follow on anything, even on half a sequence."""
        changed = {**{name: undo for name, (_, undo) in self._changed.items()}, **self._saved}
        # To leave the alternate screen restores what is saved, and to widen the margins needs the cursor saved.
        ranks = {**dict.fromkeys(_ALTERNATE_SCREENS, 0), "r": 1}
        undone = "".join(changed[name] for name in sorted(changed, key=lambda name: ranks.get(name, 2)))
        return _STRING_END + undone if undone or self._in_string else ""

    def redo(self) -> str:
        """What brings the terminal back from `undo`, but for what was on the screen."""
        return "".join(done for done, _ in self._changed.values())

    def restart(self) -> str:
        """What leaves the terminal as it was; what comes next is the beginning of a log."""
        undone = self.undo()
        self._held, self._in_string = "", None
        self._changed = {}
        return undone

    def _outside(self, text: str, place: int, shown: list[str]) -> int:
        """Take the next of what is no string's content, from a place on: a run of text, or what a control begins."""
        run = _RUN.match(text, place)
        if run is not None:
            shown.append(run[0])
            self._note_colours(_COLOURS.findall(run[0]))
            return run.end()
        if text[place] != _ESC:
            shown.append(self._shift(text[place]))
            return place + 1
        if _STRING.match(text, place):
            return self._open_string(text, place, shown)
        sequence = _CSI.match(text, place)
        if sequence is not None:
            shown.append(_text_controls(sequence[1]) + self._control_sequence(_printable(sequence[1]), sequence[2]))
            return sequence.end()
        sequence = _ESCAPE.match(text, place)
        if sequence is not None:
            shown.append(_text_controls(sequence[1]) + self._escape_sequence(_printable(sequence[1]), sequence[2]))
            return sequence.end()
        begun = _BEGUN.match(text, place)
        assert begun is not None, "an ESC is the beginning of one"
        if begun.end() == len(text):
            self._held = begun[0]
        else:  # and it never will be one
            shown.append(_text_controls(begun[0]))
        return begun.end()

    def _open_string(self, text: str, place: int, shown: list[str]) -> int:
        """Decide whether a string is let through, if enough of it is there; the place behind its beginning."""
        is_osc = text[place + 1] == "]"
        sixel = _SIXEL.match(text, place)
        head = _LINK if text.startswith(_LINK, place) else sixel[0] if sixel is not None else None
        if head is None and (_LINK.startswith(text[place:]) or _SIXEL_BEGUN.match(text, place)):
            self._held = text[place:]
            return len(text)
        self._in_string = (head is not None, is_osc)
        shown.append(head or "")
        return place + len(head or text[place : place + 2])

    def _inside(self, text: str, place: int, shown: list[str]) -> int:
        """Take a string's content from a place on; the place behind it, or behind the string."""
        assert self._in_string is not None
        passes, is_osc = self._in_string
        stop = _STRING_STOP[is_osc].search(text, place)
        end = len(text) if stop is None else stop.start()
        if passes:
            shown.append(_printable(text[place:end]))
        if stop is None:
            return end
        if passes:
            shown.append(_STRING_END)
        self._in_string = None
        return end if stop[0] == _ESC else stop.end()  # by itself, the end of a string shows nothing

    def _control_sequence(self, body: str, final: str) -> str:
        parts = _CSI_PARTS.fullmatch(body)
        if parts is None:
            return ""
        marker, parameters, intermediates = parts.groups()
        if final in "hl" and not intermediates and marker in ("", "?"):
            return self._modes(marker, parameters.split(";"), final)
        if final not in _SHOWN.get((marker, intermediates), ""):
            return ""
        sequence = f"\x1b[{body}{final}"
        name = marker + intermediates + final
        if name in _UNDONE:
            self._note(name, sequence, _UNDONE[name], usual=_is_usual(parameters))
        elif name == "u":
            self._restore_saved()
        return sequence

    def _modes(self, marker: str, parameters: list[str], final: str) -> str:
        shown = []
        for parameter in parameters:
            mode = marker + parameter.lstrip("0")
            if mode in _MODES:
                usual = _MODES[mode]
                self._note(mode, f"\x1b[{mode}{final}", f"\x1b[{mode}{usual}", usual=final == usual)
                shown.append(parameter)
            elif mode in _INPUT_MODES:
                self._note(mode, "", f"\x1b[{mode}l", usual=final == "l")
            elif mode == _CURSOR_MODE:
                shown.append(parameter)
            if final == "l" and mode in (_CURSOR_MODE, "?1049"):
                self._restore_saved()
        return f"\x1b[{marker}{';'.join(shown)}{final}" if shown else ""

    def _escape_sequence(self, intermediates: str, final: str) -> str:
        if not intermediates and final == "c":  # a reset of all, and so of what the reader has set
            return self.restart() + _SOFT_RESET
        if final not in _SHOWN_ESCAPES.get(intermediates, ""):
            return ""
        sequence = f"\x1b{intermediates}{final}"
        if intermediates in _SAVED:
            self._note(intermediates, sequence, f"\x1b{intermediates}B", usual=final == "B")
        elif not intermediates and final == "8":
            self._restore_saved()
        return sequence

    def _shift(self, control: str) -> str:
        if control not in (_SHIFT_OUT, _SHIFT_IN):
            return ""
        self._note(_SHIFT_OUT, _SHIFT_OUT, _SHIFT_IN, usual=control == _SHIFT_IN)
        return control

    def _note(self, name: str, done: str, undo: str, *, usual: bool) -> None:
        """Take down that something was changed, or is as usual."""
        before, _ = self._changed.pop(name, ("", ""))
        if usual:
            return
        if name == "m":  # colours add up
            done = (before + done)[-_LONGEST:] if len(before) < _LONGEST else done
        self._changed[name] = (done, undo)
        if name in _SAVED:
            self._saved[name] = undo

    def _note_colours(self, sequences: list[str]) -> None:
        """The same for colours; those before the last reset count only as such that may have been saved."""
        usual = [_is_usual(sequence[2:-1]) for sequence in sequences]
        if True in usual and False in usual:
            self._saved["m"] = _UNDONE["m"]
        last = len(usual) - usual[::-1].index(True) - 1 if True in usual else 0
        for sequence, is_usual in zip(sequences[last:], usual[last:], strict=True):
            self._note("m", sequence, _UNDONE["m"], usual=is_usual)

    def _restore_saved(self) -> None:
        """What was saved comes back, perhaps by another program, and then it may be anything."""
        self._saved = {"m": _UNDONE["m"], "(": "\x1b(B", _SHIFT_OUT: _SHIFT_IN} | self._saved
        for name, undo in self._saved.items():
            self._changed.setdefault(name, ("", undo))


def _is_usual(parameters: str) -> bool:
    """Whether they are those which set things back."""
    return not parameters.strip("0;")


def _text_controls(sequence: str) -> str:
    return "".join(_TEXT_CONTROL.findall(sequence))


def _printable(text: str) -> str:
    return _NO_CONTROL.sub("", text)

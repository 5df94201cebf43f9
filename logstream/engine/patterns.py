"""What is searched for: a pattern, made ready for lines as they are in the file, with escape sequences in them.

A regular expression is RE2's, so that none takes time that is not linear. It is the pattern that is rewritten, and not
the text: an optional escape sequence is let in before each character. What that finds is a candidate, in whose line
the pattern itself is then looked for, without the sequences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import re2

from .escapes import SEQUENCE

LONGEST = 1000  # characters of a pattern

_MOST_MEMORY = 4 << 20  # bytes for each of a pattern's forms

_REPEAT = re.compile(r"(?:[*+?]|\{\d+(?:,\d*)?\})\??")
_CLASS = re.compile(r"\[\^?\]?(?:\[:\^?\w+:\]|\\[pP]\{[^}]*\}|\\.|[^\]\\])*\]", re.DOTALL)
_GROUP = re.compile(r"\((?:\?(?:P?<[^>]*>|[imsU-]*[:)]))?")
_QUOTED = re.compile(r"\\Q(.*?)(?:\\E|\Z)", re.DOTALL)
_ESCAPED = re.compile(r"\\(?:[pP](?:\{[^}]*\}|.)|x(?:\{[^}]*\}|..)|[0-7]{1,3}|.)", re.DOTALL)
_ANCHORS = {"^": "begin", r"\A": "begin", "$": "end", r"\z": "end", r"\b": "boundary", r"\B": "boundary"}


class PatternError(ValueError):
    """A pattern that is none; its text is a sentence that says where."""


class Pattern:
    """A pattern in three forms. Any thread.

    `quick` and `through` find candidates in many lines at once, of text without and with escape sequences: they find
    whatever is to be found, and may find more. `exact` decides, in one plain line.
    """

    __slots__ = ("exact", "quick", "through")

    def __init__(self, text: str, *, regex: bool = False, case: bool = False) -> None:
        """A word, or with `regex` a regular expression; upper and lower case differ with `case`.

        Raises PatternError.
        """
        if len(text) > LONGEST:
            raise PatternError(f"The pattern is too long: {LONGEST} characters are allowed.")
        if "\n" in text:
            raise PatternError("The pattern has a line feed: what is searched is single lines.")
        try:
            pattern = text if regex else re2.escape(text)
            self.exact = _compile(pattern, case)
            tokens = list(_tokens(pattern))
            self.quick = _compile(_rewrite(tokens, None), case)
            try:
                self.through = _compile(_rewrite(tokens, SEQUENCE), case)
            except re2.error:  # it gets too large: then all lines are candidates
                self.through = _compile("", case)
        except re2.error as error:
            raise PatternError(_sentence(text, error)) from None
        finally:
            re2.purge()  # its cache would keep megabytes of each pattern


def _compile(pattern: str, case: bool) -> Any:
    options = re2.Options()
    options.max_mem = _MOST_MEMORY
    options.case_sensitive = case
    options.never_nl = True
    options.never_capture = True
    options.log_errors = False
    return re2.compile(pattern, options)


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


def _tokens(pattern: str) -> Iterator[_Token]:
    """The parts of a regular expression, by what they are: an "atom" stands for one character."""
    place = 0
    while place < len(pattern):
        char = pattern[place]
        quoted = _QUOTED.match(pattern, place)
        if quoted:
            yield from (_Token("atom", re2.escape(one), place) for one in quoted[1])
            place = quoted.end()
            continue
        found = None
        if char == "\\":
            kind, found = "atom", _ESCAPED.match(pattern, place)
        elif char == "[":
            kind, found = "atom", _CLASS.match(pattern, place)
        elif char == "(":
            kind, found = "open", _GROUP.match(pattern, place)
            if found is not None and found[0].endswith(")"):
                kind = "flags"
        elif char in "*+?{":
            kind, found = "repeat", _REPEAT.match(pattern, place)
        text = found[0] if found is not None else char
        if found is None:
            kind = {")": "close", "|": "or"}.get(char, "atom")
        yield _Token(_ANCHORS.get(text, kind), text, place)
        place += len(text)


def _rewrite(tokens: list[_Token], sequence: str | None) -> str:
    """The regular expression for whole blocks of lines, with `sequence` let in wherever it may stand."""
    between = f"(?:{sequence})*" if sequence is not None else ""
    at_end = rf"(?:(?:{sequence}|\r)*(?m:$))" if sequence is not None else r"(?:\r*(?m:$))"
    rewritten = []
    depth = 0
    first = True  # nothing need be let in before a first character, and RE2 is faster without
    ended = False  # an end has been asked for, which may have taken the line's sequences: it may be its beginning, too
    for token, following in zip(tokens, [*tokens, _Token("", "", 0)][1:], strict=True):
        text = token.text
        if token.kind == "atom":
            if not (first and following.kind != "repeat") and between:
                text = f"(?:{between}{text})"
            first = False
        elif token.kind == "begin":
            text = "(?:)" if ended else f"(?:(?m:^){between})"
        elif token.kind == "end":
            text = at_end
            ended = True
        elif token.kind == "boundary" and between:
            text = (
                "" if following.kind != "repeat" else "(?:)"
            )  # a sequence's last letter would pass for one of the word's
        elif token.kind == "open":
            depth += 1
            first = False
        elif token.kind == "close":
            depth -= 1
        elif token.kind == "or" and depth == 0:
            first = True
        rewritten.append(text)
    return "".join(rewritten)


def _sentence(pattern: str, error: re2.error) -> str:
    what, _, part = error.args[0].decode(errors="replace").partition(": ")
    place = pattern.find(part) if part else len(pattern) - 1
    if what.endswith("parenthesis") or what.endswith((")", "(")):
        place = _odd_parenthesis(pattern, place)
    if place < 0 or what.startswith("pattern too large"):
        return f"The pattern is wrong: {what}."
    shown = f" ({part})" if part and part != pattern else ""
    return f"The pattern is wrong at character {place + 1}: {what}{shown}."


def _odd_parenthesis(pattern: str, default: int) -> int:
    """Where a parenthesis stands that has no other."""
    opened: list[int] = []
    for token in _tokens(pattern):
        if token.kind == "open":
            opened.append(token.position)
        elif token.kind == "close":
            if not opened:
                return token.position
            opened.pop()
    return opened[-1] if opened else default

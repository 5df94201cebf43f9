"""How many columns a character takes, and which ones join to be shown as one: Unicode's grapheme clusters."""

from __future__ import annotations

from bisect import bisect_right

from .width_tables import RANGES

# Kinds of characters by how they join, as Unicode's Grapheme_Cluster_Break has them.
OTHER = 0
PREPEND = 1
EXTEND = 2
REGIONAL = 3
SPACING = 4
L = 5
V = 6
T = 7
LV = 8
LVT = 9
JOINER = 10
PICTOGRAPH = 11
INVISIBLE = 12  # takes no column

_KIND = 15
_WIDE = 16
_EMOJI_SELECTOR = 0xFE0F  # what is before it is shown as an emoji, in two columns
_HANGUL = range(0xAC00, 0xD7A4)  # syllables, whose kind follows from their number
_FIRSTS = [first for first, _, _ in RANGES]

_FOLLOWS = {  # which kinds join what is before them, by the kinds of that; None for any
    EXTEND: None,
    JOINER: None,
    SPACING: None,
    REGIONAL: {REGIONAL, PREPEND},
    PICTOGRAPH: {JOINER, PREPEND},
    L: {L, PREPEND},
    LV: {L, PREPEND},
    LVT: {L, PREPEND},
    V: {L, V, LV, PREPEND},
    T: {V, T, LV, LVT, PREPEND},
}

SIMPLE = "[^\\x00-\\x1f\\x7f-\\x9f\\uac00-\\ud7a3\U00010000-\U0010ffff{}]".format(
    "".join(f"{chr(first)}-{chr(last)}" for first, last, _ in RANGES if last < 0x10000)
)
"""A pattern for a character that takes one column and joins nothing."""


def kind_of(character: str) -> int:
    """A character's kind."""
    return _properties(ord(character)) & _KIND


def width_of(character: str) -> int:
    """The columns of a character by itself."""
    code = ord(character)
    found = _properties(code)
    if found & _KIND == INVISIBLE:
        return 0
    return 2 if found & _WIDE or code == _EMOJI_SELECTOR else 1


def joins(before: int, kind: int) -> bool:
    """Whether a character of a kind is one with what it follows, which is of the kind before."""
    kinds = _FOLLOWS.get(kind, {PREPEND})
    return kinds is None or before in kinds


def joined_kind(kind: int) -> int:
    """The kind of a cluster after a character of a kind has joined it."""
    return OTHER if kind == REGIONAL else kind  # a flag is two


def joined_width(width: int, character: str) -> int:
    """The columns of a cluster of so many after a character has joined it."""
    return 2 if kind_of(character) == REGIONAL else max(width, width_of(character))


def _properties(code: int) -> int:
    if code in _HANGUL:
        return _WIDE | (LV if (code - _HANGUL.start) % 28 == 0 else LVT)
    at = bisect_right(_FIRSTS, code) - 1
    if at < 0:
        return 0
    _, last, value = RANGES[at]
    return value if code <= last else 0

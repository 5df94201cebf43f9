"""Tests of patterns: what is found in lines as they are is what is found in lines without escape sequences."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logstream.engine.escapes import plain
from logstream.engine.patterns import LONGEST, Pattern, PatternError

from .logs import contents, split, without_sequences, words

_ATOMS = [
    "a", "b", "m", "3", "ö", "日", ".", "[ab]", "[^a]", r"\d", r"\w", r"\W", r"\x61", r"\pL", "[[:alpha:]]", r"\Q(.\E",
    "(a|b)", "(?i:B)", "(?P<name>ab)", "(?:a.)", r"\.", "[]a]", r"[\]b]", "^", "$", r"\b", r"\B", r"\A", r"\z", "|",
]  # fmt: skip
_REPEATS = ["", "", "", "*", "+", "?", "{2}", "{1,2}", "+?", "{0,}"]
regexes = st.lists(
    st.tuples(st.sampled_from(_ATOMS), st.sampled_from(_REPEATS)).map(
        lambda both: both[0] if both[0] in "|^$" or re.fullmatch(r"\\.", both[0]) else "".join(both)
    ),
    min_size=0,
    max_size=5,
).map("".join)


@given(contents)
def test_a_line_without_its_escape_sequences(content: bytes) -> None:
    """They are taken out as a terminal reads them, whatever is unfinished or no UTF-8."""
    for _, _, line in split(content):
        assert plain(line) == without_sequences(line)


@given(contents, words, st.booleans())
def test_words_are_found_across_escape_sequences(content: bytes, word: str, case: bool) -> None:
    """Each line in which a word is shown is a candidate, and in no other does the exact form find it."""
    pattern = Pattern(word, case=case)
    for _, _, line in split(content):
        shown = without_sequences(line)
        found = word.encode() in shown if case else word.lower() in shown.decode(errors="replace").lower()
        assert bool(pattern.exact.search(plain(line))) == found
        assert pattern.through.search(line) or not found


@given(contents, regexes, st.booleans())
@example(b"\x1b[31m", "$\\A", False)
def test_regular_expressions_are_found_across_escape_sequences(content: bytes, regex: str, case: bool) -> None:
    """Each line that matches when it has no escape sequences is a candidate as it is."""
    pattern = Pattern(regex, regex=True, case=case)
    for _, _, line in split(content):
        if pattern.exact.search(plain(line)):
            assert pattern.through.search(line)
            assert pattern.quick.search(without_sequences(line) + b"\r")


@pytest.mark.parametrize(
    "regex", [r"\berror\b", "^error$", r"\Aerror\z", "e(r|x)+or", "[a-z]{5}", r"\Qerr\Eo?or", "(?i)ERROR", r"\w+$"]
)
@pytest.mark.parametrize(
    "line", [b"\x1b[1merror\x1b[0m\r", b"\x1b]0;a title\x07er\x1b[31mror", b"e\x1b(Brror\x1b[m\r\r"]
)
def test_a_coloured_word(regex: str, line: bytes) -> None:
    """It is found by every means of saying what it is, with sequences around and within."""
    pattern = Pattern(regex, regex=True, case=True)
    assert pattern.exact.search(plain(line))
    assert pattern.through.search(line)


@pytest.mark.parametrize(
    ("regex", "sentence"),
    [
        ("a(b", "at character 2: missing )"),
        ("(a)b)", "at character 5: unexpected )"),
        ("ab[z-a]", "at character 4: invalid character class range (z-a)"),
        ("abc**", "at character 4: bad repetition operator (**)"),
        (r"ab\8", r"at character 3: invalid escape sequence (\8)"),
        ("ab\\", "at character 3: trailing \\"),
        ("*", "at character 1: no argument for repetition operator"),
        ("x{2000}", "at character 2: invalid repetition size ({2000})"),
        ("a(?=b)", "at character 2: invalid perl operator ((?=)"),
        ("a[b", "at character 2: missing ] ([b)"),
    ],
)
def test_a_bad_pattern_is_told_where(regex: str, sentence: str) -> None:
    """The sentence has the place and the reason."""
    with pytest.raises(PatternError) as caught:
        Pattern(regex, regex=True)
    assert str(caught.value) == f"The pattern is wrong {sentence}."


@pytest.mark.parametrize("text", ["a" * (LONGEST + 1), "a\nb"])
def test_what_can_be_no_pattern_is_refused(text: str) -> None:
    """One that is too long, and one that would match over lines."""
    with pytest.raises(PatternError):
        Pattern(text)


@pytest.mark.parametrize(
    "regex", ["(abcdefgh){1000}", "(((a{30}){30}){30}){30}", "x" * LONGEST, "(a*)*" * 100 + "b", r"\pL{500}"]
)
def test_a_large_pattern_is_bounded(regex: str) -> None:
    """It works, or is refused with a sentence; never does it take for ever."""
    try:
        pattern = Pattern(regex, regex=True)
    except PatternError as error:
        assert str(error).startswith("The pattern is wrong")
    else:
        pattern.exact.search(b"a" * 10_000)
        pattern.through.search(b"a" * 10_000)

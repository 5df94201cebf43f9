"""Tests of searches: what they find against a plain model, and against grep, wherever it stands in a file."""

from __future__ import annotations

import functools
import random
import re
import subprocess
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstream.engine.lineindex import LineIndex, LineIndexes
from logstream.engine.lines import PIECE
from logstream.engine.logfile import LogFile
from logstream.engine.pacing import Pace
from logstream.engine.patterns import Pattern
from logstream.engine.places import BusyError
from logstream.engine.search import MOST_AT_ONCE, End, Hit, Neighbour, Progress, Query, Searches, search
from logstream.engine.state import StateDirectory

from .logs import BLOCK, FIRST, contents, make_log, padding, paddings, split, without_sequences, words


def find(file: LogFile, query: Query) -> tuple[list[Hit], End]:
    """All hits, and the end."""
    index = LineIndex(file.identity)
    index.extend(file, file.size(), lambda: None)
    *found, end = search(file, query, index, lambda: None)
    assert isinstance(end, End)
    return [hit for hit in found if isinstance(hit, Hit)], end


def whole(path: Path, pattern: Pattern, content: bytes, **options: object) -> list[Hit]:
    """All hits in a content."""
    return find(make_log(path, content), Query(pattern, **options))[0]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a log is made anew for each example."""
    return tmp_path_factory.mktemp("search") / "log.out"


@given(paddings, contents, words, st.booleans())
def test_the_lines_in_which_a_word_is_shown_are_found(
    path: Path, size: int, content: bytes, word: str, reverse: bool
) -> None:
    """All of them and no other, with their places, numbers and texts, in order."""
    content = content + b"\n" + padding(size) if reverse else padding(size) + content
    wanted = [
        (start, end, number, without_sequences(line).decode(errors="replace"))
        for number, (start, end, line) in enumerate(split(content), 1)
        if word.encode() in without_sequences(line)
    ]
    hits, end = find(make_log(path, content), Query(Pattern(word, case=True), reverse=reverse))
    found = [(hit.offset, hit.end, hit.line, hit.text) for hit in hits]
    assert found == (wanted[::-1] if reverse else wanted)
    assert end == End(len(content), False, None)


@pytest.mark.parametrize("border", [FIRST, 3 * FIRST, BLOCK, BLOCK + 4096])
@pytest.mark.parametrize("reverse", [False, True])
def test_lines_across_the_border_of_two_blocks(path: Path, border: int, reverse: bool) -> None:
    """They are whole, wherever it cuts them."""
    lines = b"one needle\r\n\x1b[1mtwo nee\x1b[mdles\n"
    texts = ["one needle", "two needles"]
    pattern = Pattern("needle")
    for shift in range(len(lines) + 2):
        content = lines + padding(border - shift) if reverse else padding(border - shift) + lines + padding(8000)
        hits = whole(path, pattern, content, reverse=reverse)
        assert [hit.text for hit in hits] == (texts[::-1] if reverse else texts)


@given(contents, words)
def test_the_ranges_are_where_the_word_stands(path: Path, content: bytes, word: str) -> None:
    """In characters of the text, one after the other."""
    for hit in whole(path, Pattern(word, case=True), content):
        assert not hit.cut
        assert hit.ranges == [match.span() for match in re.finditer(re.escape(word), hit.text)]


@given(paddings, contents, words, st.integers(0, 20), st.integers(0, 20), st.booleans(), st.integers(1, 5))
def test_a_search_goes_on_where_the_last_one_ended(
    path: Path, size: int, content: bytes, word: str, skipped: int, left: int, reverse: bool, limit: int
) -> None:
    """Searches with a limit find, one after the other, what one without finds; each says whether there is more."""
    content = padding(size) + content
    file = make_log(path, content)
    start, stop = min(len(content), max(0, size - 10) + skipped), max(0, len(content) - left)
    pattern = Pattern(word)
    everything, _ = find(file, Query(pattern, start, stop, reverse=reverse))
    hits: list[Hit] = []
    while True:
        some, end = find(file, Query(pattern, start, stop, limit, reverse=reverse))
        hits += some
        assert len(some) == limit or not end.more
        if end.next is None:
            break
        start, stop = (start, end.next) if reverse else (end.next, stop)
    assert hits == everything


@given(contents, words, st.data())
def test_a_part_is_searched_as_if_it_were_all(path: Path, content: bytes, word: str, data: st.DataObject) -> None:
    """What stands before `start`, and from `stop` on, is not found."""
    start = data.draw(st.integers(0, len(content)))
    stop = data.draw(st.integers(0, len(content) + 5))
    part = whole(path, Pattern(word), content, start=start, stop=stop)
    alone = whole(path, Pattern(word), content[start:stop])
    assert [(hit.offset, hit.end, hit.text) for hit in part] == [
        (hit.offset + start, hit.end + start, hit.text) for hit in alone
    ]


@given(paddings, contents, words, st.integers(1, 50))
def test_the_context_of_a_hit(path: Path, size: int, content: bytes, word: str, context: int) -> None:
    """So many lines before and after, each as it is shown."""
    content = padding(size) + content
    lines = [
        Neighbour(start, end, without_sequences(line).decode(errors="replace")) for start, end, line in split(content)
    ]
    places = [line.offset for line in lines]
    for hit in whole(path, Pattern(word), content, context=context):
        place = places.index(hit.offset)
        assert hit.before == lines[max(0, place - context) : place]
        assert hit.after == lines[place + 1 : place + 1 + context]


_GREPPED = [
    "error",
    "^a.*z$",
    "[0-9]{3}",
    "(err|warn)[^ ]* ",
    "x*",
    "^$",
    "$",
    r"\.",
    "ö.",
    "日本|a",
    "[^a-z]$",
    "o( |w)",
]


@functools.cache
def _grepped() -> tuple[bytes, bytes]:
    """A text, and the same in colours."""
    randomly = random.Random(7)
    parts = ["error", "Warning ", "a", "z", "o", "w", "123", " ", ".", "öl", "日本", "", "x" * 90, "=" * 50]
    lines = ["".join(randomly.choices(parts, k=randomly.randrange(8))) for _ in range(7000)]
    text = "\n".join([*lines, "an error without a line feed, z"]).encode()
    return text, re.sub(rb"[aeowz1]", lambda match: b"\x1b[3%dm%b\x1b[m" % (match[0][0] % 8, match[0]), text)


@pytest.mark.parametrize("regex", _GREPPED)
@pytest.mark.parametrize("case", [True, False])
def test_what_grep_finds_is_found(path: Path, regex: str, case: bool) -> None:
    """The same lines by their offsets and numbers, in coloured text too, over several blocks."""
    text, coloured = _grepped()
    assert len(text) > BLOCK
    path.write_bytes(text)
    arguments = ["grep", "-a", "-b", "-n", "-E", *([] if case else ["-i"]), "--", regex, str(path)]
    grep = subprocess.run(arguments, stdout=subprocess.PIPE, env={"LC_ALL": "C.UTF-8"}, check=False).stdout
    wanted = [line.split(b":", 2) for line in grep.splitlines()]
    pattern = Pattern(regex, regex=True, case=case)
    hits = whole(path, pattern, text, limit=30_000)
    assert [(hit.line, hit.offset, hit.text.encode()) for hit in hits] == [
        (int(number), int(offset), line) for number, offset, line in wanted
    ]
    assert [(hit.line, hit.text) for hit in whole(path, pattern, coloured, limit=30_000)] == [
        (hit.line, hit.text) for hit in hits
    ]


def test_a_pattern_that_is_in_every_escape_sequence(path: Path) -> None:
    """Only what is shown counts, however many candidates there are."""
    content = b"\x1b[31mred\x1b[m\n" * 50_000 + b"\x1b[31m31\x1b[mm\n" + b"\x1b[31mred\x1b[m\n" * 500 + b"31m\n"
    for reverse in (False, True):
        hits = whole(path, Pattern("31m"), content, reverse=reverse)
        assert sorted(hit.line or 0 for hit in hits) == [50_001, 50_502]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("newlines", [True, False])
def test_words_in_a_line_of_megabytes(path: Path, reverse: bool, newlines: bool) -> None:
    """Each is found once, also where the line is cut, in a piece that has its place in the file."""
    word = b"needle"
    places = [PIECE - 3, 3 * PIECE - 1, BLOCK - 2, BLOCK + 5, 5 * BLOCK - 3, 7 * BLOCK + PIECE // 2, 9 * BLOCK]
    line = bytearray(b"." * (9 * BLOCK + 100))
    for place in places:
        line[place : place + len(word)] = word
    before, after = (b"first\n", b"\nlast needle\nend\n") if newlines else (b"", b"")
    hits = whole(path, Pattern("needle"), before + bytes(line) + after, reverse=reverse)
    hits.sort(key=lambda hit: hit.offset)
    pieces = {hit.offset: hit for hit in hits}
    assert len(pieces) == len(hits)
    found = [
        hit.offset + hit.skipped + first - len(before)
        for hit in hits
        for first, _ in hit.ranges
        if hit.offset < len(before) + len(line)
    ]
    assert [place for place in places if place not in found] == []
    assert all(hit.end - hit.offset <= 2 * PIECE + 1 and len(hit.text) <= 2000 for hit in hits)


def test_a_long_line_is_cut_around_its_match(path: Path) -> None:
    """The text begins a little before, and says how much is left out on both sides."""
    content = "ä" * 5000 + "needle" + "ö" * 5000
    (hit,) = whole(path, Pattern("needle"), content.encode())
    assert hit.text == content[hit.skipped : hit.skipped + len(hit.text)]
    assert hit.cut
    assert [hit.text[first:last] for first, last in hit.ranges] == ["needle"]


def test_a_file_that_is_truncated_meanwhile(path: Path) -> None:
    """The search ends; what was there is found, what is gone is not."""
    for reverse in (False, True):
        file = make_log(path, b"a needle\n" * 35_000)
        index = LineIndex(file.identity)
        found = search(file, Query(Pattern("needle"), limit=1_000_000, reverse=reverse), index, lambda: None)
        assert isinstance(next(found), Hit)
        with path.open("r+b") as log:
            log.truncate(9)
        *_, end = found
        assert isinstance(end, End)


def test_a_file_that_grows_or_is_replaced_meanwhile(path: Path) -> None:
    """What is searched is what there was at the beginning."""
    file = make_log(path, b"a needle\n" * 35_000)
    found = search(file, Query(Pattern("needle"), limit=50_000), LineIndex(file.identity), lambda: None)
    next(found)
    with path.open("ab") as log:
        log.write(b"a needle\n" * 35_000)
    path.rename(path.with_suffix(".old"))
    path.write_bytes(b"nothing\n")
    *hits, end = found
    assert (len([hit for hit in hits if isinstance(hit, Hit)]), end) == (34_999, End(315_000, False, None))


def test_progress_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while nothing is found, so that a client that is gone is noticed."""
    monkeypatch.setattr("logstream.engine.search._PROGRESS", 0.0)
    file = make_log(path, b"nothing\n" * 200_000)
    *found, end = search(file, Query(Pattern("needle")), LineIndex(file.identity), lambda: None)
    said = [one.read for one in found if isinstance(one, Progress)]
    assert len(said) > 3
    assert said == sorted(said)
    assert end == End(1_600_000, False, None)


def test_little_memory_is_needed(path: Path) -> None:
    """Whatever the size of the log, and however much is found."""
    hits = b"\x1b[1ma\x1b[m\n" * 500
    file = make_log(path, hits + b"\x1b[1mb\x1b[m\n" * 2_000_000 + hits)
    pattern = Pattern("a")
    tracemalloc.start()
    try:
        for reverse in (False, True):
            count = sum(
                isinstance(one, Hit)
                for one in search(file, Query(pattern, limit=2_000, reverse=reverse), LineIndex(file.identity), int)
            )
            assert count == 1_000
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_numbers_can_be_insisted_on(path: Path) -> None:
    """A hit has its line's number though nobody has counted the lines before."""
    file = make_log(path, b"nothing\n" * 500_000 + b"needle\n")
    for numbers, line in ((False, None), (True, 500_001)):
        hit = next(search(file, Query(Pattern("needle"), numbers=numbers), LineIndex(file.identity), lambda: None))
        assert isinstance(hit, Hit)
        assert hit.line == line


def test_there_is_a_bound_on_searches_at_once(tmp_path: Path) -> None:
    """One too many is refused, until another one has ended."""
    pace = Pace()
    indexes = LineIndexes(str(tmp_path), ".out", StateDirectory(str(tmp_path / "state")), pace)
    searches = Searches(indexes, pace, lambda: False)
    places = [searches.enter() for _ in range(MOST_AT_ONCE)]
    with pytest.raises(BusyError):
        searches.enter()
    places.pop().close()
    places.append(searches.enter())
    for place in places:
        place.close()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_search_can_rest_after_each_slice(path: Path, reverse: bool) -> None:
    """Between two chances to rest it reads a block at most, and tells of one hit: others need not wait for more."""
    file = make_log(path, b"nothing\n" * 500_000 + b"needle\n" * 500)
    index = LineIndex(file.identity)
    rests = hits = told = 0

    def rest() -> None:
        nonlocal rests, told
        rests += 1
        told = 0

    for found in search(file, Query(Pattern("needle"), context=1, reverse=reverse), index, rest):
        told += isinstance(found, Hit)
        hits += isinstance(found, Hit)
        assert reverse or told <= 1
    assert hits == 500
    assert rests >= file.size() // BLOCK + hits


def test_a_dense_log_is_not_searched_further_back_than_is_asked(path: Path) -> None:
    """The last hit of many is found without a look at all of a block."""
    file = make_log(path, b"needle\n" * 100_000)
    rests = []
    hits = search(
        file, Query(Pattern("needle"), limit=1, reverse=True), LineIndex(file.identity), lambda: rests.append(1)
    )
    assert [hit.offset for hit in hits if isinstance(hit, Hit)] == [699_993]
    assert len(rests) <= FIRST // 7 + 2


def test_searches_rest_where_others_follow(tmp_path: Path) -> None:
    """While somebody follows a session, a search takes a third of a core at most, and else what it can get."""
    path = tmp_path / "log.out"
    file = make_log(path, b"\x1b[1mnothing\x1b[m\n" * 1_000_000)
    followed = threading.Event()
    asked = 0

    def others() -> bool:
        nonlocal asked
        asked += 1
        return followed.is_set()

    pace = Pace()
    indexes = LineIndexes(str(tmp_path), ".out", StateDirectory(str(tmp_path / "state")), pace)
    try:
        searches = Searches(indexes, pace, others)
        *_, end = searches.run("log", file, Query(Pattern("needle")), lambda: None)
        assert isinstance(end, End)
        assert asked > 0
    finally:
        indexes.close()

"""Tests of the lines around a place, against all lines of the log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstream.engine.lines import PIECE, Line, lines_around
from logstream.engine.logfile import LogFile

from .logs import contents, make_log, padding, split


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a log is made anew for each example."""
    return tmp_path_factory.mktemp("lines") / "log.out"


@given(st.integers(0, 70_000), contents, st.integers(0, 70_000), st.integers(0, 30), st.integers(0, 30), st.data())
def test_whole_lines_around_any_place(
    path: Path, size: int, content: bytes, behind: int, before: int, after: int, data: st.DataObject
) -> None:
    """The line at the place and its neighbours, with the places where they begin and end."""
    content = padding(size) + content + padding(behind)
    at = data.draw(st.integers(0, len(content) + 5))
    lines = [Line(*line) for line in split(content)]
    place = max((number for number, line in enumerate(lines) if line.offset <= at), default=0)
    wanted = lines[max(0, place - before) : place + after + 1]
    assert lines_around(make_log(path, content), at, before, after) == wanted


@given(st.lists(st.integers(0, 4 * PIECE), min_size=1, max_size=4), st.integers(0, 200), st.data())
def test_a_long_line_is_cut_at_places_that_all_agree_on(
    path: Path, lengths: list[int], size: int, data: st.DataObject
) -> None:
    """From wherever one looks, there are the same pieces, and together they are the log."""
    content = padding(size) + b"\n".join(b"x" * length for length in lengths)
    file = make_log(path, content)
    pieces = []
    at = 0
    while at < len(content):
        (piece,) = lines_around(file, at, 0, 0)
        assert piece.offset == at
        assert piece.end - piece.offset <= 2 * PIECE
        pieces.append(piece)
        at = piece.end
    assert b"".join(content[piece.offset : piece.end] for piece in pieces) == content
    ends = {piece.end for piece in pieces}
    assert {end for _, end, _ in split(content)} <= ends
    at = data.draw(st.integers(0, max(0, len(content) - 1)))
    number = next((number for number, piece in enumerate(pieces) if piece.offset <= at < piece.end), 0)
    assert lines_around(file, at, 1, 1) == pieces[max(0, number - 1) : number + 2]


def test_the_middle_of_ten_gigabytes(path: Path) -> None:
    """A line there is found by reading what stands around it only, text or nothing at all."""
    middle = 5 << 30
    with path.open("wb") as log:
        log.truncate(10 << 30)
        log.seek(middle)
        log.write(b"\n" + b"some line\n" * 5000)
    lines = lines_around(LogFile.open(str(path)), middle + 20_005, 100, 100)
    assert len(lines) == 201
    assert {line.data for line in lines} == {b"some line"}
    (hole,) = lines_around(LogFile.open(str(path)), 1 << 30, 0, 0)
    assert (hole.offset, hole.end) == (1 << 30, (1 << 30) + PIECE)


def test_there_is_a_bound_to_what_is_given(path: Path) -> None:
    """A megabyte on each side, however many lines are asked for."""
    file = make_log(path, (b"x" * 50_000 + b"\n") * 200)
    lines = lines_around(file, 5_000_000, 1000, 1000)
    assert 30 < len(lines) < 45
    assert lines[0].offset > 3_900_000


def test_a_log_that_is_empty_or_truncated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing, and no error."""
    file = make_log(path, b"")
    assert lines_around(file, 0, 10, 10) == []
    monkeypatch.setattr(LogFile, "size", lambda self: 1 << 20)
    assert lines_around(file, 1 << 19, 10, 10) == []
    os.truncate(path, 0)

"""Tests of line indexes: the numbers they give, and what they are worth when the file has changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from logstream.engine.lineindex import LineIndex, LineIndexes, LineNumbers
from logstream.engine.logfile import LogFile
from logstream.engine.pacing import Pace
from logstream.engine.state import StateDirectory

from ..serving import wait_until
from .logs import make_log

LINE = b"a line of some length\n"


def nothing() -> None:
    """No rest is needed."""


def full(file: LogFile) -> LineIndex:
    """The index of all of a file."""
    index = LineIndex(file.identity)
    assert index.extend(file, file.size(), nothing)
    return index


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a log is."""
    return tmp_path / "log.out"


@pytest.fixture
def indexes(tmp_path: Path) -> Iterator[LineIndexes]:
    """Those of one process."""
    made = make_indexes(tmp_path)
    yield made
    made.close()


def make_indexes(directory: Path) -> LineIndexes:
    """The indexes of one process."""
    return LineIndexes(str(directory), ".out", StateDirectory(str(directory / ".logstream")), Pace())


def test_the_number_of_the_line_at_any_offset(path: Path) -> None:
    """Wherever it is asked for: a line's first byte, its last one, or the file's end."""
    count = 100_000
    file = make_log(path, LINE * count)
    index = full(file)
    numbers = LineNumbers(index, file)
    for offset in [0, 1, len(LINE) - 1, len(LINE), 262_143, 262_144, 262_145, 1_999_999, count * len(LINE) - 1, 77, 5]:
        assert index.line_at(file, offset) == offset // len(LINE) + 1
        assert numbers.line_at(offset) == offset // len(LINE) + 1


def test_what_was_not_counted_is_not_known(path: Path) -> None:
    """Far behind what was counted there is no number."""
    file = make_log(path, LINE * 100_000)
    assert LineIndex(file.identity).line_at(file, 2_000_000) is None
    assert LineIndex(file.identity).line_at(file, 22_000) == 1001


def test_an_index_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no more marks than allowed, and the numbers are right still, also when written down and read again."""
    monkeypatch.setattr("logstream.engine.lineindex._STRIDE", 1000)
    monkeypatch.setattr("logstream.engine.lineindex._MOST_MARKS", 20)
    file = make_log(path, LINE * 10_000)
    index = full(file)
    assert len(index.record()) < 400
    for known in (index, LineIndex.parse(index.record())):
        assert known.fits(file)
        assert [known.line_at(file, number * len(LINE)) for number in range(0, 10_000, 77)] == [
            number + 1 for number in range(0, 10_000, 77)
        ]


def test_an_index_grows_with_its_file(path: Path) -> None:
    """It goes on where it was."""
    file = make_log(path, LINE * 50_000)
    index = full(file)
    with path.open("ab") as log:
        log.write(LINE * 50_000)
    assert index.fits(file)
    index.extend(file, file.size(), nothing)
    assert index.line_at(file, 99_999 * len(LINE)) == 100_000


@pytest.mark.parametrize("change", ["truncated", "rewritten", "replaced"])
def test_an_index_of_another_content_is_not_believed(path: Path, change: str, indexes: LineIndexes) -> None:
    """Whatever was done to the file, the numbers are those of what is in it."""
    file = make_log(path, LINE * 100_000)
    indexes.of("log", file)
    if change == "replaced":
        path.rename(path.with_suffix(".old"))
        path.write_bytes(b"x\n" * 1_000_000)
        file = LogFile.open(str(path))
    else:
        with path.open("r+b") as log:
            if change == "truncated":
                log.truncate(0)
            log.write(b"x\n" * 1_500_000)
    assert indexes.of("log", file).line_at(file, 1_000_000) == 500_001


def test_a_large_log_is_counted_meanwhile_and_that_is_written_down(path: Path, indexes: LineIndexes) -> None:
    """Who asks does not wait for it; the next process reads it from the state directory, and nobody else can."""
    line = b"x" * 99 + b"\n"
    file = make_log(path, line * 300_000)
    index = indexes.of("log", file)
    assert index.covered < 10_000_000
    record = path.parent / ".logstream" / "lines" / "log.out"
    wait_until(record.exists)
    assert record.stat().st_mode & 0o777 == 0o600
    assert indexes.of("log", file).line_at(file, 29_000_000) == 290_001
    other = make_indexes(path.parent)
    try:
        known = other.of("log", file)
        assert known.line_at(file, 29_000_000) == 290_001
        assert known.kept > 29_000_000
    finally:
        other.close()


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"[]",
        b'{"version": 2}',
        b'{"version": 1}',
        b"\xff",
        b'{"version":1,"device":1,"inode":1,"stride":262144,"cursor":"0.0","lines":[-1]}',
        b'{"version":1,"device":1,"inode":1,"stride":0,"cursor":"0.0","lines":[]}',
    ],
)
def test_a_record_that_is_none(path: Path, indexes: LineIndexes, record: bytes) -> None:
    """It is not believed, and the lines are counted anew."""
    with pytest.raises(ValueError):
        LineIndex.parse(record)
    file = make_log(path, LINE * 100_000)
    StateDirectory(str(path.parent / ".logstream")).within("lines").write("log.out", record)
    assert indexes.of("log", file).line_at(file, 2_000_000) == 2_000_000 // len(LINE) + 1


def test_indexes_of_logs_that_are_gone_are_taken_away(path: Path, indexes: LineIndexes) -> None:
    """When another one is written down."""
    lines = StateDirectory(str(path.parent / ".logstream")).within("lines")
    lines.write("gone.out", b"{}")
    indexes.of("log", make_log(path, b"x" * 99 * 300_000))
    wait_until(lambda: list(lines.names()) == ["log.out"])


def test_many_threads_ask_at_once(path: Path, indexes: LineIndexes) -> None:
    """None of them gets a wrong number."""
    file = make_log(path, LINE * 1_000_000)
    wrong = []

    def ask(number: int) -> None:
        for offset in range(number, 22_000_000, 1_999_993):
            line = indexes.of("log", file).line_at(file, offset)
            if line not in (None, offset // len(LINE) + 1):
                wrong.append(offset)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_file_that_is_truncated_while_it_is_counted(path: Path, indexes: LineIndexes) -> None:
    """Counting ends, and who asks then gets what is there."""
    file = make_log(path, b"x\n" * 20_000_000)
    indexes.of("log", file)
    os.truncate(path, 1_000_000)
    wait_until(lambda: indexes.of("log", file).line_at(file, 900_000) == 450_001)

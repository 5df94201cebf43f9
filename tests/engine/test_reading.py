"""Tests of reading text from growing files."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logstream.engine.logfile import LogFile
from logstream.engine.reading import CHECK, Reader, RewrittenError, place_of, resume, tail_offset
from logstream.engine.utf8 import cut_character

from ..reference import last_lines

pieces = st.sampled_from(
    [b"a", b"line\n", b"\r\n", b"\0", b"\x1b[31m", "é".encode(), "日".encode(), "😀".encode(), b"\xef\xbb\xbf"]
    + [b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5"]
)
contents = st.lists(pieces, max_size=40).map(b"".join)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log."""
    return tmp_path / "a.out"


@settings(max_examples=300, deadline=None)
@given(content=contents, limit=st.integers(4, 12), cuts=st.lists(st.integers(0, 150)))
def test_text_is_the_same_wherever_the_cuts_fall(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, limit: int, cuts: list[int]
) -> None:
    """However the writes and the reads cut a file, its text is that of the whole file decoded at once."""
    path = tmp_path_factory.mktemp("cuts") / "a.out"
    path.touch()
    reader = Reader(LogFile.open(str(path)))
    text = ""
    for end in [*sorted(cut for cut in cuts if cut < len(content)), len(content)]:
        path.write_bytes(content[:end])
        while chunk := reader.read(end, limit):
            text += chunk
    text += reader.read(len(content), limit, final=True)
    assert text == content.decode(errors="replace")
    assert reader.offset == len(content)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"0123456789", b""),
        (b"0123456789", b"01234"),
        (b"0123456789", b"012345678X"),
        (b"0123456789", b"X123456789"),
        (b"0123456789", b"other text that is longer"),
        (b"a" * 100 + b"x" * CHECK, b"a" * 100 + b"x" * (CHECK - 1) + b"y" + b"more"),
    ],
)
def test_a_rewritten_file_is_noticed(path: Path, before: bytes, after: bytes) -> None:
    """What was truncated or overwritten is told from what only grew, also when it is longer by now."""
    path.write_bytes(before)
    reader = Reader(LogFile.open(str(path)))
    reader.read(len(before), 1 << 20)
    path.write_bytes(after)
    with pytest.raises(RewrittenError):
        reader.read(len(after), 1 << 20)
    reader.start_over()
    assert reader.read(len(after), 1 << 20) == after.decode()


def test_what_an_unfinished_character_becomes_is_part_of_the_check(path: Path) -> None:
    """Bytes that are invalid because of what follows them start over when that is rewritten."""
    path.write_bytes(b"\xf0\x9f\xe2\x82")
    reader = Reader(LogFile.open(str(path)))
    assert reader.read(4, 100) == "\ufffd"
    path.write_bytes("😀".encode())  # begins with the same two bytes
    with pytest.raises(RewrittenError):
        reader.read(4, 100)


@settings(max_examples=200, deadline=None)
@given(content=contents, lines=st.integers(0, 12), block=st.integers(1, 16))
def test_the_last_lines_are_found(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, lines: int, block: int
) -> None:
    """The last lines are those that splitting the whole content gives, whatever the block size."""
    path = tmp_path_factory.mktemp("tail") / "a.out"
    path.write_bytes(content)
    file = LogFile.open(str(path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("logstream.engine.reading._SCAN", block)
        offset = tail_offset(file, lines)
    assert content[offset:] == last_lines(content, lines)
    if not lines:
        assert len(content) - offset == cut_character(content)


def test_a_cursor_leads_back_to_its_place(path: Path) -> None:
    """A cursor of a file that has only grown resumes right behind what was read."""
    path.write_bytes("größer\n".encode() * 2000)
    reader = Reader(LogFile.open(str(path)))
    reader.read(10_000, 10_000)
    cursor = reader.cursor
    assert cursor.split(".")[0] == str(reader.offset)
    with path.open("ab") as file:
        file.write(b"more")
    resumed = resume(reader.file, cursor)
    assert resumed is not None
    assert resumed.level_with(reader)


@pytest.mark.parametrize(
    "cursor",
    ["", ".", "x", "4", "4.", "4.zz", "-1.00000000", "4.00000000", "99999999.00000000", "1" * 5000 + ".0", "²³.0"]
    + ["5.", "\0", "4.9f2c01ab.1"],
)
def test_a_cursor_that_does_not_fit_leads_nowhere(path: Path, cursor: str) -> None:
    """Garbage, or a place in other text, is no place to go on from."""
    path.write_bytes(b"some text\n")
    file = LogFile.open(str(path))
    assert resume(file, cursor) is None


def test_a_cursor_inside_a_character_leads_nowhere(path: Path) -> None:
    """Going on from the middle of a character would corrupt it, so even a good check does not help."""
    path.write_bytes("ab€cd".encode())
    inside = Reader.at(LogFile.open(str(path)), 3)
    assert resume(inside.file, inside.cursor) is None


@pytest.mark.parametrize(("left", "text"), [(7, "\ufffd"), (8, "é"), (6, "")])
def test_a_read_that_comes_up_short_has_found_the_end(path: Path, left: int, text: str) -> None:
    """Where the file has shrunk since its size was looked at, what is there is all; an unfinished character ends."""
    path.write_bytes("first\né and so on".encode())
    reader = Reader.at(LogFile.open(str(path)), 6)
    size = reader.file.size()
    os.truncate(path, left)
    assert reader.read(size, 100, final=True) == text
    assert reader.at_end
    assert reader.offset == left


def test_a_file_that_ends_early_has_its_last_character_flushed(path: Path) -> None:
    """At the end for good, a character that the file cuts is shown, also where more of it was promised."""
    path.write_bytes("a€".encode()[:-1])
    reader = Reader(LogFile.open(str(path)))
    assert reader.read(100, 50, final=True) == "a\ufffd"
    assert reader.offset == 3


def test_bytes_are_read_on_wherever_that_cuts(tmp_path: Path) -> None:
    """A place within a character is one to read bytes from, and to come back to by its cursor, though not for text."""
    path = tmp_path / "build.out"
    path.write_bytes("€uro".encode())
    reader = Reader(LogFile.open(str(path)))
    assert reader.read_bytes(6, 2) == "€".encode()[:2]
    found = place_of(reader.file, reader.cursor)
    assert found is not None and found.read_bytes(6, 100) == "€uro".encode()[2:]
    assert resume(reader.file, reader.cursor) is None
    path.write_bytes(b"another")
    with pytest.raises(RewrittenError):
        reader.read_bytes(7, 100)
    with pytest.raises(RewrittenError):
        reader.read_bytes(1, 100)

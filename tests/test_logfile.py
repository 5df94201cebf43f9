"""Tests of reading text from growing files."""

import os
import resource
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logstream.logfile import (
    CHECK,
    LogFile,
    NotALogError,
    Reader,
    RewrittenError,
    cut_character,
    look,
    resume,
    tail_offset,
)

from .reference import last_lines
from .serving import count_descriptors

# Bytes as logs have them: text of all widths, and what is not UTF-8.
pieces = st.sampled_from(
    [b"a", b"line\n", b"\r\n", b"\0", b"\x1b[31m", "é".encode(), "日".encode(), "😀".encode(), b"\xef\xbb\xbf"]
    + [b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5"]
)
contents = st.lists(pieces, max_size=40).map(b"".join)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log."""
    return tmp_path / "a.out"


def test_a_missing_file_is_not_found(path: Path) -> None:
    """Neither a file nor a directory that is missing can be opened."""
    for missing in (path, path / "deeper"):
        with pytest.raises(FileNotFoundError):
            LogFile.open(str(missing))
    path.touch()
    with pytest.raises(FileNotFoundError):
        LogFile.open(str(path / "below-a-file"))


def test_only_a_regular_file_is_opened_and_nothing_hangs(path: Path) -> None:
    """A directory, a pipe that nobody writes to, a device and a link are refused at once."""
    directory, pipe, link, loop = (path.with_name(name) for name in ("directory", "pipe", "link", "loop"))
    directory.mkdir()
    os.mkfifo(pipe)
    path.touch()
    link.symlink_to(path)
    loop.symlink_to(loop)
    for not_a_log in (directory, pipe, link, loop, Path("/dev/null")):
        with pytest.raises(NotALogError):
            LogFile.open(str(not_a_log))
        assert look(str(not_a_log)) is None


def test_a_link_that_takes_the_files_place_is_not_followed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is swapped in between the look and the open is refused too."""
    path.symlink_to("/etc/passwd")
    monkeypatch.setattr("logstream.logfile.os.lstat", os.stat)  # as if it had been a file when looked at
    with pytest.raises(OSError, match="symbolic links"):
        LogFile.open(str(path))


def test_a_file_that_vanishes_after_the_look_is_not_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the open the file may go."""
    path.touch()
    found = path.lstat()
    path.unlink()
    monkeypatch.setattr("logstream.logfile.os.lstat", lambda _: found)
    with pytest.raises(FileNotFoundError):
        LogFile.open(str(path))


def test_a_pipe_that_takes_the_files_place_does_not_hang(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the open a pipe may come, whose opening would wait for a writer."""
    path.touch()
    found = path.lstat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr("logstream.logfile.os.lstat", lambda _: found)
    before = count_descriptors()
    with pytest.raises(NotALogError):
        LogFile.open(str(path))
    assert count_descriptors() == before


def test_the_last_descriptors_are_not_for_logs(path: Path) -> None:
    """Opening fails before the process has none left, and works again as soon as it has."""
    path.touch()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[LogFile] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (count_descriptors() + 60, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                held.append(LogFile.open(str(path)))
        others = [os.dup(0) for _ in range(8)]
        for other in others:
            os.close(other)
        held.pop().close()
        held.append(LogFile.open(str(path)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for file in held:
            file.close()


def test_a_file_is_closed_with_its_last_holder(path: Path) -> None:
    """The descriptor lives until everyone who shares it has closed it."""
    path.write_bytes(b"text")
    file = LogFile.open(str(path))
    other = file.share()
    file.close()
    assert other.read(0, 10) == b"text"
    other.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        other.size()


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
    reader.close()


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
    reader.close()


def test_what_an_unfinished_character_becomes_is_part_of_the_check(path: Path) -> None:
    """Bytes that are invalid because of what follows them start over when that is rewritten."""
    path.write_bytes(b"\xf0\x9f\xe2\x82")
    reader = Reader(LogFile.open(str(path)))
    assert reader.read(4, 100) == "\ufffd"
    path.write_bytes("😀".encode())  # begins with the same two bytes
    with pytest.raises(RewrittenError):
        reader.read(4, 100)
    reader.close()


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
        patch.setattr("logstream.logfile._SCAN", block)
        offset = tail_offset(file, lines)
    file.close()
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
    resumed = resume(reader.file.share(), cursor)
    assert resumed is not None
    assert resumed.level_with(reader)
    resumed.close()
    reader.close()


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
    file.close()


def test_a_cursor_inside_a_character_leads_nowhere(path: Path) -> None:
    """Going on from the middle of a character would corrupt it, so even a good check does not help."""
    path.write_bytes("ab€cd".encode())
    inside = Reader.at(LogFile.open(str(path)), 3)
    assert resume(inside.file, inside.cursor) is None
    inside.close()


def test_sharing_from_many_threads_closes_once(path: Path) -> None:
    """Holders may come and go on any thread."""
    path.write_bytes(b"x")
    file = LogFile.open(str(path))
    shares = [file.share() for _ in range(200)]
    threads = [threading.Thread(target=share.close) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.size() == 1
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.size()

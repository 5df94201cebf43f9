"""Tests of what is made once for all who load the same."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from logstream.engine.logfile import LogFile
from logstream.engine.sharing import Sharing
from logstream.protocol import Message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log that nothing has happened to for a while."""
    path = tmp_path / "log"
    path.write_bytes("größer".encode() * 1000)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


@pytest.fixture
def file(path: Path) -> Iterator[LogFile]:
    """The log, opened."""
    file = LogFile.open(str(path))
    yield file


def test_a_file_at_rest_is_read_once(file: LogFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same place of a file that has not changed is not even read again; another place is."""
    sharing = Sharing()
    piece = sharing.read(file, 0, 8000, 0, False)
    assert (piece.text, piece.consumed) == ("größer" * 1000, 8000)
    with monkeypatch.context() as disk:
        disk.setattr("logstream.engine.logfile.os.pread", None)
        assert sharing.read(file, 0, 8000, 0, False) is piece
        for offset, length, before, final in ((8, 7992, 0, False), (0, 4000, 0, False), (0, 8000, 8, False)):
            with pytest.raises(TypeError):
                sharing.read(file, offset, length, before, final)
    assert sharing.read(file, 0, 8000, 8, False).text == "größer" * 999


def test_a_file_that_changes_is_read_again_and_decoded_once(path: Path, file: LogFile) -> None:
    """While a file grows, each reads for itself; the same bytes are the same piece."""
    sharing = Sharing()
    piece = sharing.read(file, 0, 8000, 0, False)
    with path.open("ab") as log:
        log.write(b"\xc3")
    assert sharing.read(file, 0, 8000, 0, False) is piece
    assert sharing.read(file, 0, 8001, 0, False).consumed == 8000
    assert sharing.read(file, 0, 8001, 0, True).text == "größer" * 1000 + "\ufffd"


def test_a_file_that_was_rewritten_is_never_taken_for_what_it_was(path: Path, file: LogFile) -> None:
    """A reader gets what is in the file now, though another has just read the same place, at whatever time."""
    sharing = Sharing()
    for number in range(200):
        content = b"%03d" % number * 2000
        with path.open("r+b") as log:
            log.write(content)
        assert sharing.read(file, 0, 6000, 0, False).text == content.decode()


@pytest.mark.parametrize("age", [0, 1_000_000_000])
def test_neither_an_old_nor_an_equal_time_hides_a_change(path: Path, file: LogFile, age: int) -> None:
    """A change may bear the same time as the one before it, if both are recent, and any time if it is another one."""
    sharing = Sharing()
    time_of_change = time.time_ns() - age
    for number in range(5):
        path.write_bytes(b"%03d" % number * 2000)
        time_of_change += 1 if age else 0
        os.utime(path, ns=(time_of_change, time_of_change))
        assert sharing.read(file, 0, 6000, 0, False).text == f"{number:03}" * 2000


def test_a_message_is_made_once_for_each_form(file: LogFile) -> None:
    """Clients that want the same form of the same text get the same message; what is not shared is just made."""
    sharing = Sharing()
    text = sharing.read(file, 0, 100, 0, False).text
    plain = sharing.message(text, "plain", lambda: Message(form="plain"))
    assert sharing.message(text, "plain", lambda: Message(form="other")) is plain
    assert sharing.message(text, "cursor", lambda: Message(form="cursor")) == {"form": "cursor"}
    assert sharing.message("text of nobody", "plain", lambda: Message(form="new")) == {"form": "new"}
    sharing.clear()
    assert sharing.message(text, "plain", lambda: Message(form="new")) == {"form": "new"}


def test_little_is_kept(path: Path, file: LogFile) -> None:
    """Only the last few pieces are remembered, whatever the length of the log."""
    path.write_bytes(b"".join(b"%016d" % number for number in range(100)))
    sharing = Sharing()
    first = sharing.read(file, 0, 16, 0, False)
    for number in range(1, 100):
        sharing.read(file, number * 16, 16, 0, False)
    assert len(sharing._pieces) < 10
    assert sharing.read(file, 0, 16, 0, False) is not first

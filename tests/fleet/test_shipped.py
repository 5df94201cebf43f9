"""One log as it is shipped: what a pull is answered with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from logstream.engine.logfile import LogFile, stat_log
from logstream.engine.reading import cursor_text
from logstream.engine.sweep import is_changed
from logstream.engine.watcher import NoThreadError
from logstream.fleet import shipped
from logstream.fleet.shipped import ShippedLog
from logstream.fleet.words import PUSH, START, Data, Message, Missing, More, Read, Reply

Make = Callable[[], ShippedLog]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is."""
    return tmp_path / "build.out"


@pytest.fixture
def said() -> list[Message]:
    """What was sent."""
    return []


@pytest.fixture
def log(path: Path, said: list[Message]) -> ShippedLog:
    """A log, which nobody watches."""
    return ShippedLog(
        "build",
        str(path),
        say=lambda message, dashboard: said.append(message),
        watch=lambda log, file: None,
        on_wake=lambda log: None,
    )


def read(cursor: str) -> Read:
    """A pull from a place."""
    return Read("build", cursor, "dashboard", 1, PUSH)


def test_pull_ends_where_the_next_push_begins(log: ShippedLog, path: Path, said: list[Message]) -> None:
    """Together they are the log, with nothing twice."""
    path.write_bytes(b"one\n")
    log.read(read(START))
    with path.open("ab") as file:
        file.write(b"two\n")
    log.push()
    one = cursor_text(4, b"one\n")
    assert said == [
        Reply("build", 1, START, 4, False, True, b"one\n"),
        Data("build", one, 8, b"two\n"),
    ]


def test_rotated_files_are_read_to_their_ends_one_after_the_other(
    log: ShippedLog, path: Path, said: list[Message]
) -> None:
    """Who stands in a file that was renamed gets the rest of it, is told that there is more, and then the new one."""
    path.write_bytes(b"one\n")
    assert log.follow()
    path.rename(path.with_suffix(".1"))
    with path.with_suffix(".1").open("ab") as file:
        file.write(b"rest\n")
    half = cursor_text(4, b"one\n")
    log.read(read(half))  # while nothing is at the path
    log.push()
    path.write_bytes(b"new\n")
    log.push()
    said.clear()
    log.read(read(half))
    assert said == [Reply("build", 1, half, 9, False, True, b"rest\n"), More("build", 4)]
    said.clear()
    log.read(read(cursor_text(9, b"one\nrest\n")))
    assert said == [Reply("build", 1, START, 4, True, True, b"new\n")]


def test_what_is_written_just_before_a_rotation_is_pushed(
    log: ShippedLog, path: Path, said: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes between the read and the look at the path goes out, though the path leads elsewhere by then."""
    path.touch()
    assert log.follow()

    def rotate_and_look(path_looked_at: str) -> os.stat_result | None:
        monkeypatch.setattr(shipped, "stat_log", stat_log)
        path.write_bytes(b"last words\n")
        path.rename(path.with_suffix(".1"))
        path.write_bytes(b"new\n")
        return stat_log(path_looked_at)

    monkeypatch.setattr(shipped, "stat_log", rotate_and_look)
    log.push()
    assert said == [Data("build", START, 11, b"last words\n"), More("build", 4)]


def test_rotated_files_are_not_held_for_ever(log: ShippedLog, path: Path, said: list[Message]) -> None:
    """Only some are, and those no longer than somebody reads them."""
    path.write_bytes(b"0\n" * 3)
    assert log.follow()
    for number in range(1, 9):
        path.rename(path.with_suffix(f".{number}"))
        path.write_bytes(b"%d\n" % number * 3)
        log.push()

    def rest_of(number: int) -> bytes:
        said.clear()
        log.read(read(cursor_text(2, b"%d\n" % number)))
        assert isinstance(said[0], Reply)
        return said[0].payload

    assert [rest_of(number) for number in (3, 4, 7)] == [b"8\n" * 3, b"4\n" * 2, b"7\n" * 2]
    log.forget_earlier(float("inf"))
    assert rest_of(7) == b"8\n" * 3


def test_rotated_file_that_cannot_be_watched_yet_is_said_later(
    log: ShippedLog, path: Path, said: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told of the new file before its changes are told of, and it is tried again until they are."""
    path.write_bytes(b"one\n")
    assert log.follow()
    path.rename(path.with_suffix(".1"))
    path.write_bytes(b"of two\n")

    def refuse(*_: object) -> None:
        raise NoThreadError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(log, "_watch", refuse)
        with pytest.raises(NoThreadError):
            log.push()
    assert said == []
    assert log.seen != LogFile.open(str(path)).signature()  # so that the sweep wakes it
    log.push()
    assert said == [More("build", 7)]
    log.push()
    assert said == [More("build", 7)]


def test_log_that_is_not_there_is_missing(log: ShippedLog, said: list[Message]) -> None:
    """It is said, and nothing is followed."""
    log.read(read(START))
    assert said == [Missing("build", 1)]
    assert not log.is_followed


def test_file_between_two_rotations_is_sent(log: ShippedLog, path: Path, said: list[Message]) -> None:
    """Who stands at the end of a file gets the next one, and not the one that is at the path by then."""
    path.write_bytes(b"one\n")
    assert log.follow()
    for number, text in enumerate((b"second\n", b"third one\n")):
        path.rename(path.with_suffix(f".{number}"))
        path.write_bytes(text)
        log.push()
    said.clear()
    log.read(read(cursor_text(4, b"one\n")))
    assert said == [Reply("build", 1, START, 7, True, True, b"second\n"), More("build", 10)]
    said.clear()
    log.read(read(cursor_text(7, b"second\n")))
    assert said == [Reply("build", 1, START, 10, True, True, b"third one\n")]


def test_much_in_a_file_that_was_empty_is_not_skipped_when_it_is_rotated(
    log: ShippedLog, path: Path, said: list[Message]
) -> None:
    """Whose copy is empty could be anywhere: it gets a piece at once, and then stands in that file."""
    path.touch()
    log.read(read(START))
    said.clear()
    text = b"x" * (3 * PUSH)
    path.write_bytes(text)
    path.rename(path.with_suffix(".1"))
    path.write_bytes(b"new\n")
    log.push()
    copy = b""
    for one in said:
        if isinstance(one, Data) and one.cursor == cursor_text(len(copy), copy[-4096:]):
            copy += one.payload
    said.clear()
    log.read(read(cursor_text(len(copy), copy[-4096:])))
    assert isinstance(said[0], Reply)
    assert (said[0].payload[:1], said[0].start_over) == (b"x", False)


def test_file_that_cannot_be_read_for_a_moment_is_pushed_later(
    log: ShippedLog, path: Path, said: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep wakes it, though nothing is written any more."""
    path.touch()
    assert log.follow()
    path.write_bytes(b"last words\n")

    def fail(*_: object) -> bytes:
        raise OSError("the disk is away")

    with monkeypatch.context() as patch:
        patch.setattr(LogFile, "read", fail)
        with pytest.raises(OSError, match="away"):
            log.push()
    assert is_changed(log)
    log.push()
    assert said == [Data("build", START, 11, b"last words\n")]
    assert not is_changed(log)

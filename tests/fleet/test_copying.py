"""Where one copy stands, and what it does about a message of its host."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from logstream.engine.reading import cursor_text
from logstream.fleet.copying import PATIENCE, Copy
from logstream.fleet.spool import Spool
from logstream.fleet.words import START, Data, Done, More, Reply


def place(text: bytes) -> str:
    """The cursor behind a text."""
    return cursor_text(len(text), text[-4096:])


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Copy]:
    """A copy that has nothing yet."""
    spool = Spool(str(tmp_path / "spool"), ".out")
    spool.prepare()
    lock = spool.lock("build")
    assert lock is not None
    copy = Copy("build", "host1", "build", spool.open("build", 1_000_000), lock)
    yield copy
    copy.close()


@pytest.fixture
def level(copy: Copy) -> Copy:
    """A copy that is level, at "one"."""
    copy.begin_pull(1)
    assert not copy.reply(Reply("build", 1, START, 3, False, True, b"one"))
    assert copy.is_level
    return copy


def path_of(copy: Copy) -> Path:
    """Where a copy is."""
    return Path(copy.file.path)


def content(copy: Copy) -> bytes:
    """What a copy has."""
    return path_of(copy).read_bytes()


def test_what_fits_is_appended(level: Copy) -> None:
    """The next bytes go behind those that are there."""
    assert not level.data(Data("build", place(b"one"), 6, b"two"))
    assert content(level) == b"onetwo"
    assert level.is_level and level.lag == 0


def test_duplicate_is_ignored(level: Copy) -> None:
    """What is there already is not there twice, wherever it was cut."""
    assert not level.data(Data("build", START, 3, b"one"))
    assert not level.data(Data("build", place(b"o"), 3, b"n"))
    assert content(level) == b"one"
    assert level.is_level


def test_what_does_not_fit_is_pulled(level: Copy) -> None:
    """A hole, another text at this place, and bytes that overlap the end make a pull."""
    for cursor, payload in ((place(b"one..."), b"x"), (place(b"two"), b"x"), (place(b"on"), b"ex")):
        assert level.data(Data("build", cursor, 10, payload))
    assert content(level) == b"one"
    assert level.more(More("build", 3))


def test_what_comes_during_a_pull_comes_in_its_turn(level: Copy) -> None:
    """Nothing that is pushed is taken while a pull is outstanding, and nothing is pulled twice."""
    level.begin_pull(2)
    assert not level.data(Data("build", place(b"one"), 6, b"two"))
    assert not level.more(More("build", 6))
    assert not level.reply(Reply("build", 2, place(b"one"), 6, False, True, b"two"))
    assert content(level) == b"onetwo"


def test_answers_to_an_earlier_pull_are_ignored(level: Copy) -> None:
    """What comes late starts nothing over."""
    level.begin_pull(2)
    level.begin_pull(3)
    assert not level.reply(Reply("build", 2, START, 3, True, True, b"two"))
    assert content(level) == b"one"


def test_two_ships_that_answer_start_over_once(level: Copy) -> None:
    """The same pieces from two processes are one text, and one new file."""
    level.begin_pull(2)
    pieces = [
        Reply("build", 2, START, 6, True, False, b"new"),
        Reply("build", 2, place(b"new"), 6, False, True, b"est"),
    ]
    level.reply(pieces[0])
    inode = path_of(level).stat().st_ino
    for piece in (pieces[0], pieces[1], pieces[1]):
        assert not level.reply(piece)
    assert content(level) == b"newest"
    assert path_of(level).stat().st_ino == inode


def test_lost_piece_is_pulled_again(copy: Copy) -> None:
    """A hole in an answer is no hole in the copy."""
    copy.begin_pull(1)
    copy.reply(Reply("build", 1, START, 9, False, False, b"one"))
    assert copy.reply(Reply("build", 1, place(b"onetwo"), 9, False, True, b"abc"))
    assert content(copy) == b"one"


def test_host_that_promises_more_and_sends_nothing_is_not_asked_in_a_loop(level: Copy) -> None:
    """A size that is a lie costs one pull a second."""
    level.begin_pull(2)
    assert not level.reply(Reply("build", 2, place(b"one"), 10**15, False, True, b""))
    assert not level.is_level and not level.is_overdue()


def test_completion_waits_for_the_end(level: Copy) -> None:
    """It is said when the copy is at the final place, and once."""
    assert level.done(Done("build", place(b"onetwo")))
    assert not level.is_at_end()
    level.data(Data("build", place(b"one"), 6, b"two"))
    assert level.is_at_end()
    level.completed = level.final
    assert not level.is_at_end()


def test_copy_that_cannot_be_written_pauses_longer_each_time(level: Copy) -> None:
    """While it does, nothing is taken and nothing is pulled."""
    level.fail()
    assert level.is_pausing
    assert not level.data(Data("build", place(b"one"), 6, b"two"))
    assert not level.more(More("build", 6))
    assert not level.done(Done("build", place(b"onetwo")))
    assert content(level) == b"one"


def test_lost_answer_to_a_pull_of_a_level_copy_is_asked_for_again(level: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A completion makes a pull while the copy counts as level; where nothing comes of it, it is made again."""
    assert level.done(Done("build", place(b"onetwo")))
    level.begin_pull(2)
    assert not level.is_overdue()
    later = time.monotonic() + PATIENCE + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert level.is_overdue()


def test_session_that_ends_twice_with_the_same_text_is_complete_twice(level: Copy) -> None:
    """The second one is another log, though it ends at the same cursor."""
    level.done(Done("build", place(b"one")))
    assert level.is_at_end()
    level.completed = level.final
    assert level.more(More("build", 0))
    level.begin_pull(2)
    level.reply(Reply("build", 2, START, 0, True, True, b""))
    level.data(Data("build", START, 3, b"one"))
    assert not level.is_at_end()  # it may go on
    level.done(Done("build", place(b"one")))
    assert level.is_at_end()


def test_end_of_an_earlier_log_is_none_of_the_next(level: Copy) -> None:
    """Nobody is told that a session is over since the one before it, of the same text, was over there."""
    assert level.done(Done("build", place(b"onetwo")))
    level.begin_pull(2)
    level.reply(Reply("build", 2, START, 2, True, True, b"on"))
    level.data(Data("build", place(b"on"), 6, b"etwo"))
    assert not level.is_at_end()


def test_pieces_of_an_earlier_pull_that_fit_are_taken(level: Copy) -> None:
    """A host that always takes longer than is waited for gets somewhere all the same."""
    level.begin_pull(2)
    level.begin_pull(3)
    level.reply(Reply("build", 2, place(b"one"), 6, False, True, b"two"))
    assert content(level) == b"onetwo"

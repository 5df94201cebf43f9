"""Tests of one client's place in a session."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from logstream.engine.feed import Feed
from logstream.engine.logfile import LogFile
from logstream.engine.meter import Meter
from logstream.engine.reading import Reader, cursor_text
from logstream.engine.sharing import Sharing
from logstream.engine.subscription import CHUNK, LogEnd, Subscription, make_message
from logstream.protocol import Message


class Named:
    """A feed, as far as a subscription looks at it."""

    name = "a"
    meter = Meter()
    sharing = Sharing()

    def is_loaded_by_several(self) -> bool:
        return True


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log."""
    return tmp_path / "a.out"


def subscription(path: Path, *, cursors: bool = False, resumed: bool = False) -> Subscription:
    """A subscription from the beginning of a log."""
    reader = Reader(LogFile.open(str(path)))
    return Subscription("ws", cast(Feed, Named()), reader, lambda _: None, cursors=cursors, resumed=resumed)


@pytest.fixture
def closing() -> Iterator[list[Subscription]]:
    """Subscriptions to close in the end."""
    made: list[Subscription] = []
    yield made
    for one in made:
        one.release()
        one.release()


def data(message: Message | None) -> tuple[str, bool, bool]:
    """What matters of a message."""
    assert message is not None
    return message["data"], message["isInitial"], message["isComplete"]


def test_a_cursor_is_in_a_message_on_request(path: Path) -> None:
    """The same text is a message with five keys, or with the place behind it and the size too."""
    path.write_text("text")
    reader = Reader.at(LogFile.open(str(path)), 4)
    for place, cursor in ((reader, reader.cursor), (None, cursor_text(0, b""))):
        plain, with_cursor = (
            make_message("a", "text", place, 4, initial=False, complete=False, with_cursor=asked)
            for asked in (False, True)
        )
        assert with_cursor == plain | {"cursor": cursor, "size": 4}
        assert set(plain) == {"type", "sessionName", "data", "isInitial", "isComplete"}


def test_the_first_message_comes_even_when_there_is_nothing(path: Path, closing: list[Subscription]) -> None:
    """A new subscription starts its client's text over, a resumed one does not; both say something once."""
    path.touch()
    for resumed in (False, True):
        one = subscription(path, resumed=resumed)
        closing.append(one)
        assert data(one.next_message()) == ("", not resumed, False)
        assert one.next_message() is None


def test_pieces_follow_one_another(path: Path, closing: list[Subscription]) -> None:
    """A large log is read piece by piece, and what is appended meanwhile belongs to it."""
    path.write_bytes(b"x" * (5 * CHUNK))
    one = subscription(path)
    closing.append(one)
    assert data(one.next_message()) == ("x" * CHUNK, True, False)
    assert not one.at_end
    with path.open("ab") as file:
        file.write(b"end")
    text = ""
    while (message := one.next_message()) is not None:
        assert not message["isInitial"]
        text += message["data"]
    assert text == "x" * (4 * CHUNK) + "end"
    assert one.at_end


def test_a_refused_message_comes_first(path: Path, closing: list[Subscription]) -> None:
    """What a client could not take when it was live is sent before anything is read."""
    path.write_text("more")
    one = subscription(path)
    closing.append(one)
    one.pending = Message(data="refused")
    assert one.next_message() == {"data": "refused"}
    assert data(one.next_message()) == ("more", True, False)


def test_a_rewritten_file_starts_over(path: Path, closing: list[Subscription]) -> None:
    """A place that is no longer valid leads back to the beginning, with a message that says so."""
    path.write_text("old text")
    one = subscription(path)
    closing.append(one)
    one.next_message()
    path.write_text("new text, longer")
    assert data(one.next_message()) == ("new text, longer", True, False)


def test_the_end_is_reached_in_the_last_piece(path: Path, closing: list[Subscription]) -> None:
    """Once its end is known, the message that reaches it is complete, and nothing behind it is read."""
    path.write_text("the end\nand what came later")
    one = subscription(path)
    closing.append(one)
    one.end = LogEnd(LogFile.open(str(path)), 8)
    assert data(one.next_message()) == ("the end\n", True, True)


def test_a_rotated_file_is_finished_before_the_one_where_the_session_ends(
    path: Path, closing: list[Subscription]
) -> None:
    """What the old file held comes first, then the new one starts over and completes."""
    path.write_text("old")
    one = subscription(path)
    closing.append(one)
    path.rename(path.with_suffix(".1"))
    path.write_text("new")
    one.end = LogEnd(LogFile.open(str(path)), 3)
    assert data(one.next_message()) == ("old", True, False)
    assert data(one.next_message()) == ("new", True, True)


def test_without_a_file_there_is_still_a_last_message() -> None:
    """A client that waited for a session that never wrote anything is told that it is complete."""
    one = Subscription("ws", cast(Feed, Named()), None, lambda _: None, cursors=False, resumed=False)
    assert one.next_message() is None
    one.end = LogEnd(None, 0)
    assert data(one.next_message()) == ("", True, True)


def test_who_loads_the_same_gets_the_same_message(path: Path, closing: list[Subscription]) -> None:
    """Each piece is one message for all that want its form, which so is encoded once."""
    path.write_text("größer\n" * 300_000)
    plain = [subscription(path), subscription(path)]
    with_cursor = subscription(path, cursors=True)
    closing += [*plain, with_cursor]
    for _ in range(3):
        first, second = (one.next_message() for one in plain)
        other = with_cursor.next_message()
        assert first is second
        assert first is not None and other is not None
        assert other["data"] is first["data"]
        assert "cursor" in other


def test_a_complete_log_that_cannot_be_read_is_an_error(
    path: Path, closing: list[Subscription], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file at its path would not be the session's, so it is not read instead."""
    path.write_text("text")
    one = subscription(path)
    closing.append(one)
    file = LogFile.open(str(path))
    one.end = LogEnd(file, 4)

    def fail(fd: int, length: int, offset: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output"):
        patch.setattr(os, "pread", fail)
        one.next_message()
    message = one.next_message()
    assert message is not None
    assert (message["data"], message["isComplete"]) == ("text", True)


def test_a_session_that_ends_before_its_waiters_have_read_is_sent_whole(
    path: Path, closing: list[Subscription]
) -> None:
    """Who waited for the file gets all of it, with the end."""
    path.write_text("text")
    one = Subscription("ws", cast(Feed, Named()), None, lambda _: None, cursors=False, resumed=False)
    closing.append(one)
    one.end = LogEnd(LogFile.open(str(path)), 4)
    message = one.next_message()
    assert message is not None
    assert (message["data"], message["isInitial"], message["isComplete"]) == ("text", True, True)

"""Tests of one followed session."""

from collections.abc import Callable, Hashable, Iterator
from pathlib import Path

import pytest

from logstream.engine.feed import BUDGET, Feed
from logstream.engine.logfile import LogFile
from logstream.engine.reading import Reader
from logstream.engine.subscription import Subscription
from logstream.engine.watcher import Follower, Watcher
from logstream.protocol import Message

from ..serving import count_descriptors


class Watching(Watcher):
    """The watcher, as a feed sees it: it notes what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: list[tuple[int, int] | None] = []
        self.again = 0
        self.forgotten = 0
        self.on_follow: Callable[[], object] = lambda: None

    def follow(self, follower: Follower, file: LogFile | None) -> None:
        self.watched.append(file.identity if file is not None else None)
        self.on_follow()

    def wake_again(self, follower: Follower) -> None:
        self.again += 1

    def forget(self, follower: Follower) -> None:
        self.forgotten += 1


class Fixture:
    """A feed with clients that take everything but when they are full."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.watching = Watching()
        self.taken: list[tuple[Hashable, Message]] = []
        self.full: set[Hashable] = set()
        self.behind: list[Subscription] = []
        self.feed = Feed("a", str(path), self.offer, self.watching)

    def offer(self, ws: Hashable, message: Message) -> bool:
        if ws not in self.full:
            self.taken.append((ws, message))
        return ws not in self.full

    def live(self, ws: Hashable, *, cursors: bool = False) -> Subscription:
        """A subscription that is level with the file."""
        reader = Reader(LogFile.open(str(self.path)))
        one = Subscription(ws, self.feed, reader, self.behind.append, cursors=cursors, resumed=False)
        self.feed.add(one)
        while one.next_message() is not None:
            pass
        assert self.feed.join(one)
        return one

    def text(self, ws: Hashable) -> str:
        """What was offered to a client and taken."""
        return "".join(message["data"] for client, message in self.taken if client == ws)


@pytest.fixture
def fixture(tmp_path: Path) -> Iterator[Fixture]:
    """A feed of an empty log; it leaves no descriptor behind."""
    before = count_descriptors()
    path = tmp_path / "a.out"
    path.touch()
    fixture = Fixture(path)
    yield fixture
    everyone = [*fixture.feed._live, *fixture.feed._behind, *fixture.behind]
    for one in everyone:
        fixture.feed.remove(one)
        one.release()
    assert count_descriptors() == before


def append(path: Path, text: str) -> None:
    """One write."""
    with path.open("a") as file:
        file.write(text)


def test_an_increment_is_one_message_for_all(fixture: Fixture) -> None:
    """All live clients are offered the same message; those with cursors share another one."""
    fixture.live("one")
    fixture.live("two")
    fixture.live("three", cursors=True)
    fixture.live("four", cursors=True)
    append(fixture.path, "news")
    fixture.feed.wake()
    one, two, three, four = [message for _, message in fixture.taken]
    assert one is two
    assert three is four
    assert three["cursor"].startswith("4.")
    assert three["size"] == 4
    fixture.feed.wake()
    assert len(fixture.taken) == 4


def test_who_refuses_falls_behind_with_the_message(fixture: Fixture) -> None:
    """The refused message is kept for the client, which goes on from behind it, while the others stay live."""
    slow = fixture.live("slow")
    fixture.live("fast")
    fixture.full.add("slow")
    append(fixture.path, "refused ")
    fixture.feed.wake()
    assert fixture.behind == [slow]
    assert fixture.feed.behind() == [slow]
    append(fixture.path, "later")
    fixture.feed.wake()
    assert fixture.text("fast") == "refused later"
    assert not fixture.feed.join(slow)
    messages = [slow.next_message(), slow.next_message()]
    assert [message and message["data"] for message in messages] == ["refused ", "later"]
    assert fixture.feed.join(slow)
    fixture.full.clear()
    append(fixture.path, "!")
    fixture.feed.wake()
    assert fixture.text("slow") == "!"


def test_a_wake_up_reads_no_more_than_its_budget(fixture: Fixture) -> None:
    """A log that grows faster than that is read on later, so that the others get their turn."""
    fixture.live("one")
    fixture.watching.again = 0
    append(fixture.path, "x" * (2 * BUDGET + 10))
    fixture.feed.wake()
    assert len(fixture.text("one")) == BUDGET
    assert fixture.watching.again == 1
    fixture.feed.wake()
    fixture.feed.wake()
    assert len(fixture.text("one")) == 2 * BUDGET + 10
    assert fixture.watching.again == 2


def test_a_rotated_log_is_finished_before_the_new_one_starts_over(fixture: Fixture) -> None:
    """What the old file still held comes first; then the watch moves, and the new file starts the text over."""
    fixture.live("one")
    append(fixture.path, "old")
    fixture.path.rename(fixture.path.with_suffix(".1"))
    fixture.path.write_text("new")
    fixture.feed.wake()
    assert [(m["data"], m["isInitial"]) for _, m in fixture.taken] == [("old", False), ("new", True)]
    new = fixture.path.stat()
    assert fixture.watching.watched[-1] == (new.st_dev, new.st_ino)
    assert fixture.watching.again == 2  # for what was written before each of the two watches


def test_a_feed_that_is_closed_while_it_is_being_watched_is_forgotten(fixture: Fixture) -> None:
    """However the closing falls between the request to watch and its being carried out, no watch is left."""
    one = Subscription("one", fixture.feed, None, print, cursors=False, resumed=False)
    forgotten: list[int] = []

    def close_meanwhile() -> None:
        assert fixture.feed.remove(one)
        forgotten.append(fixture.watching.forgotten)

    fixture.watching.on_follow = close_meanwhile
    assert fixture.feed.add(one)
    assert fixture.watching.forgotten > forgotten[0]
    assert not fixture.feed.add(one)


def test_a_joiner_in_another_file_starts_over(fixture: Fixture) -> None:
    """A client that has finished a file that was rotated away goes on with the one the live ones are in."""
    late = Subscription(
        "late", fixture.feed, Reader(LogFile.open(str(fixture.path))), print, cursors=False, resumed=False
    )
    fixture.feed.add(late)
    assert late.next_message() is not None
    fixture.path.rename(fixture.path.with_suffix(".1"))
    fixture.path.write_text("new")
    fixture.live("one")
    assert not fixture.feed.join(late)
    message = late.next_message()
    assert message is not None
    assert (message["data"], message["isInitial"]) == ("new", True)
    assert fixture.feed.join(late)


def test_an_offer_that_raises_counts_as_refused(fixture: Fixture, caplog: pytest.LogCaptureFixture) -> None:
    """A broken offer is logged, and its client is served by `send` instead."""
    one = fixture.live("one")

    def fail(ws: Hashable, message: Message) -> bool:
        raise ValueError("broken")

    fixture.feed._offer = fail
    append(fixture.path, "news")
    fixture.feed.wake()
    assert fixture.behind == [one]
    assert "ValueError: broken" in caplog.text
    caplog.clear()  # the traceback that it keeps has the file in it


def test_a_closed_feed_does_nothing(fixture: Fixture) -> None:
    """Late wake-ups, and a completion that comes as the last follower leaves, are no error."""
    one = fixture.live("one")
    assert fixture.feed.remove(one)
    append(fixture.path, "x")
    fixture.feed.wake()
    assert fixture.feed.complete(print) is None
    assert not fixture.taken
    assert fixture.watching.forgotten

"""Tests of one followed session."""

import errno
import os
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path

import pytest

from logstream.engine import feed
from logstream.engine.feed import BUDGET, Feed
from logstream.engine.logfile import LogFile, signature_of, stat_log
from logstream.engine.offering import one_by_one
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
        self.feed = Feed("a", str(path), one_by_one(self.offer), self.watching)

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


def test_what_is_written_just_before_a_rotation_is_sent(fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes between the read and the look at the path goes out, though the path leads elsewhere by then."""
    fixture.live("one")
    append(fixture.path, "old ")

    def rotate_and_look(path: str) -> os.stat_result | None:
        monkeypatch.setattr(feed, "stat_log", stat_log)
        append(fixture.path, "last words")
        fixture.path.rename(fixture.path.with_suffix(".1"))
        fixture.path.write_text("new")
        return stat_log(path)

    monkeypatch.setattr(feed, "stat_log", rotate_and_look)
    fixture.feed.wake()
    taken = [(m["data"], m["isInitial"]) for _, m in fixture.taken]
    assert taken == [("old ", False), ("last words", False), ("new", True)]


@pytest.mark.parametrize("among_others", [False, True])
def test_a_joiner_in_another_file_gets_the_rest_of_its_own_first(fixture: Fixture, among_others: bool) -> None:
    """What was written to a rotated file while the client's last message was on its way is not skipped."""
    late = Subscription(
        "late", fixture.feed, Reader(LogFile.open(str(fixture.path))), print, cursors=False, resumed=False
    )
    fixture.feed.add(late)
    assert late.next_message() is not None
    append(fixture.path, "last words")
    fixture.path.rename(fixture.path.with_suffix(".1"))
    fixture.path.write_text("new")
    if among_others:
        fixture.live("one")
    messages: list[Message] = []
    while not fixture.feed.join(late):
        message = late.next_message()
        messages += [message] if message is not None else []
    assert [(message["data"], message["isInitial"]) for message in messages] == [("last words", False), ("new", True)]


def test_clients_with_cursors_and_without_share_a_message_each(fixture: Fixture) -> None:
    """A message is made once for all who get the same one."""
    for number in range(4):
        fixture.live(number, cursors=number % 2 == 1)
    append(fixture.path, "news")
    fixture.feed.wake()
    taken = dict(fixture.taken)
    assert taken[0] is taken[2] and taken[1] is taken[3]
    assert set(taken[1]) - set(taken[0]) == {"cursor", "size"}


def test_what_is_written_during_a_look_is_sent_by_it(fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes between the read and the look at the path counts as seen, and is read at once."""
    fixture.live("one")
    append(fixture.path, "first ")

    def look(path: str) -> os.stat_result | None:
        if len(fixture.taken) == 1:
            append(fixture.path, "second")
        return stat_log(path)

    monkeypatch.setattr("logstream.engine.feed.stat_log", look)
    fixture.feed.wake()
    assert [message["data"] for _, message in fixture.taken] == ["first ", "second"]
    found = stat_log(str(fixture.path))
    assert found is not None and fixture.feed.seen == signature_of(found)


def test_a_closed_feed_does_nothing(fixture: Fixture) -> None:
    """Late wake-ups, and a completion that comes as the last follower leaves, are no error."""
    one = fixture.live("one")
    assert fixture.feed.remove(one)
    append(fixture.path, "x")
    fixture.feed.wake()
    assert fixture.feed.complete(print) is None
    assert not fixture.taken
    assert fixture.watching.forgotten


def waiting(fixture: Fixture, ws: Hashable) -> Subscription:
    """A subscription from before there was a file for it, which its driver is about to have joined."""
    one = Subscription(ws, fixture.feed, None, fixture.behind.append, cursors=False, resumed=False)
    assert fixture.feed.add(one)
    return one


def refuse(fixture: Fixture, error: OSError, meanwhile: Callable[[], object] = lambda: None) -> Callable[..., LogFile]:
    """The opening of a file, which fails."""

    def fail(path: str) -> LogFile:
        assert path == str(fixture.path)
        meanwhile()
        raise error

    return fail


def test_who_has_left_before_it_was_taken_in_is_not_followed_by(fixture: Fixture) -> None:
    """Nobody counts it, and nobody hands it to its client's catch-up again."""
    fixture.live("one")
    late = Subscription("late", fixture.feed, None, fixture.behind.append, cursors=False, resumed=False)
    fixture.feed.remove(late)
    assert fixture.feed.add(late)
    fixture.feed.try_again(late)
    fixture.feed.wake()
    assert fixture.feed.count() == 1
    assert fixture.behind == []


def test_a_log_that_is_rotated_as_its_session_ends_is_sent_to_its_end(fixture: Fixture) -> None:
    """What the old file still held, and then all of the new one as the last message."""
    one = fixture.live("one")
    append(fixture.path, "old")
    fixture.path.rename(fixture.path.with_suffix(".1"))
    fixture.path.write_text("new")
    assert fixture.feed.complete(lambda end: None) is not None
    assert [(m["data"], m["isInitial"], m["isComplete"]) for _, m in fixture.taken] == [
        ("old", False, False),
        ("new", True, True),
    ]
    fixture.feed.remove(one)


def test_a_next_log_that_cannot_be_opened_ends_the_session_with_the_old_one(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read is not waited for: the last message is what there is."""
    one = fixture.live("one")
    append(fixture.path, "old")
    fixture.path.rename(fixture.path.with_suffix(".1"))
    fixture.path.write_text("new")
    monkeypatch.setattr(LogFile, "open", refuse(fixture, PermissionError(errno.EACCES, "Permission denied")))
    assert fixture.feed.complete(lambda end: None) is not None
    assert fixture.text("one") == "old"
    assert fixture.taken[-1][1]["isComplete"]
    fixture.feed.remove(one)


def test_a_file_that_has_come_since_is_read_by_who_was_to_wait_for_it(fixture: Fixture) -> None:
    """Nobody waits for a log that is there."""
    one = waiting(fixture, "one")
    append(fixture.path, "text")
    assert not fixture.feed.join(one)
    message = one.next_message()
    assert message is not None
    assert (message["data"], message["isInitial"]) == ("text", True)
    assert fixture.feed.join(one)


def test_who_waits_beside_those_who_are_live_does_not_end_their_watch(fixture: Fixture) -> None:
    """A deleted log is kept for those who follow it, and their file is watched on."""
    fixture.live("one")
    fixture.path.unlink()
    one = waiting(fixture, "late")
    assert fixture.feed.join(one)
    assert fixture.feed._watched is not None
    watched = fixture.watching.watched[-1]
    fixture.path.touch()
    fixture.feed.wake()
    assert fixture.watching.watched[-1] not in (watched, None)
    assert fixture.behind == [one]


def test_who_leaves_while_its_file_is_opened_does_not_wait(fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is over, and stays so."""
    fixture.live("one")
    late = waiting(fixture, "late")
    error = FileNotFoundError(errno.ENOENT, "No such file or directory")
    with monkeypatch.context() as patch:
        patch.setattr(LogFile, "open", refuse(fixture, error, lambda: fixture.feed.remove(late)))
        assert fixture.feed.join(late)
    assert late.over
    fixture.feed.wake()
    assert fixture.feed.count() == 1
    assert fixture.behind == []


def test_a_replaced_log_that_cannot_be_opened_is_followed_in_the_old_file(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one who is live stays with what there is, until the next file can be read."""
    one = Subscription(
        "one", fixture.feed, Reader(LogFile.open(str(fixture.path))), print, cursors=False, resumed=False
    )
    assert fixture.feed.add(one)
    assert one.next_message() is not None
    old = fixture.path.with_suffix(".1")
    fixture.path.rename(old)
    fixture.path.write_text("new")
    with monkeypatch.context() as patch:
        patch.setattr(LogFile, "open", refuse(fixture, PermissionError(errno.EACCES, "Permission denied")))
        assert fixture.feed.join(one)
        append(old, "late")
        fixture.feed.wake()
        assert fixture.text("one") == "late"
    fixture.feed.wake()
    assert fixture.text("one") == "latenew"


def test_the_rest_of_a_session_is_sent_whole_however_much_it_is(fixture: Fixture) -> None:
    """In several messages, the last of which ends it, with no budget."""
    one = fixture.live("one")
    append(fixture.path, "x" * (BUDGET + 10))
    assert fixture.feed.complete(lambda end: None) == [one]
    assert len(fixture.text("one")) == BUDGET + 10
    assert [m["isComplete"] for _, m in fixture.taken] == [False] * 4 + [True]
    fixture.feed.remove(one)


def test_a_rotated_log_is_left_to_those_who_are_behind(fixture: Fixture) -> None:
    """Where nobody took the rest of the old file, nobody is switched to the next one."""
    one = fixture.live("one")
    fixture.full.add("one")
    append(fixture.path, "old")
    fixture.path.rename(fixture.path.with_suffix(".1"))
    fixture.path.write_text("new")
    fixture.feed.wake()
    assert fixture.behind == [one]
    assert one.pending is not None
    assert (one.pending["data"], one.pending["isInitial"]) == ("old", False)


def test_nobody_is_live_when_a_session_is_over(fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not had the last message, for whatever reason, gets it from its client's catch-up."""
    one = fixture.live("one")
    append(fixture.path, "rest")
    monkeypatch.setattr(fixture.feed, "_pump", lambda *_, **__: None)
    assert fixture.feed.complete(lambda end: None) == [one]
    assert fixture.behind == [one]
    message = one.next_message()
    assert message is not None
    assert (message["data"], message["isInitial"], message["isComplete"]) == ("rest", False, True)

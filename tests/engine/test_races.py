"""Tests of what holds wherever a thread stops between two steps, and whatever all others do meanwhile."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logstream import LogStreamManager
from logstream.engine.catchup import CatchUp
from logstream.engine.completion import Completion
from logstream.engine.feed import BUDGET, Feed
from logstream.engine.logfile import LogFile
from logstream.engine.news import News
from logstream.engine.subscription import CHUNK, LogEnd, Subscription
from logstream.engine.watching import Watching
from logstream.protocol import Message
from logstream.testing import nothing_left

from ..recorder import Recorder
from ..serving import PATIENCE, wait_until

SOON = 5.0  # seconds in which what does not wait for a disk is there, on a busy machine too
NUMBERS = "".join(f"{number}\n" for number in range(10 * CHUNK // 7))


class Stop:
    """A place where a thread waits until it is let go."""

    def __init__(self) -> None:
        self._has_come, self._go_on = threading.Event(), threading.Event()

    def here(self) -> None:
        """Wait."""
        self._has_come.set()
        assert self._go_on.wait(PATIENCE)

    @property
    def has_come(self) -> bool:
        """Whether some thread has come here."""
        return self._has_come.is_set()

    @property
    def is_over(self) -> bool:
        """Whether nobody waits here any more."""
        return self._go_on.is_set()

    def await_thread(self) -> None:
        """Until a thread is here."""
        assert self._has_come.wait(PATIENCE)

    def let_go(self) -> None:
        """Wait no more."""
        self._go_on.set()


@pytest.fixture
def stop() -> Iterator[Stop]:
    """A place, where nobody waits in the end."""
    stop = Stop()
    yield stop
    stop.let_go()


@pytest.fixture
def disk() -> Iterator[Stop]:
    """Another one: a disk that hangs."""
    disk = Stop()
    yield disk
    disk.let_go()


def append(path: Path, text: str) -> None:
    """One write at the end of a file."""
    with path.open("a") as file:
        file.write(text)


def begin(call: Any, *arguments: object) -> threading.Thread:
    """Have another thread do something."""
    thread = threading.Thread(target=call, args=arguments)
    thread.start()
    return thread


def await_level(manager: LogStreamManager) -> None:
    """Until nobody is behind."""
    wait_until(lambda: manager.counts()["clients_behind"] == 0)


def assert_nothing_left(manager: LogStreamManager) -> None:
    """The manager holds nothing for anybody."""
    wait_until(lambda: not any(manager.counts().values()))
    assert not manager._clients
    assert not manager._feeds


def refuse_a_thread(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """There is no thread to be had for the next catch-up. Returns whose thread was refused, later on."""
    refused: list[str] = []
    start = threading.Thread.start

    def refuse_first(thread: threading.Thread) -> None:
        if thread.name == "logstream-catchup" and not refused:
            refused.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_first)
    return refused


@contextlib.contextmanager
def overtaken_subscribe(
    manager: LogStreamManager, monkeypatch: pytest.MonkeyPatch, stop: Stop, session: str, ws: str
) -> Iterator[None]:
    """While a subscribe, on a thread of its own, has come no further than to be the client's latest."""
    add = Feed.add

    def hold(feed: Feed, subscription: Subscription, instead_of: Subscription | None = None) -> bool:
        monkeypatch.setattr(Feed, "add", add)
        stop.here()
        return add(feed, subscription, instead_of)

    monkeypatch.setattr(Feed, "add", hold)
    subscribing = begin(manager.subscribe, session, ws)
    stop.await_thread()
    yield
    stop.let_go()
    subscribing.join(PATIENCE)


def test_a_subscribe_that_overtakes_another_one_ends_the_load_before_both(
    manager: LogStreamManager, clients: Recorder, log: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of that load comes behind the message that starts the text over."""
    log.write_text(NUMBERS)
    loading = clients.begin_stalled_load(manager, "a", "viewer")
    with overtaken_subscribe(manager, monkeypatch, stop, "a", "viewer"):
        last = begin(manager.subscribe, "a", "viewer")
        clients.open.set()
        loading.join(PATIENCE)
        last.join(PATIENCE)
        await_level(manager)
    append(log, "end\n")
    wait_until(lambda: clients.text("viewer").endswith("end\n"))
    assert clients.text("viewer") == NUMBERS + "end\n"
    assert manager.subscription_count("a") == 1


def test_an_unsubscribe_that_overtakes_a_subscribe_ends_the_load_before_it(
    manager: LogStreamManager, clients: Recorder, log: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message that is on its way comes, and nothing more."""
    log.write_bytes(b"x" * 10 * CHUNK)
    loading = clients.begin_stalled_load(manager, "a", "viewer")
    with overtaken_subscribe(manager, monkeypatch, stop, "a", "viewer"):
        threading.Timer(0.1, clients.open.set).start()
        assert manager.unsubscribe("a", "viewer")
        loading.join(PATIENCE)
        count = len(clients.of("viewer"))
    append(log, "more\n")
    manager.subscribe("b", "viewer")  # which does not exist
    assert [message["type"] for message in clients.of("viewer")[count:]] == ["logs:error"]
    assert_nothing_left(manager)


def test_a_disconnect_that_overtakes_a_subscribe_ends_what_was_followed_before_it(
    manager: LogStreamManager, clients: Recorder, log: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is handed over any more when it has returned."""
    manager.subscribe("a", "viewer")
    manager.subscribe("a", "witness")
    with overtaken_subscribe(manager, monkeypatch, stop, "a", "viewer"):
        manager.handle_client_disconnect("viewer")
        assert manager.subscription_count("a") == 1
        append(log, "more\n")
        wait_until(lambda: clients.text("witness") == "first\nmore\n")
    manager.handle_client_disconnect("witness")
    assert clients.text("viewer") == "first\n"
    assert_nothing_left(manager)


def test_a_subscribe_that_is_not_wanted_when_it_is_to_be_made_again_leaves_nothing(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session was completed meanwhile, and the client's next subscribe has failed."""
    wanted = [True]
    add = Feed.add

    def complete_and_add(feed: Feed, subscription: Subscription, instead_of: Subscription | None = None) -> bool:
        monkeypatch.setattr(Feed, "add", add)
        manager.notify_session_completed("a")
        wanted[0] = False
        log.unlink()
        manager.subscribe("a", "viewer")
        return add(feed, subscription, instead_of)

    monkeypatch.setattr(Feed, "add", complete_and_add)
    manager.subscribe("a", "viewer", is_wanted=lambda: wanted[0])
    assert_nothing_left(manager)


@pytest.mark.parametrize("place", ["complete", "_send_off"])
def test_a_session_that_begins_anew_while_it_is_completed_is_not_complete(
    manager: LogStreamManager,
    clients: Recorder,
    log: Path,
    stop: Stop,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    """A client that leaves on its last message, and is back before all is done, follows the new run."""
    told: list[tuple[str, int | None]] = []
    manager.on_completed(lambda name, status: told.append((name, status)))
    manager.subscribe("a", "viewer")
    await_level(manager)
    method = getattr(Feed, place)

    def hold(feed: Feed, *arguments: object) -> object:
        monkeypatch.setattr(Feed, place, method)
        result = method(feed, *arguments) if place == "complete" else None
        stop.here()
        return result if place == "complete" else method(feed, *arguments)

    monkeypatch.setattr(Feed, place, hold)
    completing = begin(manager.notify_session_completed, "a", 0)
    stop.await_thread()
    if place == "complete":
        wait_until(lambda: clients.completions("viewer") == 1)
    had_last = clients.completions("viewer")  # it comes later where all is left to `send`
    manager.unsubscribe("a", "viewer")
    if had_last:
        log.unlink()
        log.write_text("anew\n")
        manager.subscribe("a", "viewer")
    stop.let_go()
    completing.join(PATIENCE)
    if had_last:
        append(log, "more\n")
        wait_until(lambda: clients.text("viewer") == "anew\nmore\n")
    assert clients.completions("viewer") == had_last
    assert told == [("a", 0)]


def test_news_of_a_completion_says_nothing_of_a_log_that_has_begun_anew(
    manager: LogStreamManager, clients: Recorder, log: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the last who followed the old one leaves while that is heard."""
    log.write_text("x" * 8 * CHUNK)
    loading = clients.begin_stalled_load(manager, "a", "viewer")
    finish = Feed._finish

    def hold(feed: Feed, end: LogEnd) -> None:
        stop.here()
        finish(feed, end)

    monkeypatch.setattr(Feed, "_finish", hold)
    completion = Completion.at(LogEnd.at(str(log)), 0)
    assert completion is not None
    manager._completions.note("a", completion)  # as another process does
    hearing = begin(manager._hear, ["a"])
    stop.await_thread()
    manager.handle_client_disconnect("viewer")
    clients.open.set()
    loading.join(PATIENCE)
    log.unlink()
    log.write_text("anew\n")
    stop.let_go()
    hearing.join(PATIENCE)
    manager.subscribe("a", "other")
    append(log, "more\n")
    wait_until(lambda: clients.text("other") == "anew\nmore\n")
    assert clients.completions("other") == 0


def test_the_error_of_a_load_comes_before_the_text_of_the_next_one(
    manager: LogStreamManager, clients: Recorder, log: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would seem to be of that one, which a client then takes for over."""
    log.write_text(NUMBERS)
    deliver, next_message = manager._deliver, Subscription.next_message
    reads: list[int] = []

    def hold(ws: str, message: Message) -> bool:
        if message["type"] == "logs:error":
            stop.here()
        return deliver(ws, message)

    def fail_second(subscription: Subscription) -> Message | None:
        reads.append(1)
        if len(reads) == 2:
            raise OSError(errno.EIO, "I/O error")
        return next_message(subscription)

    monkeypatch.setattr(manager, "_deliver", hold)
    monkeypatch.setattr(Subscription, "next_message", fail_second)
    manager.subscribe("a", "viewer")
    stop.await_thread()
    again = begin(manager.subscribe, "a", "viewer")
    again.join(0.5)  # it waits
    stop.let_go()
    again.join(PATIENCE)
    wait_until(lambda: clients.text("viewer") == NUMBERS)
    kinds = [message.get("isInitial", "an error") for message in clients.of("viewer")]
    assert True in kinds[kinds.index("an error") :]


def test_who_is_in_the_next_file_already_is_not_sent_back(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the live ones have much left of the one that was rotated away."""
    manager.subscribe("a", "first")
    await_level(manager)
    with monkeypatch.context() as patch:
        patch.setattr(Feed, "wake", lambda self: None)
        append(log, "old line\n" * (4 * BUDGET // 9))
        log.rename(log.with_suffix(".1"))
        log.write_text("new\n")
        manager.subscribe("a", "second", tail=1)
        await_level(manager)
    append(log, "end\n")
    wait_until(lambda: clients.text("first") == clients.text("second") == "new\nend\n")
    assert [message["isInitial"] for message in clients.of("second")].count(True) == 1


def test_a_file_whose_first_read_fails_starts_the_text_over(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not appended to what the file before it has said."""
    manager.subscribe("a", "viewer")
    await_level(manager)
    beside = log.with_name("next")
    beside.write_text("new\n")
    new = LogFile.open(str(beside)).identity
    read, failed = LogFile.read, []

    def fail_first(file: LogFile, offset: int, length: int) -> bytes:
        if file.identity == new and not failed:
            failed.append(1)
            raise OSError(errno.EIO, "I/O error")
        return read(file, offset, length)

    monkeypatch.setattr(LogFile, "read", fail_first)
    beside.rename(log)
    wait_until(lambda: failed and clients.text("viewer").endswith("new\n"))
    assert clients.text("viewer") == "new\n"


def test_a_complete_log_is_loaded_though_there_is_no_thread_for_a_moment(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written to it any more that would have it looked at."""
    log.write_text(NUMBERS)
    manager.notify_session_completed("a")
    refused = refuse_a_thread(monkeypatch)
    manager.subscribe("a", "viewer")
    wait_until(lambda: refused and clients.completions("viewer") == 1)
    assert clients.text("viewer") == NUMBERS


def test_a_log_is_loaded_that_is_completed_while_there_is_no_thread(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not looked at any more then, and who waits for a thread is not forgotten."""
    log.write_text(NUMBERS)
    refused = refuse_a_thread(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(Feed, "wake", lambda self: None)
        manager.subscribe("a", "viewer")
        manager.notify_session_completed("a")
    wait_until(lambda: refused and clients.completions("viewer") == 1)
    assert clients.text("viewer") == NUMBERS


def test_news_that_cannot_be_opened_for_a_moment_are_read(
    clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not only with the next ones."""
    with nothing_left(PATIENCE):
        managers = [LogStreamManager(clients.send, clients.offer, directory=log.parent) for _ in range(2)]
        here, there = managers
        log.with_name("z.out").touch()
        there.notify_session_completed("z")  # so that there are news
        here.subscribe("a", "viewer")
        await_level(here)
        find, failed = News._open, []

        def fail_first(news: News) -> LogFile | None:
            if not failed:
                failed.append(1)
                return None
            return find(news)

        monkeypatch.setattr(News, "_open", fail_first)
        there.notify_session_completed("a")
        wait_until(lambda: failed and clients.completions("viewer") == 1)
        for one in managers:
            one.close()


def test_who_comes_back_late_does_not_hide_that_another_thread_is_stuck(
    manager: LogStreamManager,
    clients: Recorder,
    log: Path,
    stop: Stop,
    disk: Stop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One thread has made a session live; the client's own hangs with its file since: its other logs are loaded."""
    log.with_name("b.out").write_text("x" * 8 * CHUNK)
    clients.full.add("viewer")
    join, next_message = Feed.join, Subscription.next_message

    def hold(feed: Feed, subscription: Subscription) -> bool:
        is_live = join(feed, subscription)
        if is_live and feed.name == "a" and not stop.has_come:
            stop.here()
        return is_live

    def hang(subscription: Subscription) -> Message | None:
        if subscription.feed.name == "a" and stop.has_come and subscription.pending is None:
            disk.here()
        return next_message(subscription)

    monkeypatch.setattr(Feed, "join", hold)
    monkeypatch.setattr(Subscription, "next_message", hang)
    subscribing = begin(manager.subscribe, "a", "viewer")
    stop.await_thread()
    append(log, "more\n")  # refused: the client's own thread sends it, and reads on
    disk.await_thread()
    stop.let_go()
    subscribing.join(PATIENCE)
    manager.subscribe("b", "viewer")

    def loaded() -> int:
        return sum(len(message["data"]) for message in clients.of("viewer") if message["sessionName"] == "b")

    wait_until(lambda: loaded() == 8 * CHUNK, SOON)
    disk.let_go()


def test_a_subscribe_does_not_wait_for_what_is_read_for_one_that_is_over(
    manager: LogStreamManager,
    clients: Recorder,
    log: Path,
    stop: Stop,
    disk: Stop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the thread that was about to read it stopped before that, and the disk hangs by then."""
    log.with_name("b.out").write_text("b\n")
    log.write_text(NUMBERS)
    advance, next_message = CatchUp._advance, Subscription.next_message
    steps: list[int] = []

    def hold(catchup: CatchUp, subscription: Subscription) -> bool:
        steps.append(1)
        if len(steps) == 2:
            stop.here()
        return advance(catchup, subscription)

    def hang(subscription: Subscription) -> Message | None:
        if subscription.feed.name == "a" and stop.is_over:
            disk.here()
        return next_message(subscription)

    monkeypatch.setattr(CatchUp, "_advance", hold)
    monkeypatch.setattr(Subscription, "next_message", hang)
    manager.subscribe("a", "viewer")
    stop.await_thread()
    manager.unsubscribe("a", "viewer")
    subscribing = begin(manager.subscribe, "b", "viewer")
    subscribing.join(0.3)  # it waits
    stop.let_go()
    wait_until(lambda: any(message["sessionName"] == "b" for message in clients.of("viewer")), SOON)
    disk.let_go()
    subscribing.join(PATIENCE)


def test_a_file_that_is_about_to_be_watched_when_all_is_closed_is_let_go(
    clients: Recorder, log: Path, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody holds its descriptor for as long as the manager is there."""
    watch = Watching.watch
    beside = log.with_name("next")

    def hold(watching: Watching, follower: Any, file: LogFile | None) -> None:
        if isinstance(follower, Feed) and file is not None and file.identity == new:
            stop.here()
        watch(watching, follower, file)

    with nothing_left(PATIENCE):
        manager = LogStreamManager(clients.send, clients.offer, directory=log.parent)
        manager.subscribe("a", "viewer")
        await_level(manager)
        beside.write_text("new\n")
        new = LogFile.open(str(beside)).identity
        monkeypatch.setattr(Watching, "watch", hold)
        beside.rename(log)
        stop.await_thread()
        threading.Timer(0.3, stop.let_go).start()
        manager.close()

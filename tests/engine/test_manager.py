"""Tests of the engine by its Python API, on real files."""

import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from logstream import LogStreamManager
from logstream.engine import feed
from logstream.engine.logfile import LogFile
from logstream.engine.subscription import CHUNK, WHOLE
from logstream.protocol import ProtocolError

from ..kinds import watches_for
from ..recorder import Recorder
from ..serving import count_descriptors, count_watches, wait_until
from ..stopwatch import Stopwatch

MIXED = "größer 日本語 😀\n"


def append(path: Path, text: str | bytes) -> None:
    """One write at the end of a file."""
    with path.open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def assert_nothing_left(manager: LogStreamManager) -> None:
    """The manager holds nothing for anybody."""
    assert manager.counts() == {"subscriptions": 0, "watched_sessions": 0, "clients_behind": 0}
    assert not manager._clients
    assert not manager._feeds


def test_nothing_is_started_before_the_first_subscribe(clients: Recorder, tmp_path: Path) -> None:
    """A manager that is only made costs no thread, descriptor or watch, so that a server may fork after it."""
    before = threading.active_count(), count_descriptors(), count_watches()
    LogStreamManager(clients.send, directory=tmp_path)
    assert (threading.active_count(), count_descriptors(), count_watches()) == before


def test_a_subscribe_hands_over_the_whole_log_before_it_returns(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """The first message is the file as it is, with exactly the protocol's keys."""
    log.write_text(MIXED)
    manager.subscribe("a", "viewer")
    assert clients.of("viewer") == [
        {"type": "logs:data", "sessionName": "a", "data": MIXED, "isInitial": True, "isComplete": False}
    ]
    assert manager.subscription_count("a") == 1
    assert manager.has_watcher("a")
    assert manager.file_position("a") == len(MIXED.encode())


def test_an_empty_log_has_a_first_message_too(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """A client learns that the subscribe worked even when there is nothing to show."""
    log.write_text("")
    manager.subscribe("a", "viewer")
    assert clients.last("viewer")["isInitial"]
    assert clients.last("viewer")["data"] == ""


@pytest.mark.parametrize("size", [WHOLE - 1, WHOLE, WHOLE + 1, 3 * WHOLE + 17])
def test_a_large_log_comes_in_pieces(manager: LogStreamManager, clients: Recorder, log: Path, size: int) -> None:
    """Up to 1 MiB comes in one message, more in pieces of at most 256 KiB of file after the first."""
    content = (MIXED * (size // len(MIXED.encode()) + 1)).encode()[: size - 10].decode(errors="ignore")
    content += "." * (size - len(content.encode()))
    log.write_text(content)
    manager.subscribe("a", "viewer")
    wait_until(lambda: clients.text("viewer") == content)
    sizes = [len(message["data"].encode()) for message in clients.of("viewer")]
    assert [message["isInitial"] for message in clients.of("viewer")] == [True] + [False] * (len(sizes) - 1)
    assert (len(sizes) == 1) == (size <= WHOLE)
    assert all(piece <= CHUNK for piece in sizes[1:])


def test_a_missing_log_is_an_error_to_that_client_alone(
    manager: LogStreamManager, clients: Recorder, log: Path, tmp_path: Path
) -> None:
    """The sentence says 'not found' and no path, and nothing is subscribed."""
    manager.subscribe("a", "other")
    manager.subscribe("missing", "viewer")
    [error] = clients.of("viewer")
    assert error["type"] == "logs:error"
    assert error["sessionName"] == "missing"
    assert "not found" in error["error"]
    assert str(tmp_path) not in error["error"]
    assert len(clients.of("other")) == 1
    assert manager.subscription_count("missing") == 0
    assert not manager.has_watcher("missing")


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "..", "", "a/../a", "a\0", "x" * 300])
def test_a_bad_name_is_an_error(manager: LogStreamManager, clients: Recorder, log: Path, name: str) -> None:
    """No name leads out of the directory."""
    manager.subscribe(name, "viewer")
    assert clients.last("viewer")["type"] == "logs:error"
    manager.notify_session_completed(name)
    manager.unsubscribe(name, "viewer")
    assert_nothing_left(manager)


def test_what_is_not_a_regular_file_is_an_error(
    manager: LogStreamManager, clients: Recorder, log: Path, tmp_path: Path
) -> None:
    """A directory, a pipe and a link are refused at once, in a sentence without a path."""
    (tmp_path / "directory.out").mkdir()
    os.mkfifo(tmp_path / "pipe.out")
    (tmp_path / "link.out").symlink_to(log)
    for name in ("directory", "pipe", "link"):
        for wait in (False, True):
            manager.subscribe(name, "viewer", wait=wait)
            assert clients.last("viewer")["type"] == "logs:error"
            assert clients.last("viewer")["sessionName"] == name
            assert str(tmp_path) not in clients.last("viewer")["error"]
    assert_nothing_left(manager)


def test_a_log_that_cannot_be_opened_is_an_error(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No permission, no descriptors, a broken disk: each is a sentence to the client and one line to the operator."""
    for number, sentence in (
        (errno.EACCES, "may not read"),
        (errno.EMFILE, "too many open files"),
        (errno.EIO, "cannot be opened"),
    ):

        def fail(path: str, flags: int, number: int = number, **place: int) -> int:
            raise OSError(number, os.strerror(number), path)

        with monkeypatch.context() as broken:
            broken.setattr("logstream.engine.logfile.os.open", fail)
            manager.subscribe("a", "viewer")
        assert sentence in clients.last("viewer")["error"]
        assert str(tmp_path) not in clients.last("viewer")["error"]
        assert_nothing_left(manager)
        manager.subscribe("a", "viewer")
        assert clients.last("viewer")["type"] == "logs:data"
        manager.unsubscribe("a", "viewer")


def test_a_disk_that_fails_while_a_log_is_followed_is_an_error(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A read that fails ends that session for its clients with an error; the others go on, and it can be had again."""
    (tmp_path / "other.out").touch()
    for name in ("a", "other"):
        manager.subscribe(name, "viewer")
    broken = log.stat().st_ino
    pread = os.pread

    def fail(fd: int, length: int, offset: int) -> bytes:
        if os.fstat(fd).st_ino == broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(fd, length, offset)

    with monkeypatch.context() as disk:
        disk.setattr("logstream.engine.logfile.os.pread", fail)
        append(log, "unreadable")
        wait_until(lambda: clients.last("viewer")["type"] == "logs:error")
        assert clients.last("viewer")["sessionName"] == "a"
        append(tmp_path / "other.out", "readable")
        wait_until(lambda: clients.last("viewer").get("data") == "readable")
    assert manager.subscription_count("a") == 0
    manager.subscribe("a", "viewer")
    assert clients.last("viewer")["data"].endswith("unreadable")


def test_a_read_that_hangs_stops_its_own_session_only(
    manager: LogStreamManager, clients: Recorder, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one log's disk does not answer, clients come, go and are counted, in that session and in others."""
    manager.subscribe("a", "viewer")
    wait_until(lambda: manager.counts()["clients_behind"] == 0)
    (tmp_path / "other.out").write_text("other")
    slow = os.stat(log).st_ino
    hangs, answers = threading.Event(), threading.Event()
    pread = os.pread

    def read(fd: int, length: int, offset: int) -> bytes:
        if os.fstat(fd).st_ino == slow and not answers.is_set():
            hangs.set()
            assert answers.wait(10)
        return pread(fd, length, offset)

    monkeypatch.setattr("logstream.engine.logfile.os.pread", read)
    append(log, "late")
    threads = []
    try:
        assert hangs.wait(5)
        threads.append(threading.Thread(target=manager.subscribe, args=("a", "second")))
        threads[0].start()
        watch = Stopwatch()
        wait_until(lambda: manager.subscription_count("a") == 2)
        assert manager.counts()["watched_sessions"] == 1
        manager.subscribe("other", "third")
        assert clients.text("third") == "other"
        manager.unsubscribe("other", "third")
        manager.unsubscribe("a", "viewer")
        assert (manager.subscription_count("a"), manager.subscription_count("other")) == (1, 0)
        assert watch.seconds() < 0.5
    finally:
        answers.set()
        for thread in threads:
            thread.join()
    wait_until(lambda: clients.text("second") == "first\nlate")
    assert clients.text("viewer") == "first\n"


def test_what_is_written_between_the_read_and_the_look_is_not_lost(
    manager: LogStreamManager, clients: Recorder, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the sweep alone, text that comes just after a feed has read, and before it looks at the path, arrives."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr("logstream.engine.watching.InotifyObserver", refuse)
    manager.subscribe("a", "viewer")
    wait_until(lambda: manager.counts()["clients_behind"] == 0)
    look = feed.stat_log
    late = ["late"]

    def look_late(path: str) -> os.stat_result | None:
        if late and clients.text("viewer").endswith("early"):
            append(log, late.pop())
        return look(path)

    monkeypatch.setattr(feed, "stat_log", look_late)
    append(log, "early")
    wait_until(lambda: clients.text("viewer").endswith("earlylate"))
    assert not late


def test_loads_are_shared_while_there_are_several(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """From the second client that loads a session on, and no longer than that; afterwards nothing is kept for them."""
    log.write_bytes(b"x" * 3_000_000)
    one = clients.begin_stalled_load(manager, "a", "one")
    feed = manager._feeds["a"]
    assert not feed.is_loaded_by_several()
    two = threading.Thread(target=manager.subscribe, args=("a", "two"))
    clients.full.add("two")
    two.start()
    wait_until(feed.is_loaded_by_several)
    clients.full.clear()
    clients.open.set()
    for thread in (one, two):
        thread.join()
    wait_until(lambda: len(clients.text("one")) == len(clients.text("two")) == 3_000_000)
    wait_until(lambda: not feed.is_loaded_by_several())
    wait_until(lambda: not feed.sharing._pieces)


def test_a_client_may_follow_so_many_sessions_and_no_more(clients: Recorder, tmp_path: Path) -> None:
    """One too many is an error; following one of them again is not one more, and each client has its own count."""
    for name in "abc":
        (tmp_path / f"{name}.out").touch()
    manager = LogStreamManager(clients.send, clients.offer, tmp_path, max_subscriptions=2)
    for name in "abca":
        manager.subscribe(name, "viewer")
    assert [message["type"] for message in clients.of("viewer")] == [*["logs:data"] * 2, "logs:error", "logs:data"]
    manager.subscribe("c", "other")
    manager.notify_session_completed("a")
    manager.subscribe("c", "viewer")
    assert clients.last("viewer")["type"] == "logs:data"
    manager.close()


def test_appends_reach_all_as_the_same_message(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """An increment holds only what is new, is made once, and is handed to every client."""
    manager.subscribe("a", "one")
    manager.subscribe("a", "two")
    append(log, "second\n")
    wait_until(lambda: len(clients.of("one")) == len(clients.of("two")) == 2)
    assert clients.last("one") == {
        "type": "logs:data",
        "sessionName": "a",
        "data": "second\n",
        "isInitial": False,
        "isComplete": False,
    }
    assert clients.last("one") is clients.last("two")
    assert manager.file_position("a") == len("first\nsecond\n")
    assert manager.subscription_count("a") == 2
    assert count_watches() == watches_for(1)


def test_a_character_is_held_back_until_it_is_whole(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """A write that ends inside a character shows nothing of it, whatever time passes before the rest."""
    manager.subscribe("a", "viewer")
    append(log, "€".encode()[:2])
    append(log, b"")
    threading.Event().wait(0.3)  # more than a sweep
    assert clients.text("viewer") == "first\n"
    append(log, "€".encode()[2:])
    wait_until(lambda: clients.text("viewer") == "first\n€")


def test_no_last_line_of_a_burst_is_left_behind(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """After each of many bursts the last line arrives within 500 ms, with nothing written after it."""
    manager.subscribe("a", "viewer")
    expected = "first\n"
    with log.open("ab", buffering=0) as file:
        for burst in range(40):
            for line in range(burst % 7 + 1):
                file.write(b"%d %d\n" % (burst, line))
                expected += f"{burst} {line}\n"
            wait_until(lambda: clients.text("viewer") == expected, 0.5)


def test_subscribing_again_starts_over_and_counts_once(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """The second subscribe replaces the first: the log again, and each increment once."""
    for _ in range(3):
        manager.subscribe("a", "viewer")
        assert clients.last("viewer")["isInitial"]
        assert clients.text("viewer") == "first\n"
        assert manager.subscription_count("a") == 1
    append(log, "second\n")
    wait_until(lambda: clients.text("viewer") == "first\nsecond\n")
    assert len(clients.of("viewer")) == 4


def test_a_failed_subscribe_leaves_the_earlier_one_alone(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """A command that fails changes nothing: the client still gets what is written to the file that it follows."""
    manager.subscribe("a", "viewer")
    with log.open("ab", buffering=0) as file:
        log.unlink()
        manager.subscribe("a", "viewer")
        assert "not found" in clients.last("viewer")["error"]
        file.write(b"second\n")
        wait_until(lambda: clients.text("viewer") == "first\nsecond\n")
    assert manager.subscription_count("a") == 1


def test_after_unsubscribe_nothing_more_comes(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """The client that unsubscribes gets nothing more; the others go on, and the last one takes everything along."""
    before = threading.active_count()
    for viewer in ("one", "two"):
        manager.subscribe("a", viewer)
    manager.unsubscribe("a", "one")
    assert manager.subscription_count("a") == 1
    append(log, "second\n")
    wait_until(lambda: clients.text("two") == "first\nsecond\n")
    assert clients.text("one") == "first\n"
    manager.unsubscribe("a", "two")
    assert_nothing_left(manager)
    assert manager.file_position("a") == 0
    assert not manager.has_watcher("a")
    wait_until(lambda: threading.active_count() == before)
    wait_until(lambda: count_watches() == 0)


def test_unsubscribe_in_the_middle_of_a_large_load(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """Nothing is sent once an unsubscribe has returned, though most of the log is still to come."""
    os.truncate(log, 1000 * CHUNK)  # a hole of NUL characters
    for _ in range(5):
        clients.messages.clear()
        manager.subscribe("a", "viewer")
        manager.unsubscribe("a", "viewer")
        count = len(clients.of("viewer"))
        assert count < 1000
        threading.Event().wait(0.02)
        assert len(clients.of("viewer")) == count
        assert_nothing_left(manager)


def test_a_disconnect_forgets_all_that_a_client_followed(
    manager: LogStreamManager, clients: Recorder, log: Path, tmp_path: Path
) -> None:
    """One call ends every subscription of the client and none of anybody else's."""
    (tmp_path / "b.out").write_text("")
    for name in ("a", "b"):
        manager.subscribe(name, "gone")
    manager.subscribe("b", "stays")
    manager.handle_client_disconnect("gone")
    manager.handle_client_disconnect("gone")
    assert not manager.has_watcher("a")
    assert manager.subscription_count("b") == 1
    append(tmp_path / "b.out", "more")
    wait_until(lambda: clients.text("stays") == "more")
    assert clients.text("gone") == ""


def test_unknown_clients_and_sessions_are_no_error(manager: LogStreamManager, log: Path) -> None:
    """Every call may name what the manager has never heard of."""
    manager.unsubscribe("a", "nobody")
    manager.handle_client_disconnect("nobody")
    manager.notify_session_completed("nothing")
    assert manager.subscription_count("nothing") == 0
    assert not manager.has_watcher("nothing")
    assert manager.file_position("nothing") == 0


def test_a_client_that_is_gone_is_dropped_and_costs_one_debug_line(
    manager: LogStreamManager, clients: Recorder, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A send that raises ends all of that client's subscriptions; the others notice nothing."""
    for viewer in ("gone", "stays"):
        manager.subscribe("a", viewer)
    clients.gone.add("gone")
    with caplog.at_level(logging.DEBUG):
        append(log, "second\n")
        wait_until(lambda: clients.text("stays") == "first\nsecond\n")
        wait_until(lambda: manager.subscription_count("a") == 1)
        manager.subscribe("a", "gone")
    assert manager.subscription_count("a") == 1
    records = [record for record in caplog.records if record.name.startswith("logstream")]  # watchdog says more
    assert [record.levelname for record in records] == ["DEBUG", "DEBUG"]
    assert not any(record.exc_info for record in records)


def test_nobody_waits_for_a_client_that_does_not_take_anything(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """While a send to one client blocks, the others get each increment at once; later it gets every byte."""
    for viewer in ("slow", "fast"):
        manager.subscribe("a", viewer)
    clients.stall("slow")
    expected = "first\n"
    for number in range(20):
        append(log, f"{number} {MIXED}")
        expected += f"{number} {MIXED}"
        wait_until(lambda: clients.text("fast") == expected, 0.5)
    assert clients.text("slow") == "first\n"
    assert manager.counts()["clients_behind"] >= 1
    clients.open.set()
    clients.full.clear()
    wait_until(lambda: clients.text("slow") == expected)
    append(log, "end")
    wait_until(lambda: clients.text("slow") == clients.text("fast") == expected + "end")
    wait_until(lambda: not manager.counts()["clients_behind"])


def test_a_small_session_is_not_queued_behind_a_large_one(
    manager: LogStreamManager, clients: Recorder, log: Path, tmp_path: Path
) -> None:
    """What is behind for one client takes turns, so an increment waits for one piece of a large log at most."""
    log.write_bytes(b"x" * (60 * CHUNK))
    small = tmp_path / "small.out"
    small.write_text("")
    manager.subscribe("small", "viewer")
    loading = clients.begin_stalled_load(manager, "a", "viewer")
    append(small, "news")
    wait_until(lambda: manager._feeds["small"].behind())
    clients.open.set()
    wait_until(lambda: any(message["sessionName"] == "small" for message in clients.of("viewer")[1:]))
    loading.join()
    wait_until(lambda: sum(len(m["data"]) for m in clients.of("viewer") if m["sessionName"] == "a") == 60 * CHUNK)
    names = [message["sessionName"] for message in clients.of("viewer")]
    assert names.index("small", 1) < 20


def test_completion_is_the_last_message_and_carries_the_rest(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """Every subscriber gets what remained and isComplete, once, as the last thing; then nothing is left."""
    for viewer in ("one", "two"):
        manager.subscribe("a", viewer)
    append(log, "second\n")
    manager.notify_session_completed("a")
    assert manager.subscription_count("a") == 0
    assert not manager.has_watcher("a")
    assert manager.file_position("a") == 0
    for viewer in ("one", "two"):
        assert clients.last(viewer)["isComplete"]  # who is level is told before the call returns
        assert clients.text(viewer) == "first\nsecond\n"
    append(log, "too late\n")
    wait_until(lambda: not manager.counts()["subscriptions"])
    assert_nothing_left(manager)
    assert [clients.completions(viewer) for viewer in ("one", "two")] == [1, 1]


def test_an_unfinished_character_is_flushed_at_completion(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """What will never be whole becomes U+FFFD in the end, for live clients and for later ones."""
    manager.subscribe("a", "live")
    append(log, b"\xe2\x82")
    manager.notify_session_completed("a")
    manager.subscribe("a", "late")
    for viewer in ("live", "late"):
        wait_until(lambda viewer=viewer: clients.completions(viewer))
        assert clients.text(viewer) == "first\n\ufffd"


def test_a_client_that_is_behind_gets_its_completion_when_it_gets_there(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """Completion does not cut a load short, and what is written after it is not part of the session."""
    content = MIXED * (10 * CHUNK // len(MIXED.encode()))
    log.write_text(content)
    loading = clients.begin_stalled_load(manager, "a", "slow")
    manager.notify_session_completed("a")
    assert manager.subscription_count("a") == 0
    assert not clients.completions("slow")
    append(log, "too late")
    clients.open.set()
    loading.join()
    wait_until(lambda: clients.completions("slow"))
    assert clients.last("slow")["isComplete"]
    assert clients.text("slow") == content
    wait_until(lambda: not manager._clients)


def test_completion_waits_for_nobody(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """The call returns within its half second beside a client whose send blocks, and the others are told."""
    for viewer in ("stuck", "level"):
        manager.subscribe("a", viewer)
    clients.stall("stuck")
    watch = Stopwatch()
    manager.notify_session_completed("a")
    assert watch.seconds() < 1
    wait_until(lambda: clients.completions("level") == 1)
    assert not clients.completions("stuck")
    clients.open.set()
    wait_until(lambda: clients.completions("stuck") == 1)


def test_unsubscribing_after_completion_ends_a_load(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """A client that is still catching up with a complete session can leave it."""
    log.write_bytes(b"x" * (40 * CHUNK))
    loading = clients.begin_stalled_load(manager, "a", "slow")
    manager.notify_session_completed("a")
    manager.unsubscribe("a", "slow")
    clients.open.set()
    loading.join()
    assert not clients.completions("slow")
    wait_until(lambda: not manager.counts()["subscriptions"])


@pytest.mark.parametrize("name", ["a", "nobody", "../a"])
def test_a_client_that_thinks_better_of_it_meanwhile_is_told_nothing(
    manager: LogStreamManager, clients: Recorder, log: Path, name: str
) -> None:
    """Neither the log nor an error, and follows nothing, where it is not wanted any more when the log has opened."""
    manager.subscribe(name, "viewer", is_wanted=lambda: False)
    assert clients.of("viewer") == []
    assert_nothing_left(manager)


def test_unsubscribing_says_whether_there_was_anything_to_end(manager: LogStreamManager, log: Path) -> None:
    """So who is about to be taken in can be told from who was."""
    assert not manager.unsubscribe("a", "viewer")
    manager.subscribe("a", "viewer")
    assert manager.unsubscribe("a", "viewer")
    assert not manager.unsubscribe("a", "viewer")


@pytest.mark.parametrize("subscribed", [True, False])
def test_completion_may_be_repeated(manager: LogStreamManager, clients: Recorder, log: Path, subscribed: bool) -> None:
    """A second notice, and one without subscribers, changes nothing."""
    if subscribed:
        manager.subscribe("a", "viewer")
    for _ in range(3):
        manager.notify_session_completed("a")
    assert_nothing_left(manager) if not subscribed else wait_until(lambda: clients.completions("viewer") == 1)
    manager.subscribe("a", "late")
    assert clients.of("late") == [
        {"type": "logs:data", "sessionName": "a", "data": "first\n", "isInitial": True, "isComplete": True}
    ]
    assert not manager.has_watcher("a")
    wait_until(lambda: count_watches() == 0)


def test_a_deleted_session_completes_too(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """With the file gone, subscribers still get what it held and their last message."""
    manager.subscribe("a", "viewer")
    with log.open("ab") as file:
        file.write(b"second\n")
        log.unlink()
    manager.notify_session_completed("a")
    wait_until(lambda: clients.completions("viewer") == 1)
    assert clients.text("viewer") == "first\nsecond\n"
    manager.subscribe("a", "late")
    assert "not found" in clients.last("late")["error"]


def test_a_large_complete_log_has_one_completion_at_its_end(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """The last piece of a large log carries isComplete."""
    content = MIXED * (5 * CHUNK // len(MIXED.encode()))
    log.write_text(content)
    manager.notify_session_completed("a")
    manager.subscribe("a", "late")
    wait_until(lambda: clients.completions("late"))
    assert clients.text("late") == content
    assert clients.last("late")["data"]
    assert clients.last("late")["isComplete"]


@pytest.mark.parametrize(
    "restart",
    [
        lambda log: append(log, "more\n"),
        lambda log: log.write_text("new\n"),
        lambda log: log.write_text("FIRST\n"),  # of the same length
        lambda log: (log.unlink(), log.write_text("anew\n")),
    ],
)
def test_a_session_that_starts_anew_is_live_again(
    manager: LogStreamManager, clients: Recorder, log: Path, restart: Callable[[Path], object]
) -> None:
    """A completion is known by the file it was of; with other content of that name there is a new session."""
    manager.notify_session_completed("a")
    restart(log)
    manager.subscribe("a", "viewer")
    assert clients.last("viewer")["isInitial"]
    assert not clients.last("viewer")["isComplete"]
    assert manager.has_watcher("a")
    expected = log.read_text() + "live\n"
    append(log, "live\n")
    wait_until(lambda: clients.text("viewer") == expected)
    manager.notify_session_completed("a")
    wait_until(lambda: clients.completions("viewer") == 1)


def test_a_send_that_calls_back_is_no_deadlock(tmp_path: Path, log: Path) -> None:
    """Nothing is locked while `send` is called, so it may call anything."""
    calls: list[bool] = []

    def send(ws: object, message: dict[str, object]) -> None:
        calls.append(True)
        manager.subscription_count("a")
        manager.unsubscribe("a", ws)
        manager.handle_client_disconnect(ws)
        manager.notify_session_completed("a")

    manager = LogStreamManager(send, directory=tmp_path)
    for viewer in range(3):
        manager.subscribe("a", viewer)
    manager.close()
    assert len(calls) == 3


def test_close_ends_everything(manager: LogStreamManager, clients: Recorder, log: Path) -> None:
    """After close nothing is sent, and a subscribe is answered with an error."""
    manager.subscribe("a", "viewer")
    manager.close()
    append(log, "more")
    manager.subscribe("a", "late")
    assert clients.text("viewer") == "first\n"
    assert clients.last("late")["type"] == "logs:error"
    assert_nothing_left(manager)


def test_many_threads_at_once(manager: LogStreamManager, clients: Recorder, log: Path, tmp_path: Path) -> None:
    """Clients that come, leave, vanish and complete on many threads leave nothing behind, and no text wrong."""
    (tmp_path / "b.out").write_text("b\n")
    stop = time.monotonic() + 1.5
    failures: list[BaseException] = []

    def live(number: int) -> None:
        try:
            turn = 0
            while time.monotonic() < stop:
                turn += 1
                name, ws = "ab"[(number + turn) % 2], f"{number}-{turn}"
                manager.subscribe(name, ws)
                append(tmp_path / f"{name}.out", f"{number} {turn}\n")
                if turn % 5 == 0:
                    manager.notify_session_completed(name)
                if turn % 3:
                    manager.unsubscribe(name, ws)
                manager.handle_client_disconnect(ws)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=live, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    wait_until(lambda: not manager.counts()["subscriptions"])
    assert_nothing_left(manager)
    for ws in clients.messages:
        [name] = {message["sessionName"] for message in clients.of(ws)}
        assert (tmp_path / f"{name}.out").read_text().startswith(clients.text(ws))
        assert clients.completions(ws) <= 1


def test_a_record_of_a_log_that_is_gone_completes_nobody(
    manager: LogStreamManager, clients: Recorder, log: Path
) -> None:
    """Who waits for the next one of its name gets that."""
    manager.notify_session_completed("a")
    log.unlink()
    manager.subscribe("a", "viewer", wait=True)
    assert clients.of("viewer") == []
    log.write_text("anew\n")
    wait_until(lambda: clients.text("viewer") == "anew\n")
    assert clients.completions("viewer") == 0


def test_a_send_that_fails_as_none_may_is_logged_and_its_client_gone(
    manager: LogStreamManager,
    clients: Recorder,
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug of the program's `send` has its traceback, and nobody else is affected."""

    def fail(ws: object, message: object) -> None:
        raise ValueError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(manager, "_send", fail)
        manager.subscribe("a", "viewer")
    assert "ValueError: broken" in caplog.text
    caplog.clear()  # the traceback that it keeps has the file in it
    assert_nothing_left(manager)
    manager.subscribe("a", "viewer")
    assert clients.text("viewer") == "first\n"


def test_a_log_that_another_process_has_a_lease_on_is_not_downloaded(
    manager: LogStreamManager, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be waited for there, so that is said."""

    def refuse(path: str) -> LogFile:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)

    monkeypatch.setattr(LogFile, "open", refuse)
    with pytest.raises(ProtocolError, match="locked by another process"):
        manager.open_log("a")

"""Tests of hearing of completions, by one who is told what a watcher is told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import pytest

from logstream import LogStreamManager
from logstream.engine import news as module
from logstream.engine.logfile import LogFile
from logstream.engine.news import News
from logstream.engine.watcher import Watcher

from ..recorder import Recorder
from ..serving import count_descriptors, count_watches, wait_until


class WatcherStub:
    """A watcher that wakes nobody, and knows what it would wake them for."""

    def __init__(self) -> None:
        self.followers: dict[object, object] = {}

    def follow(self, follower: object, file: object) -> None:
        """See `Watcher`."""
        self.followers[follower] = file

    def wake_again(self, follower: object) -> None:
        """See `Watcher`."""

    def forget(self, follower: object) -> None:
        """See `Watcher`."""
        self.followers.pop(follower, None)


@pytest.mark.parametrize("is_late", [True, False])
def test_a_wake_that_comes_late_brings_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_late: bool
) -> None:
    """Who wants to hear no more holds no file and is not woken, though a thread is just looking at the next file."""
    path = tmp_path / "news"
    path.write_text('"a"\n')
    watcher, wanted, told = WatcherStub(), [True], list[object]()
    news = News(str(path), cast(Watcher, watcher), lambda: bool(wanted), told.append)
    news.settle()
    assert list(watcher.followers) == [news]
    path.unlink()
    path.with_suffix(".new").write_text('"b"\n')
    path.with_suffix(".new").rename(path)
    looking, go_on = threading.Event(), threading.Event()
    stat_log = module.stat_log

    def look(path: str) -> Any:
        looking.set()
        assert go_on.wait(5)
        return stat_log(path)

    monkeypatch.setattr(module, "stat_log", look)
    waking = threading.Thread(target=news.wake)
    waking.start()
    assert looking.wait(5)
    if not is_late:
        go_on.set()
        wait_until(lambda: None in told[1:])
    wanted.clear()
    news.settle()
    go_on.set()
    waking.join()
    assert not watcher.followers
    assert news._watched is None


def test_the_next_file_is_watched_in_the_place_of_the_first(tmp_path: Path) -> None:
    """And its content is told of as what may be of anybody."""
    path = tmp_path / "news"
    path.write_text('"a"\n')
    watcher, told = WatcherStub(), list[object]()
    news = News(str(path), cast(Watcher, watcher), lambda: True, told.append)
    news.settle()
    first = watcher.followers[news]
    path.with_suffix(".new").write_text('"b"\n')
    path.with_suffix(".new").rename(path)
    news.wake()
    assert watcher.followers[news] is not first
    assert told == [None, None]
    with path.open("a") as file:
        file.write('"c"\n')
    news.wake()
    assert told == [None, None, ["c"]]


def test_two_wake_ups_at_once_tell_each_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another thread has read on meanwhile is not passed over, and nothing is lost."""
    path = tmp_path / "news"
    path.touch()
    told: list[str] = []
    news = News(str(path), cast(Watcher, WatcherStub()), lambda: True, lambda names: told.extend(names or []))
    news.settle()
    stat_log = module.stat_log
    of_both = ['"a"\n', '"a"\n"b"\n']

    def look_and_be_overtaken(path_of_news: str) -> Any:
        if of_both:
            path.write_text(of_both.pop(0))
            news.wake()
        return stat_log(path_of_news)

    monkeypatch.setattr(module, "stat_log", look_and_be_overtaken)
    news.wake()
    assert sorted(set(told)) == ["a", "b"]


@pytest.mark.parametrize("when", ["opening", "watching"])
def test_first_news_that_come_as_the_last_follower_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """No thread, watch or descriptor stays for them, and the next follower hears of what comes then."""
    before = threading.active_count(), count_descriptors(), count_watches()
    clients = Recorder()
    manager = LogStreamManager(clients.send, clients.offer, directory=tmp_path)
    other = LogStreamManager(clients.send, clients.offer, directory=tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.out").write_text("text\n")
    manager.subscribe("a", "viewer")
    news, left = manager._news, threading.Event()
    read_news, follow = news._open, manager._watcher.follow

    def leave() -> None:
        if not left.is_set():
            manager.unsubscribe("a", "viewer")
            left.set()

    def read_late() -> LogFile | None:
        file = read_news()
        leave()
        return file

    def follow_late(follower: Any, file: LogFile | None) -> None:
        if follower is news:
            leave()
        follow(follower, file)

    if when == "opening":
        monkeypatch.setattr(news, "_open", read_late)
    else:
        monkeypatch.setattr(manager._watcher, "follow", follow_late)
    other.notify_session_completed("b")
    assert left.wait(5)
    wait_until(lambda: (threading.active_count(), count_descriptors(), count_watches()) == before, 5)
    manager.subscribe("a", "viewer")
    other.notify_session_completed("a")
    wait_until(lambda: clients.completions("viewer") == 1, 5)
    manager.close()
    other.close()


def test_what_is_read_while_another_thread_reads_the_same_is_told_once(tmp_path: Path) -> None:
    """Who finds that another one has read on meanwhile goes on behind that."""
    path = tmp_path / "news"
    path.write_text("")
    told: list[str] = []
    news = News(str(path), Watcher(), lambda: True, lambda names: told.extend(names or []))
    news.settle()
    path.write_text('"a"\n')
    opened = news._open

    class Overtaken(LogFile):
        def read(self, offset: int, length: int) -> bytes:
            data = super().read(offset, length)
            news._open = opened  # type: ignore[method-assign]
            if not told:
                news.wake()
            return data

    news._open = lambda: Overtaken.open(str(path))  # type: ignore[method-assign]
    news.wake()
    assert told == ["a"]


def test_news_that_are_gone_or_strange_do_no_harm(tmp_path: Path) -> None:
    """Without the file nothing is told; of what is no list of names, that it may be any."""
    path = tmp_path / "news"
    path.write_text("")
    told: list[list[str] | None] = []
    news = News(str(path), Watcher(), lambda: True, told.append)
    news.settle()
    told.clear()
    path.unlink()
    news.wake()
    assert told == []
    assert news.seen is None
    path.write_text("")
    news.wake()
    told.clear()
    path.write_text("{\n")
    news.wake()
    assert told == [None]

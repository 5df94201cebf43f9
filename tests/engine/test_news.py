"""Tests of hearing from other processes which sessions are complete."""

from pathlib import Path

from logstream.engine.logfile import LogFile
from logstream.engine.news import News
from logstream.engine.watcher import Watcher

from ..serving import count_descriptors


def test_news_that_nobody_wants_any_more_hold_no_file(tmp_path: Path) -> None:
    """A wake-up that is under way when the last one who wants to hear leaves keeps nothing open."""
    path = tmp_path / "news"
    path.write_text('"a"\n')
    wanted = True
    before = count_descriptors()
    news = News(str(path), Watcher(), lambda: wanted, lambda names: None)
    news.settle()
    wanted = False
    news.settle()
    news.wake()
    assert count_descriptors() == before


def test_two_wake_ups_at_once_tell_each_name(tmp_path: Path) -> None:
    """What another thread has read on meanwhile is not passed over, and nothing is lost."""
    path = tmp_path / "news"
    path.write_text("")
    told: list[str] = []
    news = News(str(path), Watcher(), lambda: True, lambda names: told.extend(names or []))
    news.settle()
    opened = news._open
    news_of_both = ['"a"\n', '"a"\n"b"\n']

    def open_and_be_overtaken() -> object:
        file = opened()
        if news_of_both:
            path.write_text(news_of_both.pop(0))
            news.wake()
        return file

    news._open = open_and_be_overtaken  # type: ignore[method-assign, assignment]
    news.wake()
    assert sorted(set(told)) == ["a", "b"]


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

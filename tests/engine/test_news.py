"""Tests of hearing from other processes which sessions are complete."""

from pathlib import Path

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

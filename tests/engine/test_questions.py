"""Tests of asking many, of whom some do not answer."""

import threading
from collections.abc import Iterator

import pytest

from logstream.engine.questions import Questions

from ..serving import PATIENCE, wait_until
from ..stopwatch import Stopwatch


class Disk:
    """Says how long a name is, unless it is one of those that hang."""

    def __init__(self) -> None:
        self.hanging: set[str] = set()
        self.go_on = threading.Event()
        self.asked: list[str] = []

    def look(self, name: str) -> int:
        self.asked.append(name)
        if name in self.hanging:
            assert self.go_on.wait(PATIENCE)
        return len(name)


@pytest.fixture
def disk() -> Iterator[Disk]:
    """A disk that answers in the end."""
    disk = Disk()
    yield disk
    disk.go_on.set()


def test_all_who_answer_are_heard_once(disk: Disk) -> None:
    """Nobody is asked twice, and no thread is left."""
    before = threading.active_count()
    assert Questions(disk.look).ask(["a", "bb", "a", "ccc"]) == {"a": 1, "bb": 2, "ccc": 3}
    assert disk.asked == ["a", "bb", "ccc"]
    wait_until(lambda: threading.active_count() == before)


def test_where_nobody_is_to_be_asked_no_thread_is_started(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where there are no names, nor where all owe an answer."""
    disk.hanging = {"a"}
    questions = Questions(disk.look)
    assert questions.ask(["a"]) == {}
    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", started.append)
    assert questions.ask([]) == questions.ask(["a"]) == {}
    assert started == []


def test_who_does_not_answer_keeps_nobody_else(disk: Disk) -> None:
    """Nor is asked again before there is an answer; then it is as any other."""
    before = threading.active_count()
    disk.hanging = {"bb", "ccc"}
    questions = Questions(disk.look)
    assert questions.ask(["a", "bb", "ccc", "dddd"]) == {"a": 1, "dddd": 4}
    watch = Stopwatch()
    assert questions.ask(["a", "bb", "ccc", "dddd"]) == {"a": 1, "dddd": 4}
    assert watch.seconds() < 0.5
    assert disk.asked.count("bb") == 1
    disk.go_on.set()
    wait_until(lambda: questions.ask(["a", "bb", "ccc"]) == {"a": 1, "bb": 2, "ccc": 3})
    wait_until(lambda: threading.active_count() == before)


def test_so_many_may_be_silent_and_no_more(disk: Disk) -> None:
    """The rest are not asked: each that hangs holds a thread."""
    before = threading.active_count()
    names = [f"{number:03}" for number in range(60)]
    disk.hanging = set(names)
    questions = Questions(disk.look)
    assert questions.ask(names) == {}
    assert questions.ask([*names, "a"]) == {}
    assert threading.active_count() == before + 32
    disk.go_on.set()
    wait_until(lambda: len(questions.ask([*names, "a"])) == 61)


def test_without_a_thread_to_be_had_the_caller_asks(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has to wait for each, but gets the answers."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert Questions(disk.look).ask(["a", "bb"]) == {"a": 1, "bb": 2}

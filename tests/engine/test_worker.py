"""Tests of what is made on a thread of its own, which may hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator

import pytest

from logstream.engine import worker as module
from logstream.engine.worker import Hanging, HangsError, Worker

from ..serving import wait_until
from ..stopwatch import Stopwatch


@pytest.fixture
def hanging() -> Hanging:
    """Nothing hangs."""
    return Hanging()


@pytest.fixture
def worker(hanging: Hanging) -> Iterator[Worker[int]]:
    """One that leaves no thread behind."""
    worker: Worker[int] = Worker(hanging)
    yield worker
    worker.close()
    wait_until(lambda: not threads())


def threads() -> list[threading.Thread]:
    """Those of all workers."""
    return [thread for thread in threading.enumerate() if thread.name == "logstream-worker"]


def count(most: int) -> Callable[[Callable[[], None]], Generator[int]]:
    """Makes numbers."""

    def make(live: Callable[[], None]) -> Generator[int]:
        for number in range(most):
            live()
            yield number

    return make


def test_all_comes_in_order_from_one_thread(worker: Worker[int]) -> None:
    """However much is made for however many."""
    for most in (0, 1, 1000):
        assert list(worker.items("a", count(most))) == list(range(most))
    assert len(threads()) == 1


def test_an_error_comes_behind_what_was_made(worker: Worker[int]) -> None:
    """And the next thing is made as ever."""

    def fail(live: Callable[[], None]) -> Generator[int]:
        yield 1
        raise OSError("broken")

    items = worker.items("a", fail)
    assert next(items) == 1
    with pytest.raises(OSError, match="broken"):
        next(items)
    assert list(worker.items("a", count(2))) == [0, 1]


def test_what_is_made_is_not_held_back_for_what_is_not(worker: Worker[int]) -> None:
    """With the next sign of life the owner has it, long before the end."""
    had = threading.Event()

    def make(live: Callable[[], None]) -> Generator[int]:
        yield 1
        while not had.wait(0.02):
            live()
        yield 2

    items = worker.items("a", make)
    assert next(items) == 1
    had.set()
    assert list(items) == [2]


def test_who_does_not_take_what_is_made_has_no_more_made(worker: Worker[int]) -> None:
    """And the maker ends with who has asked, though it waits for room."""
    made = 0
    is_closed = threading.Event()

    def make(live: Callable[[], None]) -> Generator[int]:
        nonlocal made
        try:
            while True:
                made += 1
                yield made
        finally:
            is_closed.set()

    items = worker.items("a", make)
    assert next(items) == 1
    before = -1
    while made != before:
        before = made
        time.sleep(0.05)
    assert made <= (module._AHEAD + 2) * module._BATCH
    items.close()
    assert is_closed.wait(5)
    assert list(worker.items("a", count(2))) == [0, 1]


def test_what_hangs_is_left_alone_until_it_comes_back(
    worker: Worker[int], hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits is told, who asks again at once; others are served, and this one too when it has come back."""
    answer = threading.Event()

    def hang(live: Callable[[], None]) -> Generator[int]:
        yield 1
        answer.wait()
        yield 2

    items = worker.items("a", hang)
    with monkeypatch.context() as patch, pytest.raises(HangsError):
        patch.setattr(module, "PATIENCE", 0.3)
        list(items)
    assert list(worker.items("b", count(2))) == [0, 1]
    watch = Stopwatch()
    with pytest.raises(HangsError):
        list(worker.items("a", count(2)))
    assert watch.seconds() < module._IMPATIENCE / 2
    answer.set()
    wait_until(lambda: "a" not in hanging)
    assert list(worker.items("a", count(2))) == [0, 1]


def test_what_hangs_is_known_to_hang_though_another_one_of_its_name_comes_back(
    worker: Worker[int], hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were begun before anybody knew."""
    answer = threading.Event()

    def hang(live: Callable[[], None]) -> Generator[int]:
        answer.wait()
        yield 1

    other: Worker[int] = Worker(hanging)
    begun = other.items("a", count(1000))
    next(begun)
    with monkeypatch.context() as patch, pytest.raises(HangsError):
        patch.setattr(module, "PATIENCE", 0.3)
        list(worker.items("a", hang))
    assert len(list(begun)) == 999
    other.close()
    wait_until(lambda: len(threads()) == 1)
    assert "a" in hanging
    answer.set()
    wait_until(lambda: "a" not in hanging)


def test_so_many_may_hang(worker: Worker[int], hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds a thread, so no more is asked for until some have come back; and those are waited for less long."""
    monkeypatch.setattr(module, "_MOST", 3)
    answer = threading.Event()

    def hang(live: Callable[[], None]) -> Generator[int]:
        answer.wait()
        yield 1

    for name in "abcd":
        with monkeypatch.context() as patch, pytest.raises(HangsError):
            patch.setattr(module, "PATIENCE", 0.3)
            patch.setattr(module, "_IMPATIENCE", 0.1)
            list(worker.items(name, hang))
    assert "c" in hanging and "d" not in hanging
    assert len(threads()) == 3
    answer.set()
    wait_until(lambda: hanging.patience == module.PATIENCE)
    assert list(worker.items("d", count(2))) == [0, 1]


def test_who_works_long_and_shows_it_does_not_hang(worker: Worker[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign of life is as good as an item."""
    monkeypatch.setattr(module, "PATIENCE", 1.0)

    def make(live: Callable[[], None]) -> Generator[int]:
        until = time.monotonic() + 2
        while time.monotonic() < until:
            live()
            time.sleep(0.01)
        yield 1

    assert list(worker.items("a", make)) == [1]


def test_without_a_thread_the_owner_makes_it(worker: Worker[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is refused for want of one."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert list(worker.items("a", count(3))) == [0, 1, 2]
    assert list(worker.items("a", count(3))) == [0, 1, 2]

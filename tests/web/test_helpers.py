"""Tests of the threads for what may hang."""

import threading

import pytest

from logstream.web.helpers import Helpers

from ..serving import PATIENCE, wait_until


def test_one_thread_does_what_comes_one_after_the_other() -> None:
    """It is kept for a moment, and ends by itself."""
    before = threading.active_count()
    helpers = Helpers(3)
    assert threading.active_count() == before
    threads = set()
    for _ in range(20):
        done = threading.Event()
        assert helpers.run(lambda done=done: (threads.add(threading.get_ident()), done.set()))
        assert done.wait(PATIENCE)
        wait_until(lambda: helpers._idle)
    assert len(threads) == 1
    wait_until(lambda: threading.active_count() == before)
    assert helpers.run(lambda: None)  # another one


def test_so_many_hang_and_no_more() -> None:
    """Whoever asks for another one is told that there is none; and who comes back is there again."""
    helpers = Helpers(3)
    go_on = threading.Event()
    assert [helpers.run(go_on.wait) for _ in range(5)] == [True] * 3 + [False] * 2
    go_on.set()
    wait_until(lambda: helpers.run(lambda: None))


def test_without_a_thread_to_be_had_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and the places are there when there are threads again."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    helpers = Helpers(1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert not helpers.run(lambda: None)
    assert helpers.run(lambda: None)


def test_a_task_at_the_last_moment_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is about to end does it."""
    monkeypatch.setattr("logstream.web.helpers._LINGER", 0.0)
    helpers = Helpers(1)
    done = 0

    def count() -> None:
        nonlocal done
        done += 1

    given = 0
    while given < 500:
        given += helpers.run(count)
    wait_until(lambda: done == 500)


def test_a_task_that_fails_is_told_and_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    """It is a bug."""
    helpers = Helpers(1)
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise ValueError("broken")

    assert helpers.run(fail)
    assert failed.wait(PATIENCE)
    done = threading.Event()
    wait_until(lambda: helpers.run(done.set))
    assert done.wait(PATIENCE)
    assert "ValueError: broken" in caplog.text

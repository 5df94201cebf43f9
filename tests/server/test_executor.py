"""Tests of the threads that connections are served on."""

import logging
import threading

import pytest

from logstream.ratelimit import RateLimitedLog
from logstream.server.executor import ThreadPerTask


def fail() -> None:
    """A task that ends as badly as can be."""
    raise SystemExit(3)


def test_a_task_s_error_is_its_future_s() -> None:
    """Whatever it is: gunicorn closes the connection, and nothing is printed."""
    executor = ThreadPerTask(RateLimitedLog(logging.getLogger("test")))
    assert executor.submit(sum, (1, 2)).result(5) == 3
    assert isinstance(executor.submit(fail).exception(5), SystemExit)


def test_without_a_thread_the_future_says_so(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """And the operator reads it."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    future = ThreadPerTask(RateLimitedLog(logging.getLogger("test"))).submit(fail)
    assert isinstance(future.exception(0), RuntimeError)
    assert "no thread is to be had" in caplog.text

"""Tests of sending signals."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask, current_app

from logstream import session_completed
from logstream.web import announcer as announcer_module
from logstream.web.announcer import Announcer

from ..serving import wait_until


class Receiver:
    """What one app is told, as long as this is there."""

    def __init__(self, app: Flask) -> None:
        self.told: list[tuple[str, object]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        session_completed.connect(self._complete, sender=app)

    def _complete(self, sender: Flask, session_name: str, exit_status: int | None) -> None:
        assert current_app == sender
        self.go_on.wait()
        if session_name == "bad":
            raise ValueError("no")
        self.told.append((session_name, exit_status))


@pytest.fixture
def app() -> Flask:
    """An app of the test's own."""
    return Flask("app")


@pytest.fixture
def receiver(app: Flask) -> Iterator[Receiver]:
    """One that is connected."""
    made = Receiver(app)
    yield made
    made.go_on.set()
    session_completed.disconnect(made._complete, sender=app)


def test_only_who_is_connected_costs_a_thread(app: Flask) -> None:
    """And only for the signal that it wants to hear."""
    announcer = Announcer(app)
    assert not announcer.has_receivers()
    announcer.completed("a", 0)
    assert announcer._thread is None
    receiver = Receiver(app)
    assert announcer.has_receivers()
    assert not Announcer(Flask("other")).has_receivers()
    announcer.started("a")
    assert announcer._thread is None
    announcer.completed("a", 0)
    wait_until(lambda: receiver.told == [("a", 0)] and announcer._thread is None)
    session_completed.disconnect(receiver._complete, sender=app)


def test_a_receiver_that_takes_its_time_blocks_nobody(
    app: Flask, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What follows waits in order; where it is too much, it is lost, which is said once."""
    monkeypatch.setattr(announcer_module, "_MOST_WAITING", 5)
    receiver.go_on.clear()
    announcer = Announcer(app)
    announcer.completed("first", None)
    wait_until(lambda: not announcer._waiting)
    for number in range(10):
        announcer.completed(str(number), number)
    assert len(caplog.records) == 1
    receiver.go_on.set()
    wait_until(lambda: announcer._thread is None)
    assert receiver.told == [("first", None), *((str(number), number) for number in range(5))]


def test_what_is_raised_is_logged_with_a_traceback(
    app: Flask, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """The next signal is sent all the same."""
    announcer = Announcer(app)
    announcer.completed("bad", None)
    announcer.completed("good", None)
    wait_until(lambda: announcer._thread is None)
    assert receiver.told == [("good", None)]
    assert [bool(record.exc_info) for record in caplog.records] == [True]


def test_without_a_thread_a_signal_waits_for_the_next_one(
    app: Flask, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is lost."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    announcer = Announcer(app)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        announcer.completed("a", None)
    announcer.completed("b", None)
    wait_until(lambda: receiver.told == [("a", None), ("b", None)])

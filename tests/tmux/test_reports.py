"""Tests of telling which sessions are complete, where some of these reports do not come back."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from logstream.tmux.reports import Reports

from ..serving import wait_until


class Told:
    """What was reported; reports of sessions whose name begins with `stuck` wait."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.ended = 0
        self.go_on = threading.Event()
        self.reports = Reports(self._carry_out, self._end)

    def _carry_out(self, name: str, exit_status: int | None) -> None:
        if name.startswith("stuck"):
            self.go_on.wait()
        if name.startswith("bad"):
            raise ValueError("no")
        self.names.append(name)

    def _end(self) -> None:
        self.ended += 1


@pytest.fixture
def told() -> Iterator[Told]:
    """All threads end when those that are stuck may go on."""
    made = Told()
    yield made
    made.go_on.set()


def test_a_report_that_is_stuck_holds_up_no_other(told: Told) -> None:
    """Neither of the same device, nor where a whole device does not answer; and it is made when it does."""
    told.reports.add("stuck", None, 1)
    told.reports.add("a", None, 1)
    wait_until(lambda: told.names == ["a"])
    for number in range(100):
        told.reports.add(f"stuck {number}", None, 1)
    threads = sum(thread.name == "logstream-report" for thread in threading.enumerate())
    told.reports.add("b", 0, 2)
    wait_until(lambda: told.names == ["a", "b"])
    assert threads <= 8
    told.reports.await_all(0.01)
    told.go_on.set()
    told.reports.await_all(10)
    assert len(told.names) == 103
    wait_until(lambda: told.ended == 103)
    assert sorted(told.reports.done()) == sorted(told.names)
    assert told.reports.done() == []


def test_a_report_is_made_once_at_a_time_and_its_failure_is_told(told: Told) -> None:
    """A session that is added while its report is under way is not reported twice."""
    for name in ("stuck", "stuck", "bad"):
        told.reports.add(name, None, None)
    wait_until(lambda: told.ended == 1)
    assert (told.reports.failed(), told.reports.done()) == (["bad"], [])
    told.go_on.set()
    told.reports.await_all(10)
    assert told.names == ["stuck"]


def test_without_a_thread_a_report_has_failed(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it is tried again."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        told.reports.add("a", None, 1)
    assert told.reports.failed() == ["a"]
    told.reports.add("a", None, 1)
    wait_until(lambda: told.names == ["a"])


def test_nothing_is_begun_once_closed(told: Told) -> None:
    """What is under way ends by itself."""
    told.reports.close()
    told.reports.add("a", None, None)
    told.reports.await_all(0.01)
    assert told.names == []

"""Tests of who looks at what may be stuck."""

import threading
from collections.abc import Iterator

import pytest

from logstream.engine.monitor import Monitor

from ..serving import wait_until


class Counted:
    """What wants so many looks."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def look(self) -> bool:
        self.left -= 1
        return self.left > 0


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    """A monitor that is closed in the end."""
    monitor = Monitor()
    yield monitor
    monitor.close()


def test_each_is_looked_at_as_long_as_it_wants(monitor: Monitor) -> None:
    """By one thread, which ends with the last, and comes back for another one."""
    before = threading.active_count()
    for _ in range(2):
        short, long = Counted(1), Counted(3)
        monitor.add(short)
        monitor.add(long)
        assert threading.active_count() == before + 1
        wait_until(lambda: threading.active_count() == before)
        assert (short.left, long.left) == (0, 0)


def test_one_that_is_added_while_it_is_looked_at_for_the_last_time_is_looked_at_again(monitor: Monitor) -> None:
    """It has begun anew by then."""
    looks: list[int] = []

    class Again:
        def look(self) -> bool:
            looks.append(1)
            if len(looks) == 1:
                monitor.add(self)
            return False

    again = Again()
    monitor.add(again)
    wait_until(lambda: len(looks) == 2)


def test_a_thread_that_is_not_to_be_had_costs_nothing_but_the_look(
    monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one that is added has both looked at."""
    one, other = Counted(1), Counted(1)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        monitor.add(one)
    monitor.add(other)
    wait_until(lambda: (one.left, other.left) == (0, 0))


def test_a_closed_one_has_no_thread(monitor: Monitor) -> None:
    """Nor begins another."""
    before = threading.active_count()
    monitor.add(Counted(10**9))
    monitor.close()
    assert threading.active_count() == before
    monitor.add(Counted(1))
    assert threading.active_count() == before

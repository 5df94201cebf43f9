"""Tests of work in slices."""

import time

import pytest

from logstream.engine import pacing
from logstream.engine.pacing import Pace


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each rest is, in seconds, which takes no time here."""
    rests: list[float] = []
    monkeypatch.setattr(pacing.time, "sleep", rests.append)
    return rests


def work(seconds: float) -> None:
    """Be busy for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pass


def test_what_is_short_is_not_delayed(rests: list[float]) -> None:
    """Rounds that come to less than a slice are done at once."""
    with Pace().work() as rest:
        rest()
    assert not rests


def test_a_slice_is_followed_by_a_longer_rest(rests: list[float]) -> None:
    """Each slice of work costs a rest that is longer than the slice, and the more workers, the longer."""
    pace = Pace()
    with pace.work() as rest:
        work(0.01)
        rest()
        with pace.work():
            work(0.01)
            rest()
    assert rests[0] > 0.01
    assert rests[1] > 1.5 * 0.02


def test_who_has_waited_for_a_disk_does_not_wait_as_long_again(
    rests: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hung for a minute is no work, and costs no rest of two."""
    now = [0.0]
    monkeypatch.setattr(pacing.time, "monotonic", lambda: now[0])
    with Pace().work() as rest:
        now[0] += 60.0
        rest()
    assert 0 < rests[0] <= 0.5

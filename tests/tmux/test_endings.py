"""Tests of when a log is complete whose session is over."""

from __future__ import annotations

from logstream.tmux.endings import Contest, Ending, Verdict
from logstream.tmux.logs import State


def state(size: int, inode: int = 1) -> State:
    """A log of so many bytes."""
    return State(1, inode, size, size)


def judge(first: State | None, *later: State | None, step: float = 0.25) -> list[Verdict]:
    """What is found of a log that has these states, one after the other."""
    ending = Ending(first, 100.0)
    return [ending.judge(each, 100.0 + step * number) for number, each in enumerate(later, 1)]


def test_a_log_is_complete_when_nothing_more_comes() -> None:
    """Half a second after the end, or after the last of what was on its way; so is one that is not there."""
    assert judge(state(1), state(1), state(1)) == [Verdict.OPEN, Verdict.COMPLETE]
    assert judge(state(1), state(2), state(2), state(2)) == [Verdict.OPEN, Verdict.OPEN, Verdict.COMPLETE]
    assert judge(None, None, None) == [Verdict.OPEN, Verdict.COMPLETE]
    assert judge(state(1), None, None) == [Verdict.OPEN, Verdict.COMPLETE]
    assert judge(None, state(1), state(1), state(1)) == [Verdict.OPEN, Verdict.OPEN, Verdict.COMPLETE]


def test_a_log_that_goes_on_is_in_use() -> None:
    """After five seconds of it, whatever wrote it before is not the one who does."""
    states = [state(number) for number in range(2, 40)]
    verdicts = judge(state(1), *states)
    assert verdicts.index(Verdict.IN_USE) == 19
    assert Verdict.COMPLETE not in verdicts


def test_a_log_that_begins_again_is_in_use() -> None:
    """Shorter, or another file, at once; also after it had been away."""
    for again in (state(1), state(9, inode=2)):
        assert judge(state(2), again) == [Verdict.IN_USE]
        assert judge(state(2), None, again) == [Verdict.OPEN, Verdict.IN_USE]


def test_of_several_logs_it_is_the_one_that_is_not_written_to_later() -> None:
    """Two seconds are left for last words; what is written then tells that it is somebody else's log."""
    contest = Contest({"a": state(1), "b": state(1), "c": None}, 100.0)
    contest.look({"a": state(2), "b": state(1), "c": None}, 101.0)
    assert contest.names() == {"a", "b", "c"}
    contest.look({"a": state(2), "b": state(2), "c": None}, 103.0)
    assert contest.names() == {"a", "c"}
    contest.look({"a": state(2), "c": state(1)}, 1000.0)
    assert contest.names() == {"a"}

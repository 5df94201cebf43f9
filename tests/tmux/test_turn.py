"""Tests of whose turn it is to ask tmux, with locks of real processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from logstream.engine.state import StateDirectory
from logstream.tmux.turn import Turn

from ..serving import count_descriptors, wait_until

HOLDER = """
import sys
from logstream.engine.state import StateDirectory
from logstream.tmux.turn import Turn
turn = Turn(StateDirectory(sys.argv[1]), "lock")
print(turn.take(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[Turn]:
    """This process's, in a place that others see; no descriptor is left of it."""
    descriptors = count_descriptors()
    made = Turn(StateDirectory(str(tmp_path / "state")), "lock")
    yield made
    made.give_up()
    assert count_descriptors() == descriptors


def test_another_process_has_its_turn_when_the_holder_is_killed(turn: Turn, tmp_path: Path) -> None:
    """The kernel gives the lock up, however a process ends; until then nobody else has it."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "state")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        assert not turn.take()
        holder.kill()
        wait_until(turn.take)
    assert turn.take()


def test_who_gives_up_lets_another_one_have_it(turn: Turn, tmp_path: Path) -> None:
    """Also within a process; and who asked last is known to both."""
    other = Turn(StateDirectory(str(tmp_path / "state")), "lock")
    assert turn.asked_ago() == float("inf")
    assert turn.take()
    assert not other.take()
    assert other.asked_ago() == float("inf")
    turn.note_asked()
    assert other.asked_ago() < 5
    turn.give_up()
    assert other.take()
    assert not turn.take()
    other.give_up()


def test_a_lock_that_somebody_has_tidied_away_is_made_again(turn: Turn, tmp_path: Path) -> None:
    """Or two would hold one that the other cannot see, for good."""
    assert turn.take()
    (tmp_path / "state" / "lock").unlink()
    other = Turn(StateDirectory(str(tmp_path / "state")), "lock")
    assert other.take()
    assert not turn.take()
    other.give_up()
    assert turn.take()


def test_where_there_is_no_lock_each_asks_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a place that cannot be made or that is not ours alone, on a file system without locks, and with no place."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for place in (str(tmp_path / "none" / "none"), str(tmp_path / "open")):
        turn = Turn(StateDirectory(place), "lock")
        assert turn.take()
        assert not turn.is_shared
        turn.note_asked()
        assert turn.asked_ago() < 5
    assert Turn(None, "lock").take()

    def refuse(fd: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    turn = Turn(StateDirectory(str(tmp_path / "state")), "lock")
    assert turn.take()
    assert not turn.is_shared

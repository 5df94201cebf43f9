"""Tests of whose session it is, with real sessions that could be two logs'."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logstream.tmux.logs import Logs
from logstream.tmux.ownership import Ownership
from logstream.tmux.server import ask
from logstream.tmux.sightings import Sighting

from ..serving import wait_until
from .tmuxserver import TmuxServer, needs_tmux

pytestmark = needs_tmux


@pytest.fixture
def dotted(tmp_path: Path) -> Path:
    """The log of `a.b`."""
    return tmp_path / "a.b.out"


@pytest.fixture
def underscored(tmp_path: Path) -> Path:
    """The log of `a_b`."""
    return tmp_path / "a_b.out"


def sighting(tmux: TmuxServer) -> Sighting:
    """The one session that there is."""
    answer = ask(tmux.socket)
    (session,) = answer.sessions.values()
    return Sighting(answer.server, session)


def contenders(tmux: TmuxServer, directory: Path) -> tuple[set[str], set[str]]:
    """Whose the session can be, from the view of either log, after a look."""
    ownership = Ownership(Logs(str(directory), ".out"))
    seen = sighting(tmux)
    ownership.observe([("a.b", seen), ("a_b", seen)])
    return ownership.contenders("a.b", seen), ownership.contenders("a_b", seen)


def test_a_log_with_no_rival_is_its_session_s(tmux: TmuxServer, tmp_path: Path, dotted: Path) -> None:
    """Whatever its age, and even where it is not there."""
    tmux.begin("a.b")
    ownership = Ownership(Logs(str(tmp_path), ".out"))
    for _ in range(2):
        assert ownership.contenders("a.b", sighting(tmux)) == {"a.b"}
        dotted.touch()
        os.utime(dotted, (1, 1))


def test_a_log_that_is_not_there_is_no_rival(tmux: TmuxServer, tmp_path: Path, underscored: Path) -> None:
    """Though somebody waits for it; nor is it complete where the other one is."""
    underscored.touch()
    os.utime(underscored, (1, 1))
    tmux.begin("a_b")
    assert contenders(tmux, tmp_path)[1] == {"a_b"}
    os.utime(underscored)
    assert contenders(tmux, tmp_path) == ({"a_b"}, {"a_b"})


@pytest.mark.parametrize("command", ["exec sleep 60 >> {}", "script -qfc 'sleep 60' {}", "sleep 60 | tee -a {}"])
def test_a_log_that_the_session_holds_open_is_its_own(
    tmux: TmuxServer, tmp_path: Path, dotted: Path, underscored: Path, command: str
) -> None:
    """Of `a.b` and `a_b`, it is the one that a process in it writes; from either log's view."""
    for mine, other, name in ((dotted, underscored, "a.b"), (underscored, dotted, "a_b")):
        mine.touch()
        other.touch()
        tmux.begin(name, command.format(mine))
        wait_until(lambda: contenders(tmux, tmp_path) == ({name}, {name}))
        server = ask(tmux.socket).server
        tmux.run("kill-server")
        wait_until(server.is_gone)


def test_a_log_that_the_session_names_is_its_own(
    tmux: TmuxServer, tmp_path: Path, dotted: Path, underscored: Path
) -> None:
    """Where it is opened for each line."""
    dotted.touch()
    underscored.touch()
    tmux.begin("a.b", f"while sleep 0.1; do echo line >> {dotted}; done")
    assert contenders(tmux, tmp_path) == ({"a.b"}, {"a.b"})


def test_a_log_that_is_older_than_the_session_is_not_its_own(
    tmux: TmuxServer, tmp_path: Path, dotted: Path, underscored: Path
) -> None:
    """Where nothing else is known, those count that were written since; all, or none, may be."""
    tmux.begin("a.b")
    dotted.touch()
    underscored.touch()
    os.utime(underscored, (1, 1))
    assert contenders(tmux, tmp_path) == ({"a.b"}, {"a.b"})
    begun = sighting(tmux).session.created
    os.utime(dotted, (begun - 0.001, begun - 0.001))  # made for it, just before it began
    assert contenders(tmux, tmp_path) == ({"a.b"}, {"a.b"})
    os.utime(underscored)
    assert contenders(tmux, tmp_path) == ({"a.b", "a_b"}, {"a.b", "a_b"})
    os.utime(dotted, (1, 1))
    os.utime(underscored, (1, 1))
    assert contenders(tmux, tmp_path) == (set(), set())


def test_a_log_that_is_written_as_its_session_begins_is_its_own(
    tmux: TmuxServer, tmp_path: Path, dotted: Path, underscored: Path
) -> None:
    """Its time comes from a clock that may be a tick behind the one that tmux looks at."""
    tmux.begin("a.b")
    begun = sighting(tmux).session.created * 1_000_000_000
    for path, changed in ((dotted, begun - 9_000_000), (underscored, begun - 11_000_000)):
        path.touch()
        os.utime(path, ns=(changed, changed))
    assert contenders(tmux, tmp_path) == ({"a.b"}, {"a.b"})


def test_what_is_no_session_s_any_more_is_forgotten(
    tmux: TmuxServer, tmp_path: Path, dotted: Path, underscored: Path
) -> None:
    """Nothing grows with the sessions that come and go."""
    dotted.touch()
    underscored.touch()
    ownership = Ownership(Logs(str(tmp_path), ".out"))
    tmux.begin("a.b")
    ownership.observe([("a.b", sighting(tmux))])
    assert len(ownership._evidence) == 1
    ownership.observe([])
    assert len(ownership._evidence) == 0

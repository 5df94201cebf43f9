"""Tests of the list of sessions."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from logstream.engine.sessions import list_sessions

from ..serving import AS_ANYONE, ROOT


def test_a_directory_that_is_not_there_has_no_sessions(tmp_path: Path) -> None:
    """It may come later."""
    assert list_sessions(str(tmp_path / "logs"), ".out") == []
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.out").touch()
    assert [session.name for session in list_sessions(str(tmp_path / "logs"), ".out")] == ["a"]


@pytest.mark.parametrize(("mode", "listed"), [(0o700, ["a"]), (0o500, ["a"]), (0, None), (0o100, None), (0o600, None)])
def test_a_directory_that_cannot_be_read_is_an_error(tmp_path: Path, mode: int, listed: list[str] | None) -> None:
    """It is not one without sessions: neither where its names are hidden, nor where what they stand for is."""
    directory = tmp_path / "logs"
    directory.mkdir()
    (directory / "a.out").touch()
    (directory / "a.out").chmod(0)  # a log that cannot be read is a session all the same
    directory.chmod(mode)
    program = f"""
import json
from logstream.engine.sessions import directory_problem, list_sessions
try:
    names = [session.name for session in list_sessions({str(directory)!r}, ".out")]
except PermissionError:
    names = None
print(json.dumps([names, directory_problem({str(directory)!r})]))
"""
    ran = subprocess.run(
        [*AS_ANYONE, sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=20
    )
    problem = None if listed else "The directory of the logs cannot be read: Permission denied."
    assert json.loads(ran.stdout) == [listed, problem]
    directory.chmod(0o700)

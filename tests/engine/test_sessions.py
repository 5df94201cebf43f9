"""Tests of the list of sessions."""

from pathlib import Path

from logstream.engine.sessions import list_sessions


def test_a_directory_that_is_not_there_has_no_sessions(tmp_path: Path) -> None:
    """It may come later."""
    assert list_sessions(str(tmp_path / "logs"), ".out") == []
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.out").touch()
    assert [session.name for session in list_sessions(str(tmp_path / "logs"), ".out")] == ["a"]

"""Tests of whom the logs' directory belongs to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logstream.web.directory import why_not_to_trust

from ..serving import AS_ANYONE, Starting, wait_until
from ..viewer import Viewer

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")


@pytest.mark.parametrize(("mode", "trusted"), [(0o755, True), (0o775, True), (0o1777, True), (0o777, False)])
def test_whoever_may_write_may_put_logs_in_anothers_place(tmp_path: Path, mode: int, trusted: bool) -> None:
    """A directory that everyone may write to needs the sticky bit."""
    tmp_path.chmod(mode)
    assert (why_not_to_trust(str(tmp_path)) is None) == trusted


def test_what_is_not_there_is_nobodys(tmp_path: Path) -> None:
    """There is nothing to say yet of a directory that is waited for."""
    assert why_not_to_trust(str(tmp_path / "later")) is None
    (tmp_path / "file").touch()
    assert why_not_to_trust(str(tmp_path / "file" / "later")) is None


@AS_ROOT
@pytest.mark.parametrize("part", ["directory", "link", "what it leads to"])
def test_a_directory_of_somebody_elses_is_not_to_be_trusted(tmp_path: Path, part: str) -> None:
    """Neither as it is, nor by a link that somebody else has made, or that leads to somebody else's."""
    directory, link = tmp_path / "directory", tmp_path / "link"
    directory.mkdir()
    link.symlink_to(directory)
    assert why_not_to_trust(str(link)) is None
    os.chown(link if part == "link" else directory, 12345, -1, follow_symlinks=False)
    reason = why_not_to_trust(str(directory if part == "directory" else link))
    assert reason is not None
    assert "12345" in reason


@pytest.mark.parametrize("when", ["at the start", "later"])
def test_the_operator_is_told_once(start: Starting, tmp_path: Path, when: str) -> None:
    """One line, when the server starts or when the directory appears, and all works nevertheless."""
    directory = tmp_path / "logs"
    if when == "at the start":
        directory.mkdir()
        directory.chmod(0o777)
    server = start("gunicorn", LOGSTREAM_DIRECTORY=str(directory))
    if when == "later":
        assert "LOGSTREAM_DIRECTORY" not in server.output()
        directory.mkdir()
        directory.chmod(0o777)
    (directory / "a.out").write_text("text")
    with Viewer(server.port) as viewer:
        for _ in range(3):
            viewer.subscribe("a")
            assert viewer.receive()["data"] == "text"
    assert server.stop().count("LOGSTREAM_DIRECTORY") == 1


@pytest.mark.parametrize("mode", [0, 0o600])
def test_a_directory_that_cannot_be_read_is_said_to_everyone(start: Starting, mode: int) -> None:
    """To the operator at the start, and to whoever lists, searches or follows: without its path, and not as empty."""
    server = start("gunicorn", prefix=AS_ANYONE)
    server.log("a").write_text("text")
    server.stop()
    server.directory.chmod(mode)
    sentence = "The directory of the logs cannot be read: Permission denied."
    try:
        server = start("gunicorn", prefix=AS_ANYONE)
        wait_until(lambda: f"{server.directory} is LOGSTREAM_DIRECTORY: {sentence}" in server.output())
        for path in ("/sessions", "/search?q=a", "/sessions/a"):
            assert server.request(path, headers={"Accept": "application/json"}) == (503, f"{sentence}\n"), path
        assert server.request("/sessions/a/raw") == (404, f"{sentence}\n")
        with Viewer(server.port) as viewer:
            for name in ("a", "nosuch"):
                viewer.subscribe(name, wait=True)
                assert viewer.receive() == {"type": "logs:error", "sessionName": name, "error": sentence}
    finally:
        server.directory.chmod(0o700)
    assert server.request("/sessions/a/raw") == (200, "text")

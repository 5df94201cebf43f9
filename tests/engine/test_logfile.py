"""Tests of opening log files, and of when they are closed."""

import os
import resource
import threading
from pathlib import Path

import pytest

from logstream.engine.logfile import LogFile, NotALogError, stat_log

from ..serving import count_descriptors


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log."""
    return tmp_path / "a.out"


def test_a_missing_file_is_not_found(path: Path) -> None:
    """Neither a file nor a directory that is missing can be opened."""
    for missing in (path, path / "deeper"):
        with pytest.raises(FileNotFoundError):
            LogFile.open(str(missing))
    path.touch()
    with pytest.raises(FileNotFoundError):
        LogFile.open(str(path / "below-a-file"))


def test_only_a_regular_file_is_opened_and_nothing_hangs(path: Path) -> None:
    """A directory, a pipe that nobody writes to, a device and a link are refused at once."""
    directory, pipe, link, loop = (path.with_name(name) for name in ("directory", "pipe", "link", "loop"))
    directory.mkdir()
    os.mkfifo(pipe)
    path.touch()
    link.symlink_to(path)
    loop.symlink_to(loop)
    for not_a_log in (directory, pipe, link, loop, Path("/dev/null")):
        with pytest.raises(NotALogError):
            LogFile.open(str(not_a_log))
        assert stat_log(str(not_a_log)) is None


def test_a_link_that_takes_the_files_place_is_not_followed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is swapped in between the look and the open is refused too."""
    path.symlink_to("/etc/passwd")
    monkeypatch.setattr("logstream.engine.logfile.os.lstat", os.stat)  # as if it had been a file when looked at
    with pytest.raises(OSError, match="symbolic links"):
        LogFile.open(str(path))


def test_a_file_that_vanishes_after_the_look_is_not_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the open the file may go."""
    path.touch()
    found = path.lstat()
    path.unlink()
    monkeypatch.setattr("logstream.engine.logfile.os.lstat", lambda _: found)
    with pytest.raises(FileNotFoundError):
        LogFile.open(str(path))


def test_a_pipe_that_takes_the_files_place_does_not_hang(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the open a pipe may come, whose opening would wait for a writer."""
    path.touch()
    found = path.lstat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr("logstream.engine.logfile.os.lstat", lambda _: found)
    before = count_descriptors()
    with pytest.raises(NotALogError):
        LogFile.open(str(path))
    assert count_descriptors() == before


def test_the_last_descriptors_are_not_for_logs(path: Path) -> None:
    """Opening fails before the process has none left, and works again as soon as it has."""
    path.touch()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held: list[LogFile] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (count_descriptors() + 60, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                held.append(LogFile.open(str(path)))
        others = [os.dup(0) for _ in range(8)]
        for other in others:
            os.close(other)
        held.pop()
        held.append(LogFile.open(str(path)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        held.clear()


def test_a_file_is_closed_with_the_last_reference_to_it(path: Path) -> None:
    """The descriptor lives as long as anyone can read from it, on whatever thread, and no longer."""
    path.write_bytes(b"text")
    before = count_descriptors()
    file = LogFile.open(str(path))
    held = [[file] for _ in range(200)]
    threads = [threading.Thread(target=holder.clear) for holder in held]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count_descriptors() == before + 1
    assert file.read(0, 10) == b"text"
    del file
    assert count_descriptors() == before

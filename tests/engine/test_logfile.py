"""Tests of opening log files, and of when they are closed."""

import os
import resource
import threading
from pathlib import Path

import pytest

from logstream.engine.logfile import LogFile, NotALogError, look

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
        assert look(str(not_a_log)) is None


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
        held.pop().close()
        held.append(LogFile.open(str(path)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for file in held:
            file.close()


def test_a_file_is_closed_with_its_last_holder(path: Path) -> None:
    """The descriptor lives until everyone who shares it has closed it."""
    path.write_bytes(b"text")
    file = LogFile.open(str(path))
    other = file.share()
    file.close()
    assert other.read(0, 10) == b"text"
    other.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        other.size()


def test_sharing_from_many_threads_closes_once(path: Path) -> None:
    """Holders may come and go on any thread."""
    path.write_bytes(b"x")
    file = LogFile.open(str(path))
    shares = [file.share() for _ in range(200)]
    threads = [threading.Thread(target=share.close) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.size() == 1
    file.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.size()

"""The copies on the disk."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstream import ConfigurationError
from logstream.engine.logfile import LogFile
from logstream.engine.reading import place_of
from logstream.fleet.spool import Spool

MOST = 1_000_000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty spool."""
    spool = Spool(str(tmp_path / "spool"), ".out")
    spool.prepare()
    return spool


def test_spool_is_made_for_its_user_only(spool: Spool) -> None:
    """Logs of other machines are not everybody's on this one."""
    assert stat.S_IMODE(os.stat(spool.directory).st_mode) == 0o700
    spool.prepare()


def test_directory_with_logs_of_its_own_is_no_spool(tmp_path: Path) -> None:
    """A log that is no copy is never overwritten: the directory is refused, with what to do instead."""
    (tmp_path / "build.out").write_text("precious\n")
    with pytest.raises(ConfigurationError, match="logstream ship"):
        Spool(str(tmp_path), ".out").prepare()


def test_copy_is_the_bytes_and_stands_where_they_end(spool: Spool) -> None:
    """What is appended is there byte for byte, and the cursor is the engine's own for that place."""
    file = spool.open("build", MOST)
    assert not file.exists
    for data in (b"", b"one\xff", b"\xe2\x82", b"\xac" * 9000):
        file.append(data)
    content = b"one\xff\xe2\x82" + b"\xac" * 9000
    assert Path(spool.path("build")).read_bytes() == content
    found = place_of(LogFile.open(spool.path("build")), file.cursor)
    assert found is not None and found.offset == len(content)
    file.close()
    again = spool.open("build", MOST)
    assert again.cursor == file.cursor
    again.close()


def test_start_over_is_another_file(spool: Spool) -> None:
    """Who has the old one open keeps it, and never sees half of the new one."""
    file = spool.open("build", MOST)
    file.append(b"old\n")
    old = LogFile.open(spool.path("build"))
    file.start_over(b"new\n")
    file.append(b"more\n")
    assert old.read(0, 100) == b"old\n"
    assert Path(spool.path("build")).read_bytes() == b"new\nmore\n"
    assert os.stat(spool.path("build")).st_ino != old.identity[1]
    file.close()


def test_log_that_is_too_large_is_not_copied_further(spool: Spool) -> None:
    """A host cannot fill the disk with one log; what is there stays."""
    file = spool.open("build", 10)
    file.append(b"12345")
    for write in (file.append, file.start_over):
        with pytest.raises(OSError):
            write(b"6789012345678")
    assert Path(spool.path("build")).read_bytes() == b"12345"
    file.append(b"67890")
    file.close()


def test_link_in_the_place_of_a_copy_is_not_followed(spool: Spool, tmp_path: Path) -> None:
    """Nothing is written outside the spool."""
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    Path(spool.path("build")).symlink_to(victim)
    with pytest.raises(OSError):
        spool.open("build", MOST)
    Path(spool.directory, ".other.lock").symlink_to(victim)
    with pytest.raises(OSError):
        spool.lock("other")
    assert victim.read_text() == "precious\n"


def test_lock_is_one_holder_s_and_free_when_that_dies(spool: Spool) -> None:
    """A process that is killed leaves nothing locked."""
    program = (
        "import sys, time; from logstream.fleet.spool import Spool; "
        f"lock = Spool({spool.directory!r}, '.out').lock('build'); print(lock is not None, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        assert spool.lock("build") is None
        other.kill()
        other.wait()
    lock = spool.lock("build")
    assert lock is not None
    lock.note_source("host1\nbuild")
    assert spool.source("build") == "host1\nbuild"
    assert spool.lock("build") is None
    lock.release()
    lock.release()


def test_name_that_leaves_no_room_for_a_lock_s_has_one(spool: Spool) -> None:
    """The longest names can be copied too."""
    lock = spool.lock("ü" * 125)
    assert lock is not None
    lock.release()


def test_disk_that_is_full_takes_nothing_away(spool: Spool) -> None:
    """What could be written stays, the place is behind it, and the rest can be written later."""
    file = spool.open("build", MOST)
    file.append(b"x" * 1000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, hard))
    try:
        with pytest.raises(OSError):
            file.append(b"y" * 1000)
        with pytest.raises(OSError):
            file.start_over(b"z" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    content = Path(spool.path("build")).read_bytes()
    assert (b"x" * 1000 + b"y" * 1000).startswith(content) and len(content) >= 1000
    assert file.offset == len(content)
    assert file.is_intact()
    file.append((b"x" * 1000 + b"y" * 1000)[file.offset :])
    assert Path(spool.path("build")).read_bytes() == b"x" * 1000 + b"y" * 1000
    file.close()


def test_copy_that_somebody_else_has_changed_is_noticed(spool: Spool) -> None:
    """A copy that was removed, replaced, or written to is not gone on with."""
    path = Path(spool.path("build"))
    file = spool.open("build", MOST)
    assert file.is_intact()
    file.append(b"one\n")
    assert file.is_intact()
    with path.open("ab") as other:
        other.write(b"more")
    assert not file.is_intact()
    file.open_again()
    assert file.offset == 8 and file.is_intact()
    path.unlink()
    assert not file.is_intact()
    file.open_again()
    assert not file.exists
    file.close()


@given(pieces=st.lists(st.binary(max_size=6000), max_size=12))
def test_any_pieces_make_the_whole(pieces: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Wherever a log is cut, its copy is the log, and each place in between is the engine's."""
    spool = Spool(str(tmp_path_factory.mktemp("spool")), ".out")
    file = spool.open("build", MOST)
    file.append(b"")
    for piece in pieces:
        file.append(piece)
        assert place_of(LogFile.open(spool.path("build")), file.cursor) is not None
    assert Path(spool.path("build")).read_bytes() == b"".join(pieces)
    file.close()


def test_copy_that_nobody_has_is_evicted(spool: Spool) -> None:
    """One whose lock is held, or was lately, stays; with another's the note of where it came from is gone too."""
    lock = spool.lock("build")
    assert lock is not None
    lock.note_source("host1\nbuild")
    file = spool.open("build", MOST)
    file.append(b"one\n")
    file.close()
    assert spool.total() >= 4
    assert not spool.evict("build")
    lock.release()
    assert not spool.evict("build")
    os.utime(Path(spool.directory, ".build.lock"), (0, 0))
    assert spool.evict("build")
    assert spool.size("build") is None
    assert spool.source("build") == ""

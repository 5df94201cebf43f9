"""The spool: the directory of a dashboard in which the copies of logs are, each byte for byte.

Offsets and sizes are bytes. Only names that were checked come here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import time
from pathlib import Path

from ..config import ConfigurationError
from ..engine.logfile import LogFile, NotALogError, identity_of, stat_log
from ..engine.reading import CHECK, cursor_text
from ..engine.sessions import Session, file_name, list_sessions
from ..protocol import MAX_NAME_BYTES

_MARK = ".logstream-spool"  # the file that tells a spool from a directory with logs of its own

_BLOCK = 4096  # bytes
_LATELY = 10.0  # seconds after a lock was given up in which its copy is not evicted


def room(size: int) -> int:
    """Bytes that a file of a size takes on the disk: empty ones without end would fill it too."""
    return max(size, _BLOCK)


class Spool:
    """One spool. Any thread, any process."""

    def __init__(self, directory: str, suffix: str) -> None:
        """Nothing is made or looked at yet."""
        self.directory = directory
        self.suffix = suffix

    def prepare(self) -> None:
        """Make the directory, or see that it is a spool. Raises ConfigurationError.

        A log that is no copy could be overwritten in a spool: one that has any is refused.
        """
        mark = Path(self.directory, _MARK)
        try:
            Path(self.directory).mkdir(mode=0o700, parents=True, exist_ok=True)
            if mark.exists():
                return
            if list_sessions(self.directory, self.suffix):
                raise ConfigurationError(
                    "LOGSTREAM_DIRECTORY must be a directory for copies where LOGSTREAM_REDIS is set: "
                    f"{self.directory} has logs of its own, which `logstream ship` can announce"
                )
            mark.touch(mode=0o600)
        except OSError as error:
            raise ConfigurationError(f"the spool {self.directory} cannot be used: {error.strerror}") from None

    def path(self, session_name: str) -> str:
        """Where the copy of a session's log is."""
        return os.path.join(self.directory, file_name(session_name, self.suffix))

    def size(self, session_name: str) -> int | None:
        """The size of a copy; None where there is none."""
        found = stat_log(self.path(session_name))
        return found.st_size if found is not None else None

    def lock(self, session_name: str) -> CopyLock | None:
        """The right to write a session's copy; None where somebody else has it. Raises OSError.

        The kernel takes it back from a process that dies.
        """
        path = self._beside(session_name, ".lock")
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found = stat_log(path)
                if found is not None and identity_of(found) == identity_of(os.fstat(fd)):
                    return CopyLock(fd, path)
            except BlockingIOError:
                os.close(fd)
                return None
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)  # its last holder has taken it away

    def source(self, session_name: str) -> str:
        """What was noted of where a copy comes from; empty where nothing was."""
        try:
            return Path(self._beside(session_name, ".lock")).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def open(self, session_name: str, most: int) -> SpoolFile:
        """A session's copy, for the holder of its lock. Raises OSError."""
        return SpoolFile(self.path(session_name), self._beside(session_name, ".new"), most)

    def total(self) -> int:
        """The room that all takes which is in the spool, at little cost. Raises OSError."""
        with os.scandir(self.directory) as entries:
            return sum(room(entry.stat(follow_symlinks=False).st_size) for entry in entries)

    def copies(self) -> list[Session]:
        """The copies that there are, the one that was written to last first; none where the spool cannot be read."""
        try:
            return list_sessions(self.directory, self.suffix)
        except OSError:
            return []

    def rename(self, session_name: str, new_name: str, source: str) -> None:
        """Keep a copy by another name, for the holder of its lock; where that cannot be, it stays. Raises OSError."""
        if len((new_name + self.suffix).encode()) > MAX_NAME_BYTES or self.size(new_name) is not None:
            return
        lock = self.lock(new_name)
        if lock is None:
            return
        try:
            lock.note_source(source)
            os.rename(self.path(session_name), self.path(new_name))
        finally:
            lock.release()

    def evict(self, session_name: str) -> bool:
        """Take a copy away, unless somebody has its lock, or had it lately. Raises OSError."""
        path = self._beside(session_name, ".lock")
        found = stat_log(path)
        if found is not None and time.time() - found.st_mtime < _LATELY:
            return False
        lock = self.lock(session_name)
        if lock is None:
            return False
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(session_name))
            os.unlink(path)
        finally:
            lock.release()
        return True

    def _beside(self, session_name: str, ending: str) -> str:
        name = f".{session_name}{ending}"
        if len(name.encode()) > MAX_NAME_BYTES:
            name = f".{hashlib.sha256(session_name.encode()).hexdigest()}{ending}"
        return os.path.join(self.directory, os.fsdecode(name.encode()))


class CopyLock:
    """The right to write a copy. For one thread at a time."""

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path

    def note_source(self, source: str) -> None:
        """Write down where the copy comes from. Raises OSError."""
        content = source.encode()
        if os.pread(self._fd, len(content) + 1, 0) != content:  # or others could read half of it for nothing
            os.pwrite(self._fd, content, 0)
            os.ftruncate(self._fd, len(content))

    def release(self, *, is_copied: bool = True) -> None:
        """Give it up; where there is no copy, nothing is left of it. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                if not is_copied:
                    os.unlink(self._path)
                os.utime(fd)  # whoever else follows the copy has a while to take it over
            os.close(fd)


class SpoolFile:
    """A copy that is being written. It stands at its end. Only for the holder of its lock, on one thread at a time."""

    def __init__(self, path: str, new_path: str, most: int) -> None:
        """Go on from what is there; a copy may not get longer than `most` bytes. Raises OSError."""
        self.path = path
        self._new_path = new_path
        self._most = most
        self._fd = -1
        self.offset = 0
        self._check = b""
        self._open()

    @property
    def exists(self) -> bool:
        """Whether there is a copy."""
        return self._fd >= 0

    @property
    def cursor(self) -> str:
        """The place at the end."""
        return cursor_text(self.offset, self._check)

    def append(self, data: bytes) -> None:
        """Add bytes at the end; the first ones make the file. Raises OSError; what could be written stays."""
        if self._fd < 0:
            self.start_over(data)
            return
        self._check_length(len(data))
        try:
            self._write(self._fd, data)
        except OSError:
            self._look()
            raise

    def start_over(self, data: bytes) -> None:
        """Put a new file with these bytes in the place of the old one. Raises OSError; the old one stays then."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._new_path)  # of a process that has died
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        offset, check, self.offset, self._check = self.offset, self._check, 0, b""
        try:
            fd = os.open(self._new_path, flags, 0o600)
            try:
                self._check_length(len(data))
                self._write(fd, data)
                os.rename(self._new_path, self.path)
            except BaseException:
                os.close(fd)
                with contextlib.suppress(OSError):
                    os.unlink(self._new_path)
                raise
        except BaseException:
            self.offset, self._check = offset, check
            raise
        self.close()
        self._fd = fd

    def is_intact(self) -> bool:
        """Whether the path still leads to this copy, and nobody else has changed its size."""
        found = stat_log(self.path)
        if self._fd < 0 or found is None:
            return self._fd < 0 and found is None
        state = os.fstat(self._fd)
        return identity_of(found) == identity_of(state) and state.st_size == self.offset

    def open_again(self) -> None:
        """Go on from what is at the path. Raises OSError."""
        self.close()
        self._open()

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _open(self) -> None:
        self.offset, self._check = 0, b""
        try:
            LogFile.open(self.path).close()
            fd = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise NotALogError(errno.EINVAL, "not a regular file", self.path)
        self._fd = fd
        self._look()

    def _look(self) -> None:
        self.offset = os.fstat(self._fd).st_size
        start = max(0, self.offset - CHECK)
        self._check = os.pread(self._fd, self.offset - start, start)

    def _check_length(self, more: int) -> None:
        if self.offset + more > self._most:
            raise OSError(errno.EFBIG, "the log is larger than the spool may be", self.path)

    def _write(self, fd: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(fd, rest, self.offset + len(data) - len(rest))
            rest = rest[written:]
        self.offset += len(data)
        self._check = (self._check + data[-CHECK:])[-CHECK:]

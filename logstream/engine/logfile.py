"""One log file: opened safely, closed with its last reader, and what the kernel says of it.

Offsets and sizes are bytes.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
import sys
import threading

_RESERVE = 32  # descriptors that are not for logs

Identity = tuple[int, int]  # device and inode
Signature = tuple[int, int, int, int]  # device, inode, size in bytes, last change in nanoseconds


class NotALogError(OSError):
    """The path holds something that is not a regular file."""


def _descriptor_limit() -> int:
    """The first descriptor that logs must leave to connections and to everything else."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit - min(_RESERVE, limit // 8)


def look(path: str) -> os.stat_result | None:
    """The state of the regular file at `path`; None where there is none, or none that can be seen."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def signature_of(found: os.stat_result) -> Signature:
    """What is compared to see whether a file has changed."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def identity_of(found: os.stat_result) -> Identity:
    """What tells one file from another, as long as one of them is held open."""
    return found.st_dev, found.st_ino


class LogFile:
    """An open regular file, shared by all who read it and closed with the last of them.

    Whoever has `share`d or `open`ed it calls `close` once. Any thread may use it.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._holders = 1
        # Guards _holders, and so the moment at which the descriptor is closed.
        self._lock = threading.Lock()
        self.identity = identity_of(os.fstat(fd))

    @classmethod
    def open(cls, path: str) -> LogFile:
        """Open the regular file at `path`, following no link and never blocking.

        Raises FileNotFoundError, NotALogError, or another OSError.
        """
        try:
            found = os.lstat(path)  # opening a pipe or a device could already have an effect
        except NotADirectoryError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
        if not stat.S_ISREG(found.st_mode):
            raise NotALogError(errno.EINVAL, "not a regular file", path)
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        if fd >= _descriptor_limit():
            os.close(fd)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)
        if not stat.S_ISREG(os.fstat(fd).st_mode):  # replaced since we looked
            os.close(fd)
            raise NotALogError(errno.EINVAL, "not a regular file", path)
        return cls(fd)

    def share(self) -> LogFile:
        """The same file for one more holder."""
        with self._lock:
            assert self._holders, "the file is closed"
            self._holders += 1
        return self

    def close(self) -> None:
        """Give up one holder's share."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            os.close(self._fd)

    def fileno(self) -> int:
        """The descriptor, valid while the caller holds a share."""
        return self._fd

    def state(self) -> os.stat_result:
        """What the kernel knows of the file now."""
        return os.fstat(self._fd)

    def size(self) -> int:
        """The file's size now."""
        return self.state().st_size

    def signature(self) -> Signature:
        """The file's signature now, which every write changes."""
        return signature_of(self.state())

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer at the end of the file."""
        return os.pread(self._fd, length, offset)

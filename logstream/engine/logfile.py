"""One log file: opened safely, and what the kernel says of it.

Offsets and sizes are bytes.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
import sys

_RESERVE = 32  # descriptors that are not for logs

Identity = tuple[int, int]  # device and inode
Signature = tuple[int, int, int, int]  # device, inode, size in bytes, last change in nanoseconds


class NotALogError(OSError):
    """The path holds something that is not a regular file."""


def stat_log(path: str) -> os.stat_result | None:
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
    """An open regular file. Any thread may use it.

    Nobody need close it: its descriptor is closed with the last reference to it, so that no thread can read from a
    descriptor that another one has given up. Who is the only one to have it may `close` it at once.
    """

    __slots__ = ("_fd", "identity")

    def __init__(self, fd: int) -> None:
        """Make it the owner of a descriptor."""
        self._fd = fd
        self.identity = identity_of(os.fstat(fd))

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor now, even if an error's traceback still holds the file. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    @classmethod
    def open(cls, path: str) -> LogFile:
        """Open the regular file at `path`, following no link and never blocking.

        Raises FileNotFoundError, NotALogError, BlockingIOError where another process has a lease on it that it is
        about to give up, or another OSError.
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

    def fileno(self) -> int:
        """The descriptor, valid while the caller holds a reference to the file."""
        return self._fd

    def state(self) -> os.stat_result:
        """What the kernel knows of the file now. Raises OSError."""
        return os.fstat(self._fd)

    def size(self) -> int:
        """The file's size now. Raises OSError."""
        return self.state().st_size

    def signature(self) -> Signature:
        """The file's signature now, which every write changes. Raises OSError."""
        return signature_of(self.state())

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer at the end of the file. Raises OSError."""
        return os.pread(self._fd, length, offset)

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill a buffer from `offset` on, and return how many bytes came; fewer at the end. Raises OSError."""
        if hasattr(os, "preadv"):
            return os.preadv(self._fd, [buffer], offset)
        data = os.pread(self._fd, len(buffer), offset)
        buffer[: len(data)] = data
        return len(data)


def _descriptor_limit() -> int:
    """The first descriptor that logs must leave to connections and to everything else."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit - min(_RESERVE, limit // 8)

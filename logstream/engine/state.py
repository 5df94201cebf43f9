"""The server's own place on the disk, for what must outlast a process and be known to all of them.

It is believed only as long as nobody else can write there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import stat
import time
from collections.abc import Iterator

DIRECTORY_NAME = ".logstream"  # in the logs' directory, where no other place is named

_LEFTOVER = 3600.0  # seconds after which a file that was never finished is taken away
_UNFINISHED = ".unfinished-"
_numbers = itertools.count()


class StateError(OSError):
    """The place cannot be used; its text says why."""


class StateDirectory:
    """A directory of the server's user's own. Any thread, any process."""

    def __init__(self, path: str, parent: StateDirectory | None = None) -> None:
        """Nothing is made or looked at yet."""
        self.path = path
        self._parent = parent  # another such place that it is in

    @contextlib.contextmanager
    def opened(self, *, make: bool = False) -> Iterator[int]:
        """The directory's descriptor. Raises FileNotFoundError where there is none to `make`, StateError or OSError."""
        with contextlib.ExitStack() as parents:
            parent = parents.enter_context(self._parent.opened(make=make)) if self._parent is not None else None
            fd = self._open(parent, make)
        try:
            found = os.fstat(fd)
            if found.st_uid != os.geteuid():
                raise StateError(errno.EPERM, "it belongs to another user", self.path)
            if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise StateError(errno.EPERM, "others may write there", self.path)
            yield fd
        finally:
            os.close(fd)

    def _open(self, parent: int | None, make: bool) -> int:
        path = self.path if parent is None else os.path.basename(self.path)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(path, flags, dir_fd=parent)
        except FileNotFoundError:
            if not make:
                raise
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise StateError(error.errno, "it is no directory", self.path) from None
            raise
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700, dir_fd=parent)
        return os.open(path, flags, dir_fd=parent)

    def within(self, name: str) -> StateDirectory:
        """A directory in it."""
        return StateDirectory(os.path.join(self.path, name), self)

    def read(self, name: str) -> tuple[bytes, os.stat_result] | None:
        """A file's content and state; None where there is none. Raises StateError or OSError."""
        try:
            with self.opened() as directory:
                fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        except FileNotFoundError:
            return None
        try:
            found = _check_own(fd, self.path)
            return os.read(fd, found.st_size + 1), found
        finally:
            os.close(fd)

    def write(self, name: str, content: bytes, changed: int | None = None) -> None:
        """Make or replace a file as a whole, with a time of last change in nanoseconds. Raises StateError or OSError.

        Whatever ends this process or the machine, and whenever, there is the old file or the new one; after this has
        returned, the new one.
        """
        unfinished = f"{_UNFINISHED}{os.getpid()}-{next(_numbers)}"
        with self.opened(make=True) as directory:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(unfinished, flags, 0o600, dir_fd=directory)
            try:
                try:
                    os.fchmod(fd, 0o600)
                    if os.write(fd, content) != len(content):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    if changed is not None:
                        os.utime(fd, ns=(changed, changed))
                    os.fsync(fd)
                finally:
                    os.close(fd)
                os.rename(unfinished, name, src_dir_fd=directory, dst_dir_fd=directory)
                os.fsync(directory)  # or else a power failure could take the rename back
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(unfinished, dir_fd=directory)
                raise

    def lock(self, name: str, *, wait: bool = False) -> int | None:
        """Lock a file in it, which is made where it is missing: the descriptor, whose closing gives the lock up.

        The kernel gives it up with the process, however that ends. None if another process or thread has it, unless
        that is to be waited for. Raises StateError or OSError, also where the file system has no locks.
        """
        with self.opened(make=True) as directory:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(name, flags, 0o600, dir_fd=directory)
        try:
            _check_own(fd, self.path)
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        return fd

    def stat(self, name: str) -> os.stat_result | None:
        """A file's state; None where there is none that can be seen."""
        try:
            with self.opened() as directory:
                return os.stat(name, dir_fd=directory, follow_symlinks=False)
        except OSError:
            return None

    def append(self, name: str, content: bytes, most: int) -> bool:
        """Add to a file's end, or begin it anew where it would get longer than `most` bytes: then returns False.

        Raises as `write` does.
        """
        with self.opened(make=True) as directory:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(name, flags, 0o600, dir_fd=directory)
            try:
                if os.fstat(fd).st_size + len(content) <= most:
                    os.write(fd, content)
                    return True
            finally:
                os.close(fd)
        self.write(name, content)
        return False

    def remove(self, name: str) -> None:
        """Take a file away; one that is not there is no error. Raises StateError or OSError."""
        with contextlib.suppress(FileNotFoundError), self.opened() as directory:
            os.unlink(name, dir_fd=directory)

    def names(self) -> Iterator[str]:
        """The files that are there, one after the other; those that were left unfinished long ago are taken away."""
        try:
            with self.opened() as directory, os.scandir(directory) as entries:
                for entry in entries:
                    if not entry.name.startswith(_UNFINISHED):
                        yield entry.name
                    elif time.time() - entry.stat(follow_symlinks=False).st_mtime > _LEFTOVER:
                        os.unlink(entry.name, dir_fd=directory)
        except OSError:
            return


def _check_own(fd: int, path: str) -> os.stat_result:
    """The state of an open file in the directory at `path`. Raises StateError where it is not the server's own."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        raise StateError(errno.EPERM, "a file in it is not the server's own", path)
    return found

"""Looking at files for what nothing tells of.

Each file that nothing is sure to tell of is looked at by its path. Of a file that the kernel tells of, what could be
missed is missed by a fault, or done by a way that is not told, such as a memory map: these are looked at by their
descriptors, all in one go, and what the kernel says is compared as it stands: that costs half as much, or less. Whether
their paths still lead to them is asked of their directories, whose time of change tells, and of the table of mounts.
"""

from __future__ import annotations

import contextlib
import ctypes
import operator
import os
import select
import stat
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter

from .logfile import LogFile, signature_of
from .relief import Follower

# File systems that only this machine writes to, all of it by the kernel that tells of it: ext, XFS, Btrfs, F2FS, tmpfs.
_LOCAL = frozenset({0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x01021994})
_STATE = 256  # bytes, more than the kernel fills for `fstat` on any machine; the rest stays as it is
_STATFS = 256  # bytes, more than the kernel fills; the first of them are the file system's kind
_TICK = 50_000_000  # nanoseconds: more than the time of a change may be behind the clock

_signatures: Callable[[os.stat_result], object] = attrgetter("st_dev", "st_ino", "st_size", "st_mtime_ns")


def is_changed(follower: Follower) -> bool:
    """Whether a follower has not seen its file as it is; notes that it has now. One call, to the kernel."""
    seen = follower.seen
    try:
        found = os.lstat(follower.path)
    except OSError:
        follower.seen = None
        return seen is not None
    device, inode, size, changed = seen or (None, None, None, None)
    if found.st_mtime_ns == changed and found.st_size == size and found.st_ino == inode and found.st_dev == device:
        return False
    follower.seen = signature_of(found) if stat.S_ISREG(found.st_mode) else None
    return follower.seen != seen


def are_as_seen(followers: Sequence[Follower], files: Sequence[LogFile]) -> list[bool]:
    """Whether each follower has seen its open file as it is. Asks no disk."""
    try:
        found = list(map(_signatures, map(os.fstat, [file.fileno() for file in files])))
    except OSError:
        return [False] * len(files)
    seen = [follower.seen for follower in followers]
    if found == seen:  # as nearly always
        return [True] * len(files)
    return [one == other for one, other in zip(found, seen, strict=True)]


class Glance:
    """A look at the open files of some followers, again and again. For one thread. Asks no disk.

    What the kernel says of a file is not taken apart unless it is something else than the last time: to make objects
    of Python's of it is a third of the cost.
    """

    def __init__(self, told: Sequence[tuple[Follower, LogFile, str]]) -> None:
        """Each follower with its file, which stays open for as long as this is there, and its directory."""
        self.followers = [follower for follower, _, _ in told]
        self.directories = [directory for _, _, directory in told]
        self._files = files = [file for _, file, _ in told]
        self._states = bytearray(_STATE * max(1, len(files)))
        self._memory = (ctypes.c_char * len(self._states)).from_buffer(self._states)
        begin = ctypes.addressof(self._memory)
        self._places = [ctypes.c_void_p(begin + _STATE * number) for number in range(len(files))]
        self._descriptors = [ctypes.c_int(file.fileno()) for file in files]
        self._parts = struct.Struct(f"{_STATE}s" * len(files))
        self._fstat: Callable[[ctypes.c_int, ctypes.c_void_p], int] | None = getattr(ctypes.CDLL(None), "fstat", None)
        # Of the last look, for each file that was found to be as seen: what the kernel said, and what was seen.
        self._said: Sequence[bytes | None] = [None] * len(files)
        self._seen: list[object] = [None] * len(files)

    def are_as_seen(self) -> list[bool]:
        """Whether each follower has seen its file as it is."""
        if self._fstat is None:  # glibc has it by this name since 2.33
            return are_as_seen(self.followers, self._files)
        if any(map(self._fstat, self._descriptors, self._places)):
            return [False] * len(self._files)
        said = self._parts.unpack_from(self._states)
        seen: list[object] = [follower.seen for follower in self.followers]
        if self._said == said and self._seen == seen:  # as nearly always
            return [True] * len(said)
        found = list(map(operator.and_, map(operator.eq, said, self._said), map(operator.eq, seen, self._seen)))
        doubted = [number for number, is_same in enumerate(found) if not is_same]
        judged = are_as_seen([self.followers[at] for at in doubted], [self._files[at] for at in doubted])
        for at, is_same in zip(doubted, judged, strict=True):
            found[at] = is_same
        self._said = tuple(one if is_same else None for one, is_same in zip(said, found, strict=True))
        self._seen = seen
        return found


def is_told_of(file: LogFile, directory: str) -> bool:
    """Whether the kernel knows of all that is done to a file, and its directory of what is done to its name."""
    try:
        return os.stat(directory).st_dev == file.identity[0] and _file_system(file.fileno()) in _LOCAL
    except OSError:
        return False


def _file_system(descriptor: int) -> int | None:
    """The kind of file system that an open file is on, as Linux numbers it; None where that cannot be known."""
    try:
        fstatfs = ctypes.CDLL(None).fstatfs
    except (OSError, AttributeError):
        return None
    found = ctypes.create_string_buffer(_STATFS)
    return ctypes.c_long.from_buffer(found).value if fstatfs(descriptor, found) == 0 else None


class Surroundings:
    """What could lead paths to other files: directories, and mounts. For one thread."""

    def __init__(self) -> None:
        self._mounts = _open_mounts()
        self._poll = select.poll()
        if self._mounts is not None:
            self._poll.register(self._mounts, select.POLLPRI | select.POLLERR)
        self._directories: dict[str, tuple[int, int, int] | None] = {}
        self._changed: set[str] = set()

    def close(self) -> None:
        """Give up the descriptor."""
        if self._mounts is not None:
            os.close(self._mounts)

    def look(self, directories: Iterable[str]) -> None:
        """See which directories are others now, or have other entries, than when they were looked at last."""
        other_mounts = self._mounts is None or bool(self._poll.poll(0))
        before, self._directories = self._directories, {}
        self._changed = set()
        for path in directories:
            now = time.time_ns()
            found = None
            with contextlib.suppress(OSError):
                state = os.stat(path)
                # What is changed next may get the same time, as long as the clock's tick is the same.
                if now - state.st_ctime_ns > _TICK:
                    found = state.st_dev, state.st_ino, state.st_ctime_ns
            if found is None or other_mounts or before.get(path) != found:
                self._changed.add(path)
            self._directories[path] = found

    @property
    def have_changed(self) -> bool:
        """Whether any directory is in question."""
        return bool(self._changed)

    def may_have_led_on(self, directory: str) -> bool:
        """Whether a path in a directory may lead to another file since the last look."""
        return directory in self._changed


def _open_mounts() -> int | None:
    try:
        return os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


class Round:
    """When to look at which of many followers, once an interval each: a slice at a time, so that no slice is long."""

    def __init__(self, interval: float, size: int, everyone: Callable[[], list[Follower]]) -> None:
        """`everyone()` is asked at the beginning of a round; a slice has up to `size` of them.

        Where it is the very same list as the last time, so are the slices.
        """
        self._interval, self._size, self._everyone = interval, size, everyone
        self._everyone_now: list[Follower] | None = None
        self._slices: list[list[Follower]] = [[]]
        self._left: list[list[Follower]] = []
        self._pause = 0.0
        self.due = 0.0  # when the next slice is, by the monotonic clock
        self.begins = False  # whether the slice that was taken last is a round's first

    def slices(self, *, anew: bool) -> Iterator[list[Follower]]:
        """The slice that is due, if one is; those of a whole round at once, where it is to begin `anew`."""
        if anew:
            self._left.clear()
        elif time.monotonic() < self.due:
            return
        self.begins = not self._left
        if self.begins:
            everyone = self._everyone()
            if everyone is not self._everyone_now:
                starts = range(0, len(everyone), self._size)
                self._everyone_now = everyone
                self._slices = [everyone[start : start + self._size] for start in starts] or [[]]
            self._left = list(self._slices)
            self._pause = self._interval / len(self._left)
        while self._left:
            yield self._left.pop()
            self.begins = False
            if not anew:
                break
        self.due = time.monotonic() + self._pause

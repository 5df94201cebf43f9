"""Text from a growing file: open it safely, read on from a place in it, find its last lines.

Offsets and sizes are bytes.
"""

from __future__ import annotations

import codecs
import errno
import os
import resource
import stat
import sys
import threading
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .sharing import Sharing

CHECK = 4096  # bytes before a place that must be unchanged for the place to be valid
_RESERVE = 32  # descriptors that are not for logs
_SCAN = 64 * 1024  # bytes read at once to find the last lines

Identity = tuple[int, int]  # device and inode
Signature = tuple[int, int, int, int]  # device, inode, size in bytes, last change in nanoseconds


class NotALogError(OSError):
    """The path holds something that is not a regular file."""


class RewrittenError(Exception):
    """What stood before a place in the file is no longer there."""


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


class Reader:
    """A place in a file, between two characters, from which text is read on.

    It keeps the last bytes before the place, and the bytes of a character behind it that is not finished.
    Each read looks at them again: that is how a file that was truncated and grew past the place is told
    from one that only grew. One thread at a time.
    """

    __slots__ = ("file", "known", "offset")

    def __init__(self, file: LogFile, offset: int = 0, known: bytes = b"") -> None:
        """Take over the caller's share of `file`; `known` is what stands there from CHECK bytes before `offset`."""
        self.file = file
        self.offset = offset
        self.known = known

    @classmethod
    def at(cls, file: LogFile, offset: int) -> Reader:
        """A reader at any offset of a file, taking over the caller's share of it."""
        start = max(0, offset - CHECK)
        return cls(file, offset, file.read(start, offset - start))

    def clone(self) -> Reader:
        """Another reader at the same place."""
        return Reader(self.file.share(), self.offset, self.known)

    def start_over(self, file: LogFile | None = None) -> None:
        """Go to the beginning of this file, or of another one, taking over the caller's share of it."""
        if file is not None:
            self.file.close()
            self.file = file
        self.offset, self.known = 0, b""

    def close(self) -> None:
        """Give up the file."""
        self.file.close()

    def level_with(self, other: Reader) -> bool:
        """Whether both stand at the same place of the same text."""
        same_file = self.file.identity == other.file.identity
        return same_file and self.offset == other.offset and self.known == other.known

    def read(self, size: int, limit: int, *, final: bool = False, sharing: Sharing | None = None) -> str:
        """The text between the place and `size`, at most `limit` bytes of it, and move past it.

        A character that is cut there is left for the next read, unless `final`: then it becomes
        U+FFFD, as all bytes do that are not UTF-8. `sharing` has what others may have read of it.
        Raises RewrittenError, or OSError.
        """
        if size < self.offset:
            raise RewrittenError
        before = min(CHECK, self.offset)
        stop = min(size, self.offset + limit)
        start, length, final = self.offset - before, before + stop - self.offset, final and stop == size
        if sharing is not None:
            piece = sharing.read(self.file, start, length, before, final)
            data, text, used = piece.data, piece.text, piece.used
        else:
            data = self.file.read(start, length)
            text, used = decode_utf8(data, before, final)
        if not data.startswith(self.known):
            raise RewrittenError
        self.offset += used
        self.known = data[max(0, before + used - CHECK) :]
        return text

    @property
    def cursor(self) -> str:
        """The place as text."""
        return cursor_text(self.offset, self.known)


def decode_utf8(data: bytes, before: int, final: bool) -> tuple[str, int]:
    """Text, and how many bytes it took: a character that is cut at the end is left, unless `final`."""
    return codecs.utf_8_decode(memoryview(data)[before:], "replace", final)


def cursor_text(offset: int, known: bytes) -> str:
    """A place as text that a client may keep and come back with: its offset, and a check of the bytes before it."""
    return f"{offset}.{zlib.crc32(known[: min(CHECK, offset)]):08x}"


def resume(file: LogFile, cursor: str) -> Reader | None:
    """A reader at the place that `cursor` names, or None where it does not fit the file.

    Takes over the caller's share of `file` only if it returns a reader.
    """
    digits = cursor.partition(".")[0]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        return None
    offset = int(digits)
    if offset > file.size():
        return None
    reader = Reader.at(file, offset)
    if reader.cursor != cursor or cut_character(reader.known):
        return None
    return reader


def tail_offset(file: LogFile, lines: int) -> int:
    """Where the last `lines` lines of the file begin; an unterminated last line counts.

    Reads backwards from the end, a block at a time, no more than it needs.
    """
    end = file.size()
    if lines == 0:
        return end - cut_character(file.read(max(0, end - 4), 4))
    wanted = lines + 1  # the newline before the first wanted line, once the one that ends the file is counted
    if end and file.read(end - 1, 1) != b"\n":
        wanted = lines
    block_end = end
    while block_end:
        block_start = max(0, block_end - _SCAN)
        block = file.read(block_start, block_end - block_start)
        found = block.count(b"\n")
        if found >= wanted:
            at = len(block)
            for _ in range(wanted):
                at = block.rindex(b"\n", 0, at)
            return block_start + at + 1
        wanted -= found
        block_end = block_start
    return 0


def cut_character(data: bytes) -> int:
    """How many bytes at the end of `data` begin a character that is not finished there."""
    last = data[-4:]
    while last and last[0] & 0xC0 == 0x80:  # continuation bytes tell nothing without their first byte
        last = last[1:]
    return len(last) - codecs.utf_8_decode(last, "replace", False)[1]

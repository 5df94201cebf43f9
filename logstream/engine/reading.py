"""Reading a log from a place in it: on from there, back to it by a cursor, and where its last lines begin.

Offsets and sizes are bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from .logfile import LogFile
from .sharing import Sharing
from .utf8 import cut_character, decode_utf8

CHECK = 4096  # bytes before a place that must be unchanged for the place to be valid
_SCAN = 64 * 1024  # bytes read at once to find the last lines


class RewrittenError(Exception):
    """What stood before a place in the file is no longer there."""


class Reader:
    """A place in a file, between two characters, from which text is read on. For one thread at a time.

    It keeps the last bytes before the place, and those behind it that begin a character that is not finished. Each
    read looks at them again: that is how a file that was truncated and grew past the place is told from one that
    only grew.
    """

    __slots__ = ("at_end", "check", "end", "file", "offset")

    def __init__(self, file: LogFile, offset: int = 0, check: bytes = b"") -> None:
        """`check` is what stands in the file from CHECK bytes before `offset` on."""
        self.file = file
        self.offset = offset
        self.check = check
        self.at_end = False  # the last read found the file's end, wherever a look at its size had put that
        self.end = -1  # where the last read ended, perhaps within a character

    @classmethod
    def at(cls, file: LogFile, offset: int) -> Reader:
        """A reader at any offset of a file. Raises OSError."""
        start = max(0, offset - CHECK)
        return cls(file, offset, file.read(start, offset - start))

    def clone(self) -> Reader:
        """Another reader at the same place."""
        return Reader(self.file, self.offset, self.check)

    def start_over(self, file: LogFile | None = None) -> None:
        """Go to the beginning of this file, or of another one."""
        if file is not None:
            self.file = file
        self.offset, self.check = 0, b""

    def level_with(self, other: Reader) -> bool:
        """Whether both stand at the same place of the same text."""
        same_file = self.file.identity == other.file.identity
        return same_file and self.offset == other.offset and self.check == other.check

    def read_new(self, limit: int) -> str | None:
        """The text between the place and the file's end, whose size nobody has asked for, and move past it.

        None, and no move, where `limit` bytes or more are there, or where the file was rewritten: `read` tells which.
        Raises OSError.
        """
        offset, check = self.offset, self.check
        before = min(CHECK, offset)
        data = self.file.read(offset - before, before + limit)
        length = len(data)
        if length >= before + limit or not data.startswith(check):
            return None
        self.at_end = True
        self.end = offset - before + length
        if length == len(check):
            return ""
        text, consumed = decode_utf8(data, before, False)
        self.offset = offset + consumed
        self.check = data[max(0, before + consumed - CHECK) :]
        return text

    def read(self, size: int, limit: int, *, final: bool = False, sharing: Sharing | None = None) -> str:
        """The text between the place and `size`, at most `limit` bytes of it, and move past it.

        A character that is cut there is left for the next read, unless `final`: then it becomes U+FFFD, as all bytes
        do that are not UTF-8. `sharing` has what others may have read of it. Raises RewrittenError, or OSError.
        """
        if size < self.offset:
            raise RewrittenError
        before = min(CHECK, self.offset)
        stop = min(size, self.offset + limit)
        start, length = self.offset - before, before + stop - self.offset
        is_last = final and stop == size
        if sharing is not None:
            piece = sharing.read(self.file, start, length, before, is_last)
            data, text, consumed = piece.data, piece.text, piece.consumed
        else:
            data = self.file.read(start, length)
            text, consumed = decode_utf8(data, before, is_last)
        if not data.startswith(self.check):
            raise RewrittenError
        self.at_end = len(data) < length
        self.end = start + len(data)
        if self.at_end and final and not is_last:
            text, consumed = decode_utf8(data, before, True)
        self.offset += consumed
        self.check = data[max(0, before + consumed - CHECK) :]
        return text

    def read_bytes(self, size: int, limit: int) -> bytes:
        """The bytes between the place and `size`, at most `limit` of them, wherever that cuts; and move past them.

        Raises RewrittenError, or OSError.
        """
        if size < self.offset:
            raise RewrittenError
        before = min(CHECK, self.offset)
        data = self.file.read(self.offset - before, before + min(size - self.offset, limit))
        if not data.startswith(self.check):
            raise RewrittenError
        self.offset += len(data) - before
        self.check = data[max(0, len(data) - CHECK) :]
        return data[before:]

    @property
    def cursor(self) -> str:
        """The place as text."""
        return cursor_text(self.offset, self.check)


def cursor_text(offset: int, check: bytes) -> str:
    """A place as text that a client may keep and come back with: its offset, and a check of the bytes before it."""
    return f"{offset}.{zlib.crc32(check[: min(CHECK, offset)]):08x}"


def place_of(file: LogFile, cursor: str) -> Reader | None:
    """A reader at the place that `cursor` names, perhaps within a character, or None where it does not fit the file.

    Raises OSError.
    """
    digits = cursor.partition(".")[0]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        return None
    offset = int(digits)
    if offset > file.size():
        return None
    reader = Reader.at(file, offset)
    return reader if reader.cursor == cursor else None


def resume(file: LogFile, cursor: str) -> Reader | None:
    """The same for a place from which text can be read: one between two characters. Raises OSError."""
    reader = place_of(file, cursor)
    return reader if reader is not None and not cut_character(reader.check) else None


def tail_offset(file: LogFile, lines: int, rest: Callable[[], object] = lambda: None) -> int:
    """Where the last `lines` lines of the file begin; an unterminated last line counts. Raises OSError.

    Reads backwards from the end, a block at a time, no more than it needs, and calls `rest()` after each.
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
        rest()
    return 0

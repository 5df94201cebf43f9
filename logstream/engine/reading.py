"""Places in a log: reading text on from one, telling a rewritten file, cursors, and where the last lines begin.

Offsets and sizes are bytes.
"""

from __future__ import annotations

import zlib

from .logfile import LogFile
from .sharing import Sharing
from .utf8 import cut_character, decode_utf8

CHECK = 4096  # bytes before a place that must be unchanged for the place to be valid
_SCAN = 64 * 1024  # bytes read at once to find the last lines


class RewrittenError(Exception):
    """What stood before a place in the file is no longer there."""


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

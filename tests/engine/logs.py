"""Logs made of whatever may be in one, and what a search has to find in them, said in the plainest way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from logstream.engine.logfile import LogFile

BLOCK = 256 * 1024  # bytes that are searched at once
FIRST = 8 * 1024  # the same, of the first part in reverse

_TEXT = ["a", "b", "ab", "aB", "m", "31m", "ö", "日", "😀", " ", ".", "(", "\\", "\t", "\r"]
_SEQUENCES = [
    "\x1b[31m",
    "\x1b[0m",
    "\x1b[m",
    "\x1b]0;ab\x07",
    "\x1b]8;;ö\x1b\\",
    "\x1b(B",
    "\x1b[?25h",
    "\x1b7",
    "\x1b",
    "\x1b[",
]
_INVALID = [b"\xff", b"\xc3", b"\xe6\x97", b"\xed\xa0\x80"]

fragments = st.one_of(
    st.sampled_from(_TEXT).map(str.encode),
    st.sampled_from(_SEQUENCES).map(str.encode),
    st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    st.sampled_from(_INVALID),
)
contents = st.lists(fragments, max_size=60).map(b"".join)
# Bytes before, so that what follows stands on the border of two blocks, and nothing in them matches.
paddings = st.one_of(
    st.just(0),
    st.integers(FIRST - 100, FIRST + 10),
    st.integers(BLOCK - 100, BLOCK + 10),
    st.integers(BLOCK + 3996, BLOCK + 4106),
)
words = st.lists(st.sampled_from(_TEXT).filter(lambda text: text != "\r"), min_size=1, max_size=4).map("".join)


def padding(size: int) -> bytes:
    """Lines of this size in all."""
    return (b"=" * 79 + b"\n") * (size // 80) + (b"=" * (size % 80 - 1) + b"\n" if size % 80 else b"")


def make_log(path: Path, content: bytes) -> LogFile:
    """A file with a content, open."""
    path.write_bytes(content)
    return LogFile.open(str(path))


def split(content: bytes) -> list[tuple[int, int, bytes]]:
    """The lines of a content: where each begins, where the next one begins, and what is in it."""
    found = []
    start = 0
    for line in content.split(b"\n"):
        end = min(len(content), start + len(line) + 1)
        if end > start:
            found.append((start, end, line))
        start = end
    return found


def without_sequences(line: bytes) -> bytes:
    """A line as it is shown: read a byte at a time, as a terminal does."""
    if b"\x1b" not in line:
        return line.rstrip(b"\r")
    shown = bytearray()
    place = 0

    def skip(wanted: Callable[[int], bool]) -> None:
        nonlocal place
        while place < len(line) and wanted(line[place]):
            place += 1

    while place < len(line):
        byte = line[place]
        place += 1
        if byte != 0x1B:
            shown.append(byte)
        elif line[place : place + 1] == b"[":
            place += 1
            skip(lambda byte: 0x30 <= byte <= 0x3F)
            skip(lambda byte: 0x20 <= byte <= 0x2F)
            place += place < len(line) and 0x40 <= line[place] <= 0x7E
        elif line[place : place + 1] in (b"]", b"P", b"X", b"^", b"_"):
            place += 1
            end = min(
                (at for at in (line.find(b"\x07", place), line.find(b"\x1b", place)) if at >= 0), default=len(line)
            )
            place += _characters(line[place:end])
            if line[place : place + 1] == b"\x07":
                place += 1
            elif line[place : place + 2] == b"\x1b\\":
                place += 2
        else:
            skip(lambda byte: 0x20 <= byte <= 0x2F)
            place += place < len(line) and 0x30 <= line[place] <= 0x7E
    return bytes(shown).rstrip(b"\r")


def _characters(text: bytes) -> int:
    """How many bytes at the beginning of a text are whole characters."""
    try:
        return len(text.decode().encode())
    except UnicodeDecodeError as error:
        return error.start

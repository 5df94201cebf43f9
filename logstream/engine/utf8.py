"""UTF-8 that is cut anywhere: as much of it as is whole characters."""

from __future__ import annotations

import codecs


def decode_utf8(data: bytes, before: int, final: bool) -> tuple[str, int]:
    """The text behind the first `before` bytes of `data`, and how many bytes it took.

    A character that is cut at the end is left, unless `final`: then it becomes U+FFFD, as all does that is not UTF-8.
    """
    return codecs.utf_8_decode(memoryview(data)[before:], "replace", final)


def cut_character(data: bytes) -> int:
    """How many bytes at the end of `data` begin a character that is not finished there."""
    last = data[-4:]
    while last and last[0] & 0xC0 == 0x80:  # continuation bytes tell nothing without their first byte
        last = last[1:]
    return len(last) - codecs.utf_8_decode(last, "replace", False)[1]

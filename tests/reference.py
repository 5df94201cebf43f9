"""What the last lines of a log are, and what is its text, said in the plainest way."""

import codecs


def whole(content: bytes) -> str:
    """The text of all characters that are not still being written."""
    return codecs.utf_8_decode(content, "replace", False)[0]


def last_lines(content: bytes, lines: int) -> bytes:
    """The last lines; for none of them, the beginning of a character that is still being written."""
    if lines == 0:
        return content[codecs.utf_8_decode(content, "replace", False)[1] :]
    pieces = content.split(b"\n")
    ended = [piece + b"\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
    return b"".join(ended[-lines:])

"""Lines without their escape sequences: what is searched is what is shown. Bytes in, bytes out."""

from __future__ import annotations

import re

# A character that is not ASCII.
_WIDE = (
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)

# Control sequences, strings such as titles and links, and the short ones; of one that is not finished, what there is.
_SEQUENCE = re.compile(
    rb"\x1b(?:\[[0-?]*+[ -/]*+[@-~]?|[\]PX^_](?:[^\x07\x1b\n\x80-\xff]|"
    + _WIDE
    + rb")*+(?:\x07|\x1b\\)?|[ -/]*+[0-~]?)"
)

# The same for RE2, and no less; without a group that captures.
SEQUENCE = r"\x1b(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)"


def plain(line: bytes) -> bytes:
    """A line without escape sequences and without carriage returns at its end."""
    return (_SEQUENCE.sub(b"", line) if b"\x1b" in line else line).rstrip(b"\r")

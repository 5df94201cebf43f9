"""Makes `logstream/web/static/width-tables.js` and `logstream/plain/width_tables.py` from Unicode's data.

Debian's package `unicode-data` has it.

python -m tests.web.make_width_tables [/usr/share/unicode]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "logstream" / "web" / "static" / "width-tables.js"
PYTHON_TABLES = ROOT / "logstream" / "plain" / "width_tables.py"
DATA = Path("/usr/share/unicode")

# How characters join, by the property Grapheme_Cluster_Break. Hangul's syllables follow from their numbers.
KINDS = {
    "Prepend": 1,
    "Extend": 2,
    "Regional_Indicator": 3,
    "SpacingMark": 4,
    "L": 5,
    "V": 6,
    "T": 7,
    "ZWJ": 10,
    "Extended_Pictographic": 11,
    "Control": 12,
}
WIDE = 16
ONE_COLUMN = 0x00AD  # the soft hyphen: a format character that terminals show

# Where a code point without a character yet is wide (the `@missing` lines of EastAsianWidth.txt).
WIDE_UNASSIGNED = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FFFD), (0x30000, 0x3FFFD))


def version(data: Path = DATA) -> str:
    """The version of Unicode that this data is of."""
    return re.findall(r"EastAsianWidth-([\d.]+)\.txt", (data / "EastAsianWidth.txt").read_text())[0]


def ranges(data: Path = DATA) -> list[tuple[int, int, int]]:
    """First and last code point of each range, and what holds for it."""
    values = bytearray(0x110000)
    for name in ("auxiliary/GraphemeBreakProperty.txt", "emoji/emoji-data.txt"):
        for first, last, value in _ranges(data / name):
            for code in range(first, last + 1):
                values[code] = KINDS.get(value, values[code])
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), ONE_COLUMN):
        values[code] = 0  # controls are the parser's
    for first, last in WIDE_UNASSIGNED:
        for code in range(first, last + 1):
            values[code] |= WIDE
    for first, last, value in _ranges(data / "EastAsianWidth.txt"):
        for code in range(first, last + 1):
            values[code] = values[code] | WIDE if value in ("W", "F") else values[code] & ~WIDE
    found: list[tuple[int, int, int]] = []
    first = 0
    for code in range(1, 0x110001):
        if code == 0x110000 or values[code] != values[first]:
            if values[first] != 0:
                found.append((first, code - 1, values[first]))
            first = code
    return found


def tables(data: Path = DATA) -> str:
    """The page's module."""
    words = [word for first, last, value in ranges(data) for word in (f"0x{first:x},", f"0x{last:x},", f"{value},")]
    return f"""// Made by tests/web/make_width_tables.py from the data of Unicode {version(data)}.

// First and last code point of a range, and what holds for it: a kind of `characters.js`, and 16 more for wide ones.
// What is in no range is narrow and joins nothing.
export const RANGES = [
{_filled("  ", words)}
];
"""


def python_tables(data: Path = DATA) -> str:
    """The command line's module."""
    return f'''"""Made by tests/web/make_width_tables.py from the data of Unicode {version(data)}."""

# First and last code point of a range, and what holds for it: a kind of `characters.py`, and 16 more for wide ones.
# What is in no range is narrow and joins nothing.
# fmt: off
RANGES = (
{_filled("    ", [f"(0x{first:x}, 0x{last:x}, {value})," for first, last, value in ranges(data)])}
)
'''


def _filled(indent: str, words: list[str]) -> str:
    """Lines of words."""
    lines = [indent + words[0]]
    for word in words[1:]:
        if len(lines[-1]) + len(word) > 117:
            lines.append(indent + word)
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)


def _ranges(path: Path) -> Iterator[tuple[int, int, str]]:
    """First code point, last one and value of each line of a file of Unicode's."""
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = [field.strip() for field in line.partition("#")[0].split(";")]
        if len(fields) >= 2:
            first, _, last = fields[0].partition("..")
            yield int(first, 16), int(last or first, 16), fields[1]


if __name__ == "__main__":
    TABLES.write_text(tables(*map(Path, sys.argv[1:2])))
    PYTHON_TABLES.write_text(python_tables(*map(Path, sys.argv[1:2])))

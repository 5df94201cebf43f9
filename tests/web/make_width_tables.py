"""Makes `logstream/web/static/width-tables.js` from Unicode's data, as Debian's package `unicode-data` has it.

python -m tests.web.make_width_tables [/usr/share/unicode]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "logstream" / "web" / "static" / "width-tables.js"
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


def tables(data: Path = DATA) -> str:
    """The module's text."""
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
    numbers: list[str] = []
    first = 0
    for code in range(1, 0x110001):
        if code == 0x110000 or values[code] != values[first]:
            if values[first] != 0:
                numbers += [f"0x{first:x}", f"0x{code - 1:x}", str(values[first])]
            first = code
    lines = [""]
    for number in numbers:
        if len(lines[-1]) + len(number) > 116:
            lines.append("")
        lines[-1] += f" {number}," if lines[-1] else f"  {number},"
    return f"""// Made by tests/web/make_width_tables.py from the data of Unicode {version(data)}.

// First and last code point of a range, and what holds for it: a kind of `characters.js`, and 16 more for wide ones.
// What is in no range is narrow and joins nothing.
export const RANGES = [
{chr(10).join(lines)}
];
"""


def _ranges(path: Path) -> Iterator[tuple[int, int, str]]:
    """First code point, last one and value of each line of a file of Unicode's."""
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = [field.strip() for field in line.partition("#")[0].split(";")]
        if len(fields) >= 2:
            first, _, last = fields[0].partition("..")
            yield int(first, 16), int(last or first, 16), fields[1]


if __name__ == "__main__":
    TABLES.write_text(tables(*map(Path, sys.argv[1:2])))

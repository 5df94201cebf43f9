"""A process that writes stamped lines to logs at a steady rate: `writer.py RATE COUNT SIZE FILE...`."""

from __future__ import annotations

import os
import sys
import time


def main() -> None:
    """Write COUNT lines of SIZE bytes in all, RATE of them a second, to the files in turn.

    Of more than a thousand a second, those of a millisecond are written in one go.
    """
    rate, count, size = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    files = [os.open(path, os.O_WRONLY | os.O_APPEND) for path in sys.argv[4:]]
    text = "größer als nötig ".encode() * (size // 19)
    early = 0.001 if rate > 1000 else 0.0
    begin = time.monotonic()
    for number in range(count):
        if (left := begin + number / rate - time.monotonic()) > early:
            time.sleep(left)
        os.write(files[number % len(files)], b"@%d@ %b\n" % (time.monotonic_ns(), text))


if __name__ == "__main__":
    main()

"""What a log says, as plain text: the lines that a terminal would have shown in the end. Pure: text in, text out.

A module each for how wide characters are, what a log is cut into, rows, the screen, what its sequences do, the lines
that have scrolled off it, and what `script` writes around a session. What the page's terminal shows is shown here, too.
The library that comes near (pyte) does not know which rows are one line, has no alternate screen and no clusters of
characters, stops with an error at sequences that tools do send, and takes minutes for 100 MB of coloured lines.
"""

from .text import MAX_COLUMNS, MIN_COLUMNS, PlainText

__all__ = ["MAX_COLUMNS", "MIN_COLUMNS", "PlainText"]

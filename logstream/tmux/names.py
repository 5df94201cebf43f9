"""What tmux makes of the name that a session is given, and how it writes that down. Pure."""

from __future__ import annotations

import os
import re

# What a "#" begins when tmux takes a name for a format, as it does when a session is made or renamed.
_FORMAT = re.compile(r"#+\[|#([#,}])|#([DFIPSTW])|#([Hh])|#[{(]")
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_C_ESCAPES = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"s": b" ", b"t": b"\t", b"v": b"\v"}


def possible_names(name: str) -> list[str]:
    """What tmux may call a session that was to have this name, the likelier first.

    It keeps "." and ":" for itself (up to version 3.6), and expands what begins with "#", unless whoever made the
    session has written "##" for it. Of "#{…}" and "#(…)" only tmux knows what they are: with those, only a session
    that was made with "##" is found.
    """
    names = [name, _without_separators(name)]
    if "#" in name:
        expanded = _expand(name)
        if expanded is not None:
            names += [expanded, _without_separators(expanded)]
    return [possible for possible in dict.fromkeys(names) if possible]


def decode_name(printed: bytes) -> str:
    r"""The name that tmux prints: in what it keeps, "\" is "\\", "$a" is "\$a" (in 3.3), unprintable is octal."""
    return _ESCAPE.sub(_unescape, printed).decode(errors="replace")


def _unescape(found: re.Match[bytes]) -> bytes:
    escaped = found[1]
    return bytes((int(escaped, 8) & 0xFF,)) if len(escaped) == 3 else _C_ESCAPES.get(escaped, escaped)


def _without_separators(name: str) -> str:
    return name.replace(".", "_").replace(":", "_")


def _expand(name: str) -> str | None:
    """A format's text where nobody is attached, as when a program makes a session; None where only tmux can tell."""
    if any(found[0] in ("#{", "#(") for found in _FORMAT.finditer(name)):
        return None
    return _FORMAT.sub(_replacement, name)


def _replacement(found: re.Match[str]) -> str:
    plain, unknown, host = found.groups()
    if plain is not None:
        return plain
    if unknown is not None:  # of a pane, a window or a session, and there is none yet
        return ""
    if host is not None:
        host_name = os.uname().nodename
        return host_name if host == "H" else host_name.partition(".")[0]
    return found[0]

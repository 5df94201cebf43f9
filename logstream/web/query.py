"""Options in the current request's address."""

from __future__ import annotations

import re

from flask import request

_MOST_DIGITS = 18
_MOMENT = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,9})?")


class OptionError(ValueError):
    """An option that makes no sense; its text is a sentence that says which."""


def number(name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
    """A whole number. Raises OptionError."""
    text = request.args.get(name)
    if text is None:
        return default
    value = int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else -1
    if value < least or (most is not None and value > most):
        bounds = f"from {least} to {most}" if most is not None else f"of {least} or more"
        raise OptionError(f"{name!r} must be a whole number {bounds}.")
    return value


def moment(name: str) -> int | None:
    """A time in milliseconds, which is given in seconds since the epoch; None where none is. Raises OptionError."""
    text = request.args.get(name)
    if text is None:
        return None
    if not _MOMENT.fullmatch(text):
        raise OptionError(f"{name!r} must be a time in seconds since 1970, such as 1767225600 or 1767225600.5.")
    return int(float(text) * 1000)


def flag(name: str) -> bool:
    """Whether something is wanted: 1, or 0 where it is not. Raises OptionError."""
    text = request.args.get(name, "0")
    if text not in ("0", "1"):
        raise OptionError(f"{name!r} must be 0 or 1.")
    return text == "1"


def check_options(*known: str) -> None:
    """Raises OptionError for an option that is none of these."""
    for name in request.args:
        if name not in (*known, "token"):
            raise OptionError(f"There is no option {name!r}: there are {', '.join(known)}.")

"""What all commands have in common: text as it was typed, and a sentence for whoever typed it."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TextIO

import click


def in_utf8(value: str) -> str:
    """A text as it was typed, in UTF-8 where the locale has no such characters. Raises click.BadParameter."""
    try:
        value.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(value).decode()
        except UnicodeError:
            raise click.BadParameter("it is not in UTF-8.") from None
    return value


def say(sentence: str) -> None:
    """Print a sentence on stderr."""
    try:
        click.echo(f"logstream: {sentence}", err=True)
    except OSError:  # it can be said to nobody, and Python would try again at its end
        _let_go(sys.stderr)


def check_output() -> None:
    """Raise OSError where there is no standard output."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def let_output_go(error: OSError) -> None:
    """Standard output takes nothing more: say why, unless its reader has left, and have Python not say it again."""
    if not isinstance(error, BrokenPipeError):
        say(f"The output cannot be printed: {error.strerror or error}.")
    _let_go(sys.stdout)


def _let_go(stream: TextIO | None) -> None:
    """What is printed there goes nowhere from now on."""
    with contextlib.suppress(OSError, ValueError):
        if stream is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

"""What all commands have in common: text as it was typed, and a sentence for whoever typed it."""

from __future__ import annotations

import os

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
    click.echo(f"logstream: {sentence}", err=True)

"""`python -m logstream …` is `logstream …`."""

from .cli import cli

cli(prog_name="logstream")

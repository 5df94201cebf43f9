"""Tests of what a session's page shows of real tools, beside what a pane of tmux shows of the same bytes."""

from __future__ import annotations

import gzip
import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..browser import Opening
from ..serving import ServerProcess, wait_until
from ..tmux.tmuxserver import TmuxServer, needs_tmux
from .record_sessions import COLUMNS, RECORDINGS, ROWS

pytestmark = [needs_tmux, pytest.mark.parametrize("server", ["gunicorn"], indirect=True)]

PANES = itertools.count()


@pytest.fixture(scope="module")
def tmux() -> Iterator[TmuxServer]:
    """tmux for all tests, with a socket whose path is short enough."""
    with tempfile.TemporaryDirectory(prefix="tmux-") as directory:
        made = TmuxServer(Path(directory, "socket"))
        yield made
        made.close()


def recorded(name: str) -> tuple[bytes, bytes]:
    """The first line of a recording, and what the tool has written."""
    header, _, rest = gzip.decompress((RECORDINGS / f"{name}.out.gz").read_bytes()).partition(b"\n")
    return header + b"\n", rest.rpartition(b"\nScript done on ")[0]


def lines_of(text: str) -> list[str]:
    """Its lines without blanks at the end, nor blank lines there."""
    return "\n".join(line.rstrip(" ") for line in text.split("\n")).rstrip("\n").split("\n")


def in_tmux(tmux: TmuxServer, output: bytes, directory: Path) -> list[str]:
    """What a pane has when it was given this output: what has scrolled off too, and a line that has wrapped as one."""
    file = directory / "output"
    file.write_bytes(output)
    pane = f"pane-{next(PANES)}"
    played = f"tmux -S {tmux.socket} wait-for -S {pane}"
    command = f"stty raw -echo; cat {file}; {played}; exec sleep 60"
    tmux.begin(pane, command, "-x", str(COLUMNS), "-y", str(ROWS))
    tmux.run("wait-for", pane)
    found: list[str] = []

    def is_settled() -> bool:
        """`cat` may be through before tmux has read all of it."""
        before = found.copy()
        found[:] = lines_of(tmux.run("capture-pane", "-p", "-J", "-S", "-", "-t", f"={pane}:"))
        return found == before

    wait_until(is_settled)
    return found


@pytest.mark.parametrize(
    ("name", "share"),
    [("apt", 0.5), ("apt", 1), ("htop", 0.5), ("ink", 0.5), ("ink", 1), ("jest", 0.5), ("jest", 1), ("vitest", 0.5)],
)
def test_a_tool_looks_as_in_tmux(
    open_page: Opening, server: ServerProcess, tmux: TmuxServer, tmp_path: Path, name: str, share: float
) -> None:
    """While it runs, after a share of its output, and when it has ended."""
    header, output = recorded(name)
    part = output[: int(share * len(output))]
    session = f"{name}-{share}"
    server.log(session).write_bytes(header + part)
    page = open_page(session)
    expected = in_tmux(tmux, part, tmp_path)
    assert len(expected) > 1
    page.await_state("live")
    assert lines_of(page.text()) == expected

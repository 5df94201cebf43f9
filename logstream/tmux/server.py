"""Asking a tmux server which sessions there are."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .names import decode_name
from .processes import Process

_TIMEOUT = 5.0  # seconds that tmux has to answer
_NOBODY = ("no server running", "server exited", "lost server", "No such file or directory", "Connection refused")

# What is asked of a pane; its exit status comes last, since it is empty while its program runs.
_PANE = (
    "#{session_id} #{pane_id} #{pane_dead} #{pane_pid} #{pane_width} #{pane_height} "
    "#{pane_pipe} #{window_active} #{pane_active} #{pane_dead_status}"
)

# The lines of an answer. A command that fails ends the rest: without sessions, tmux refuses to list panes.
_QUESTION = (
    *("display-message", "-p", "server #{pid}", ";"),
    *("list-sessions", "-F", "session #{session_id} #{session_created} #{session_name}", ";"),
    *("display-message", "-p", "sessions", ";"),
    *("list-panes", "-a", "-F", f"pane {_PANE}", ";"),
    *("display-message", "-p", "panes"),
)


class TmuxError(Exception):
    """tmux did not say which sessions there are."""


class NobodyError(TmuxError):
    """There is no tmux, or no server of it at this socket, as far as one can see."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a tmux server."""

    number: str  # which outlives a change of name
    name: str
    created: int  # seconds since the epoch
    panes: Mapping[str, int | None]  # the number of each, and its process, if that runs
    # Of the pane that is piped, as `pipe-pane` does to write a log; else of the active one:
    size: tuple[int, int] | None = None  # columns and rows
    exit_status: int | None = None  # of its program, where that has ended and tmux keeps the pane (`remain-on-exit`)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tmux server has said."""

    server: Process
    sessions: Mapping[str, Session]  # by number


def ask(socket: str | None) -> Answer:
    """Have a tmux server tell its sessions; `socket` is its socket's name or path, None for the default one.

    Raises NobodyError where there is none, and TmuxError for any other failure. Takes five seconds at most.
    """
    path = socket_path(socket)
    try:
        os.stat(path)  # which costs less than asking in vain
    except (FileNotFoundError, NotADirectoryError):
        raise NobodyError(f"there is no socket {path}") from None
    except OSError:
        pass  # tmux says it better
    program = shutil.which("tmux")
    if program is None:
        raise NobodyError("tmux is not installed")
    environment = {key: value for key, value in os.environ.items() if key != "TMUX"}  # it may lead to another server
    try:
        ran = subprocess.run(
            [program, "-u", "-S", path, *_QUESTION],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TmuxError(f"it has said nothing for {_TIMEOUT:g} seconds") from None
    except OSError as error:
        raise TmuxError(str(error)) from None
    answer = _parse(ran.stdout)
    if answer is None:
        problem = ran.stderr.decode(errors="replace").strip() or f"it ended with exit code {ran.returncode}"
        raise (NobodyError if any(sign in problem for sign in _NOBODY) else TmuxError)(problem)
    return answer


def _parse(output: bytes) -> Answer | None:
    """An answer, if it is whole."""
    lines = output.splitlines()
    words = [line.split(b" ", 4) for line in lines]
    server = next((int(line[1]) for line in words if line[0] == b"server"), None)
    sessions = [line.split(b" ", 3) for line in lines if line.startswith(b"session ")]
    if server is None or b"sessions" not in lines or (sessions and b"panes" not in lines):
        return None
    panes: dict[bytes, list[_Pane]] = {line[1]: [] for line in sessions}
    for line in lines:
        if line.startswith(b"pane ") and (pane := _Pane.parse(line)).session in panes:
            panes[pane.session].append(pane)
    return Answer(
        Process.find(server, "tmux"),
        {
            number.decode(): _session(number.decode(), decode_name(name), int(created), panes[number])
            for _, number, created, name in sessions
        },
    )


@dataclass(frozen=True, slots=True)
class _Pane:
    session: bytes
    number: str
    process: int | None
    size: tuple[int, int]
    rank: tuple[bool, bool, bool]  # piped, in the active window, active in its window
    exit_status: int | None

    @classmethod
    def parse(cls, line: bytes) -> _Pane:
        _, session, number, dead, pid, width, height, piped, window, active, *status = line.split(b" ")
        return cls(
            session,
            number.decode(),
            int(pid) if dead == b"0" else None,
            (int(width), int(height)),
            (piped == b"1", window == b"1", active == b"1"),
            int(status[0]) if dead == b"1" and status and status[0] else None,
        )


def _session(number: str, name: str, created: int, panes: Sequence[_Pane]) -> Session:
    processes = {pane.number: pane.process for pane in panes}
    if not panes:
        return Session(number, name, created, processes)
    first = max(panes, key=lambda pane: pane.rank)
    return Session(number, name, created, processes, first.size, first.exit_status)


def socket_path(socket: str | None) -> str:
    """Where tmux has the socket of this name."""
    if socket and "/" in socket:
        return socket
    places = (os.environ.get("TMUX_TMPDIR"), "/tmp")
    base = next((place for place in places if place and os.path.isdir(place)), "/tmp")
    return os.path.join(base, f"tmux-{os.getuid()}", socket or "default")

"""Asking a tmux server which sessions there are."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from .names import decode_name
from .processes import Process

_TIMEOUT = 5.0  # seconds that tmux has to answer
_NOBODY = ("no server running", "server exited", "lost server", "No such file or directory", "Connection refused")

# The lines of an answer. A command that fails ends the rest: without sessions, tmux refuses to list panes.
_QUESTION = (
    *("display-message", "-p", "server #{pid}", ";"),
    *("list-sessions", "-F", "session #{session_id} #{session_created} #{session_name}", ";"),
    *("display-message", "-p", "sessions", ";"),
    *("list-panes", "-a", "-F", "pane #{session_id} #{pane_id} #{pane_dead} #{pane_pid}", ";"),
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tmux server has said."""

    server: Process
    sessions: Mapping[str, Session]  # by number


def ask(socket: str | None) -> Answer:
    """Have a tmux server tell its sessions; `socket` is its socket's name or path, None for the default one.

    Raises NobodyError where there is none, and TmuxError for any other failure. Takes five seconds at most.
    """
    path = _socket_path(socket)
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
    panes: dict[bytes, dict[str, int | None]] = {line[1]: {} for line in sessions}
    for line in words:
        if line[0] == b"pane" and line[1] in panes:
            panes[line[1]][line[2].decode()] = int(line[4]) if line[3] == b"0" else None
    return Answer(
        Process.find(server, "tmux"),
        {
            number.decode(): Session(number.decode(), decode_name(name), int(created), panes[number])
            for _, number, created, name in sessions
        },
    )


def _socket_path(socket: str | None) -> str:
    """Where tmux has the socket of this name."""
    if socket and "/" in socket:
        return socket
    places = (os.environ.get("TMUX_TMPDIR"), "/tmp")
    base = next((place for place in places if place and os.path.isdir(place)), "/tmp")
    return os.path.join(base, f"tmux-{os.getuid()}", socket or "default")

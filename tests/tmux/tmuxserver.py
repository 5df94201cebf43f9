"""A tmux server of a test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux: apt-get install tmux")
needs_ps = pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps: apt-get install procps")


class TmuxServer:
    """Runs commands on a server with a socket of its own, and ends it."""

    def __init__(self, socket: Path) -> None:
        self.socket = str(socket)

    def run(self, *arguments: str) -> str:
        """A command's output; it has to succeed."""
        ran = self.attempt(*arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.decode()

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """A command that may fail."""
        environment = {key: value for key, value in os.environ.items() if key != "TMUX"}
        return subprocess.run(
            ["tmux", "-u", "-f", "/dev/null", "-S", self.socket, *arguments],
            env=environment | {"LC_ALL": "C.UTF-8", "SHELL": "/bin/sh"},
            check=False,
            capture_output=True,
            timeout=10,
        )

    def begin(self, name: str, command: str = "sleep 60", *arguments: str) -> None:
        """Start a session."""
        self.run("new-session", "-d", *arguments, "-s", name, command)

    def end(self, name: str) -> None:
        """End a session, by the name that tmux has for it."""
        self.run("kill-session", "-t", f"={name}")

    def pid(self) -> int:
        """The server's process."""
        return int(self.run("display-message", "-p", "#{pid}"))

    def close(self) -> None:
        """End the server with all its sessions, if it is there."""
        self.attempt("kill-server")

"""Tests of the commands that are forks of a loaded process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from . import warm
from .processes import parent_of
from .serving import PATIENCE, ROOT, count_descriptors


@pytest.mark.parametrize("arguments", [("--version",), ("sessions", "--url", "größer://x"), ("nonsense",)])
def test_a_fork_is_what_is_started_anew(arguments: tuple[str, ...]) -> None:
    """It prints the same to the same places, and ends the same."""
    command = [sys.executable, "-m", "logstream", *arguments]
    anew = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    fork = warm.run(command, cwd=ROOT, env=os.environ, timeout=PATIENCE)
    assert (fork.stdout, fork.stderr, fork.returncode) == (anew.stdout, anew.stderr, anew.returncode)


def test_a_fork_is_a_child_of_this_process_with_nothing_of_the_loaded_one() -> None:
    """It has its three files and its connection, no other, and can be waited for and killed as any."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "logstream", "sessions"]
        with warm.Popen(command, cwd=ROOT, env=os.environ | {"LOGSTREAM_URL": url}) as process:
            sock, _ = listener.accept()
            with sock:
                assert sock.recv(1)
                assert parent_of(process.pid) == os.getpid()
                assert count_descriptors(process.pid) == 4
                process.kill()
                assert process.wait(PATIENCE) == -9

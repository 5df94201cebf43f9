"""A real session, as the people it is for have it: tmux, and `script` that writes what the terminal shows."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .serving import ServerProcess, wait_until
from .viewer import Viewer

if shutil.which("tmux") is None or shutil.which("script") is None:
    pytest.skip("needs tmux and script: apt-get install tmux bsdutils", allow_module_level=True)

# Colours, box drawing, a progress bar that overwrites itself, and characters of every width.
SHOW = r"""
printf '\033[1;32m┌─ größer ─┐\033[0m\n'
for i in 1 2 3 4 5 6 7 8 9 10; do printf '\r[%-10s] %3d%%' "$(printf '█%.0s' $(seq $i))" $((i * 10)); sleep 0.03; done
printf '\n\033[38;5;208m日本語 😀\033[0m\n└──────────┘\nlast line\n'
"""


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[bytes]]]:
    """Runs tmux commands on a server of the test's own."""
    socket = f"logstream-{uuid.uuid4().hex}"
    environment = {key: value for key, value in os.environ.items() if key != "TMUX"}

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["tmux", "-u", "-f", "/dev/null", "-L", socket, *arguments],
            env=environment | {"LC_ALL": "C.UTF-8", "SHELL": "/bin/sh"},
            check=False,
            capture_output=True,
            timeout=10,
        )

    yield run
    run("kill-server")


def test_a_tmux_session_is_followed_from_its_first_byte_to_its_completion(
    server: ServerProcess,
    view: Callable[..., Viewer],
    session: str,
    log: Path,
    tmux: Callable[..., subprocess.CompletedProcess[bytes]],
    tmp_path: Path,
) -> None:
    """What the terminal showed arrives as it was written: escapes, overwritten progress, wide characters."""
    program, done = tmp_path / "show.sh", tmp_path / "done"
    program.write_text(SHOW)
    viewer = view()
    viewer.subscribe(session)
    assert viewer.receive()["data"] == ""
    command = f"script -qf -c 'sh {program}' {log}; touch {done}"
    started = tmux("new-session", "-d", "-s", "build", command)
    assert started.returncode == 0, started.stderr
    viewer.read_until(lambda: "last line" in viewer.texts[session], 20)
    wait_until(done.exists)  # `script` has written its own last line
    server.complete(session)
    viewer.read_until(lambda: viewer.messages[-1]["isComplete"])
    assert viewer.texts[session] == log.read_bytes().decode()
    assert len(viewer.messages) > 5  # it came live, not at the end
    for shown in ("\x1b[1;32m┌─ größer ─┐\x1b[0m", "\r[██████████] 100%", "日本語 😀", "└──────────┘\r\nlast line"):
        assert shown in viewer.texts[session]

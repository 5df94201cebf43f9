"""Where a page's commands are run: as on a machine of its reader's, with nothing but what the page says is there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..fleet.fleetparts import free_port
from ..serving import PATIENCE, ROOT
from .blocks import Block

_SERVES = ("logstream serve", "gunicorn -c")  # what begins so, and ends a block, goes on until the page's end
_MARK = "\x1e"  # stands in the output where a block ends
_SHORTER = {"seq 60": "seq 3", "sleep 1;": "sleep 0.1;"}
# What a virtual environment is made by: this one is there, made by the same command.
MADE = "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt && "


class Scene:
    """A home, a directory for logs, and a `PATH` with the commands that an installation brings."""

    def __init__(self, base: Path, address: str, tmux_socket: Path, python: str | None = None) -> None:
        """With a `python` that has logstream installed, it knows nothing of this checkout but its wsgi.py."""
        self.base = base
        self.home = base / "home"
        self.logs = base / "sessions"
        self.port, self._redis_port = int(address.rpartition(":")[2]), free_port()
        self._bin = base / "bin"
        for directory in (self.home, self.logs, self._bin):
            directory.mkdir()
        self._add("logstream", f'exec "{python or sys.executable}" -m logstream "$@"')
        self._add("gunicorn", f'exec "{python or sys.executable}" -m gunicorn "$@"')
        self._add("python", f'exec "{python or sys.executable}" "$@"')
        shutil.copy(ROOT / "wsgi.py", self.home)
        self._paths = {} if python else {"PYTHONPATH": str(ROOT)}
        self._add("pip", "")  # what it would install is there
        self._tmux_socket = tmux_socket
        self._add("tmux", f'exec "{shutil.which("tmux")}" -f /dev/null -S "{tmux_socket}" "$@"')

    @property
    def url(self) -> str:
        """The server's address in it."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What is set in it."""
        return {
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "SHELL": "/bin/sh",
            **self._paths,
            "LOGSTREAM_TMUX": str(self._tmux_socket),
            "LOGSTREAM_DIRECTORY": str(self.logs),
            "LOGSTREAM_BIND": f"127.0.0.1:{self.port}",
            "LOGSTREAM_URL": self.url,
        }

    def adapt(self, text: str) -> str:
        """A block's text with its own addresses, directories and times in place of those that a reader has."""
        text = re.sub("/tmp/(?:saga-(?=sessions))?", f"{self.base}/", text.replace(MADE, ""))
        text = text.replace(":8000", f":{self.port}").replace("6390", str(self._redis_port))
        text = text.replace(".venv/bin/", f"{self._bin}/")
        for long, short in _SHORTER.items():
            text = text.replace(long, short)
        return text

    def as_shown(self, output: str) -> str:
        """What was printed, with a reader's address of the server and directory again."""
        return output.replace(f":{self.port}", ":8000").replace(str(self.logs), "/tmp/saga-sessions")

    def run(self, shown: Sequence[Block]) -> list[str]:
        """Run blocks of shell commands one after the other, in one shell; what each of them prints on stdout.

        A server that a block starts is there until the last one has ended, as in a reader's other terminal.
        """
        script = ["set -euo pipefail"]
        for block in shown:
            script += [f"# {block.place}", self._in_shell(block), f"printf '{_MARK}'"]
        ran = subprocess.Popen(
            ["timeout", f"{3 * PATIENCE:.0f}", "bash", "-c", "\n".join(script)],
            cwd=self.home,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(self.base / "stderr").open("wb"),
            text=True,
            start_new_session=True,
        )
        outputs: list[str] = []
        try:
            assert ran.stdout is not None
            text = ""
            while len(outputs) < len(shown) and (piece := ran.stdout.read(1)):
                text += piece
                if piece == _MARK:
                    outputs.append(text[:-1])
                    text = ""
            said = (self.base / "stderr").read_text()
            assert len(outputs) == len(shown), f"{shown[len(outputs)].place} fails:\n{text}\n{said}"
        finally:
            os.killpg(ran.pid, signal.SIGKILL)
            ran.communicate(timeout=PATIENCE)
        return outputs

    def _in_shell(self, block: Block) -> str:
        text = self.adapt(block.text)
        if block.language == "console":  # commands that may fail, and what they say, on whatever stream
            return re.sub(
                r"^\$ (.*)$|^.*$", lambda found: f"{found[1]} 2>&1 || true" if found[1] else "", text, flags=re.M
            )
        last = text.rstrip().splitlines()[-1]
        if any(serves in last for serves in _SERVES) and not last.endswith(("&", "true")):
            ready = f"until curl -s -o {self.base}/ready {self.url}/healthz; do sleep 0.05; done"
            return f"{text.rstrip()} >&2 &\n{ready}"
        if "script -q" in text:  # a reader takes a moment, too
            return f'{text}until grep -qs 20 "{self.logs}/build.out"; do sleep 0.05; done'
        return text

    def _add(self, name: str, command: str) -> None:
        path = self._bin / name
        path.write_text(f"#!/bin/sh\n{command}\n")
        path.chmod(0o755)

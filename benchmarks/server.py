"""A server under measurement, as a subprocess, and what the kernel says that it uses."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """logstream under gunicorn on a free port, with a directory of its own for logs."""

    def __enter__(self) -> Server:
        self._temporary = tempfile.TemporaryDirectory(prefix="logstream-benchmark-")
        self.directory = Path(self._temporary.name) / "sessions"
        self.directory.mkdir()
        self._output = Path(self._temporary.name) / "server.log"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "python:logstream.gunicorn_conf", "wsgi:app"],
                cwd=_ROOT,
                env=os.environ | {"LOGSTREAM_DIRECTORY": str(self.directory), "LOGSTREAM_BIND": "127.0.0.1:0"},
                stdout=output,
                stderr=output,
            )
        self.port = int(self._said(r"Listening at: http://127\.0\.0\.1:(\d+)"))
        self.pid = int(self._said(r"Booting worker with pid: (\d+)"))
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._process.terminate()
        self._process.wait(10)
        self._temporary.cleanup()

    def _said(self, pattern: str) -> str:
        """What the server's log says, once it says so."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if found := re.search(pattern, self._output.read_text()):
                return found[1]
            time.sleep(0.02)
        raise RuntimeError(f"the server did not start:\n{self._output.read_text()}")

    def log(self, session: str) -> Path:
        """The path of a session's log."""
        return self.directory / f"{session}.out"

    def cpu(self) -> float:
        """Seconds of CPU that the worker has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def threads(self) -> int:
        """How many threads the worker has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def descriptors(self) -> int:
        """How many descriptors the worker has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def watches(self) -> int:
        """How many inotify watches the worker holds."""
        count = 0
        for entry in Path(f"/proc/{self.pid}/fdinfo").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                count += entry.read_text().count("inotify wd:")
        return count

    def memory(self) -> int:
        """The bytes of memory that the worker has in use."""
        return self._status("VmRSS")

    def peak_memory(self) -> int:
        """The most memory in bytes that the worker has had in use since the last reset."""
        return self._status("VmHWM")

    def reset_peak_memory(self) -> None:
        """Begin a new measurement of the peak."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def _status(self, key: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{key}:\s+(\d+) kB", status, re.MULTILINE)
        assert found, key
        return int(found[1]) * 1024

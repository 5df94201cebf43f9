"""The servers under measurement, each a subprocess on a free port, and what the kernel says that they use."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from . import processes

_ROOT = Path(__file__).resolve().parent.parent
_PEERS = Path(__file__).parent / "peers"
_NODE_PEER = _PEERS / "node-chokidar"
_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
_ENOUGH = 1024  # inotify instances for websocketd, whose tails look once a second without one


class Server:
    """A process that serves the logs of a directory of its own. A context manager."""

    name = ""
    speaks_protocol = True  # or else follows the session "log" for whoever connects

    @classmethod
    def missing(cls) -> str | None:
        """How to install what it needs, where that is not there."""
        return None

    def command(self) -> Sequence[str]:
        """What runs it."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """What it is told by variables."""
        return {}

    def __enter__(self) -> Server:
        self._temporary = tempfile.TemporaryDirectory(prefix="logstream-benchmark-")
        self.directory = Path(self._temporary.name) / "sessions"
        self.directory.mkdir()
        self.log("log").touch()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._output = Path(self._temporary.name) / "server.log"
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._temporary.cleanup()

    def start(self) -> None:
        """Start it, perhaps again, at its port."""
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                self.command(),
                cwd=_ROOT,
                env=os.environ | self.environment(),
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that its children can be found, and end with it
            )
        self._await_start()
        self.pid = self.find_worker()

    def kill(self) -> None:
        """End it at once, with its children."""
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def is_there(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    def resident(self) -> int:
        """The bytes of memory that all of its processes have in use."""
        count = 0
        for pid in processes.of_session(self._process.pid):
            with contextlib.suppress(OSError):  # it has ended since
                count += processes.resident(pid)
        return count

    def find_worker(self) -> int:
        """The process that does the work."""
        return self._process.pid

    def _await_start(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} did not start:\n{self._output.read_text()}")

    def log(self, session: str) -> Path:
        """The path of a session's log."""
        return self.directory / f"{session}.out"

    def cpu(self) -> float:
        """Seconds of CPU that it has used, with its children."""
        return sum(map(processes.cpu_seconds, processes.of_session(self._process.pid)))

    def threads(self) -> int:
        """How many threads the worker has."""
        return processes.threads(self.pid)

    def descriptors(self) -> int:
        """How many descriptors the worker has open."""
        return processes.descriptors(self.pid)

    def watches(self) -> int:
        """How many inotify watches the worker holds."""
        return processes.watches(self.pid)

    def memory(self) -> int:
        """The bytes of memory that the worker has in use."""
        return processes.resident(self.pid)

    def peak_memory(self) -> int:
        """The most memory in bytes that the worker has had in use since the last reset."""
        return processes.peak(self.pid)

    def reset_peak_memory(self) -> None:
        """Begin a new measurement of the peak."""
        processes.reset_peak(self.pid)


class Logstream(Server):
    """Ours, under gunicorn as the Procfile has it."""

    name = "logstream"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "gunicorn", "-c", "python:logstream.gunicorn_conf", "wsgi:app"]

    def environment(self) -> dict[str, str]:
        return {"LOGSTREAM_DIRECTORY": str(self.directory), "LOGSTREAM_BIND": f"127.0.0.1:{self.port}"}

    def find_worker(self) -> int:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if found := re.search(r"Booting worker with pid: (\d+)", self._output.read_text()):
                return int(found[1])
            time.sleep(0.02)
        raise RuntimeError(self._output.read_text())


class LogstreamWorkers(Logstream):
    """Ours, with four workers."""

    name = "logstream, 4 workers"
    workers = 4

    def environment(self) -> dict[str, str]:
        return super().environment() | {"WEB_CONCURRENCY": f"{self.workers}"}

    def find_worker(self) -> int:
        """One of them, when all are there."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz") as answer:
                if json.load(answer).get("workers") == self.workers:
                    return super().find_worker()
            time.sleep(0.02)
        raise RuntimeError(self._output.read_text())


class LogstreamTwo(LogstreamWorkers):
    """Ours, with two workers."""

    name = "logstream, 2 workers"
    workers = 2


class NodePeer(Server):
    """The same protocol on Node, with ws and chokidar."""

    name = "node"

    @classmethod
    def missing(cls) -> str | None:
        if shutil.which("node") and (_NODE_PEER / "node_modules").is_dir():
            return None
        return "npm install --prefix benchmarks/peers/node-chokidar"

    def command(self) -> Sequence[str]:
        return ["node", str(_NODE_PEER / "server.mjs")]

    def environment(self) -> dict[str, str]:
        return {"LOG_DIR": str(self.directory), "PORT": str(self.port)}


class Websocketd(Server):
    """websocketd with a `tail -F` for every viewer: one message for each line."""

    name = "websocketd"
    speaks_protocol = False

    @classmethod
    def missing(cls) -> str | None:
        return None if shutil.which("websocketd") else "apt-get install websocketd"

    def __enter__(self) -> Server:
        self._instances = allow_instances()
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if self._instances is not None:
            _INSTANCES.write_text(self._instances)

    def command(self) -> Sequence[str]:
        options = [f"--port={self.port}", "--address=127.0.0.1", "--loglevel=error"]
        return ["websocketd", *options, "tail", "-n", "+1", "-F", str(self.log("log"))]


class BareLoop(Server):
    """The limit: a loop that sends a frame that is ready to as many sockets as there are, and does nothing else."""

    name = "bare loop"
    speaks_protocol = False

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "benchmarks.bare", str(self.port), str(self.log("log"))]


class SendFile(Server):
    """The limit of a first load: the file's bytes as one frame, by `sendfile`, and nothing else."""

    name = "sendfile"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "benchmarks.sendfile", str(self.port), str(self.directory)]


def allow_instances() -> str | None:
    """Have as many inotify instances as 500 tails take; returns how many there were, None where nothing changed."""
    before = _INSTANCES.read_text()
    if int(before) >= _ENOUGH:
        return None
    try:
        _INSTANCES.write_text(f"{_ENOUGH}")
    except OSError:
        return None
    return before


class FlaskRoute(Server):
    """What one writes first: a Flask route that streams the file's lines."""

    name = "Flask route"
    speaks_protocol = False

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "flask", "--app", str(_PEERS / "flask-route" / "app.py"), "run", f"-p{self.port}"]

    def environment(self) -> dict[str, str]:
        return {"LOG": str(self.log("log"))}


class Frontail(Server):
    """frontail, as it comes: the last ten lines, and what a `tail -F` for all says then."""

    name = "frontail"
    speaks_protocol = False

    @classmethod
    def missing(cls) -> str | None:
        if shutil.which("node") and (_PEERS / "frontail" / "node_modules").is_dir():
            return None
        return "npm install --prefix benchmarks/peers/frontail"

    def command(self) -> Sequence[str]:
        program = str(_PEERS / "frontail" / "node_modules" / "frontail" / "bin" / "frontail")
        options = ["--disable-usage-stats", "--host", "127.0.0.1", "--port", str(self.port)]
        return ["node", program, *options, str(self.log("log"))]


class Tailon(Server):
    """tailon, as it comes: the last ten lines, and what a `tail -F` for each viewer says then."""

    name = "tailon"
    speaks_protocol = False

    @classmethod
    def missing(cls) -> str | None:
        if (_PEERS / "tailon" / ".venv").is_dir():
            return None
        directory = "benchmarks/peers/tailon"
        return f"python3 -m venv {directory}/.venv && {directory}/.venv/bin/pip install -r {directory}/requirements.txt"

    def command(self) -> Sequence[str]:
        python = str(_PEERS / "tailon" / ".venv" / "bin" / "python")
        return [python, str(_PEERS / "tailon" / "start.py"), "-b", f"127.0.0.1:{self.port}", "-f", str(self.log("log"))]

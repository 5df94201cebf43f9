"""Real servers as subprocesses, and what the kernel knows of them."""

from __future__ import annotations

import contextlib
import gc
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from logstream.testing import leftovers

from . import warm, without_linux
from .processes import parent_of
from .stopwatch import Stopwatch

Starting = Callable[..., "ServerProcess"]  # the type of the fixture `start`

ROOT = Path(__file__).resolve().parent.parent

COMMANDS = {
    "gunicorn": ["-m", "gunicorn", "-c", "python:logstream.gunicorn_conf", "wsgi:app"],
    "flask": ["-m", "flask", "--app", "wsgi", "run", "--port", "0"],
}

PATIENCE = 30.0  # seconds after which it is given up to wait for what no time is promised for


def wait_until(condition: Callable[[], object], timeout: float = PATIENCE) -> None:
    """Await a condition; fail where it does not come true in so many seconds of a machine that is ours."""
    watch = Stopwatch() if timeout < PATIENCE else None  # a look costs some time itself
    deadline = time.monotonic() + timeout
    pause = 0.005
    while not condition():
        assert time.monotonic() < deadline or (watch and watch.seconds() < timeout), "waited in vain"
        time.sleep(pause)
        pause = min(0.05, 1.25 * pause)  # to ask a page or a server is work for it, too


# Before a command: what permissions forbid is forbidden to it, also where root runs the tests.
AS_ANYONE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()

# Before a server's command, where the tests are run so.
PREFIX = (sys.executable, "-m", "tests.without_linux") if os.environ.get(without_linux.VARIABLE) else ()


class Answer(NamedTuple):
    """What a server says to an HTTP request."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class ServerProcess:
    """One server on a free port of 127.0.0.1, with a directory of its own for logs."""

    def __init__(
        self, kind: str, base: Path, *, app: str = "wsgi", prefix: Sequence[str] = (), **environment: str
    ) -> None:
        """Start it; `app` is a module with the application, and `prefix` a command that runs the server."""
        self.kind = kind
        self.directory = base / "sessions"
        self.directory.mkdir(exist_ok=True)
        self._output = base / "server.log"
        variables = {
            "LOGSTREAM_DIRECTORY": str(self.directory),
            "LOGSTREAM_BIND": "127.0.0.1:0",
            "LOGSTREAM_TMUX": "off",  # or who runs the tests would have their own sessions looked at
        }
        with self._output.open("wb") as output:
            self.process = warm.Popen(
                [*prefix, *PREFIX, sys.executable, *(part.replace("wsgi", app) for part in COMMANDS[kind])],
                cwd=ROOT,
                env=os.environ | variables | environment,
                stdout=output,
                stderr=output,
            )
        self.port = int(self._said(r"(?:Listening at: |Running on )http://[\d.]+:(\d+)"))
        self.pid = int(self._said(r"Booting worker with pid: (\d+)")) if kind == "gunicorn" else self.process.pid

    def output(self) -> str:
        """All that the server has printed so far."""
        return self._output.read_text()

    def _said(self, pattern: str) -> str:
        wait_until(lambda: re.search(pattern, self.output()) or self.process.poll() is not None)
        found = re.search(pattern, self.output())
        assert found, self.output()
        return found[1]

    def workers(self) -> list[int]:
        """gunicorn's worker processes, of which there may be several."""
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    @contextlib.contextmanager
    def asking(self, worker: int) -> Iterator[None]:
        """Have this one of several workers answer all requests: the others stand still meanwhile."""
        others = [one for one in self.workers() if one != worker]
        for one in others:
            os.kill(one, signal.SIGSTOP)
        try:
            yield
        finally:
            for one in others:
                os.kill(one, signal.SIGCONT)

    def log(self, session: str) -> Path:
        """The path of a session's log."""
        return self.directory / f"{session}.out"

    def request(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """An HTTP request's status and body."""
        answer = self.fetch(path, method, headers)
        return answer.status, answer.body.decode()

    def fetch(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> Answer:
        """An HTTP request's whole answer, which may be a redirection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def begin(self, path: str) -> socket.socket:
        """Ask, and read no more than that the answer has begun."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", self.port))
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert sock.recv(12) == b"HTTP/1.1 200"
        return sock

    def complete(self, session: str) -> None:
        """Tell the server that a session is complete."""
        assert self.request(f"/sessions/{session}/complete", "POST")[0] == 204

    def threads(self) -> int:
        """How many threads it has."""
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def descriptors(self) -> int:
        """How many descriptors it has open."""
        return count_descriptors(self.pid)

    def memory(self) -> int:
        """The most bytes of memory that it has had in use."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024

    def resident(self) -> int:
        """How many bytes of memory it has in use now."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024

    def watches(self) -> int:
        """How many inotify watches it holds."""
        return count_watches(self.pid)

    def stop(self) -> str:
        """End it, and return all that it has printed."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return self.output()

    def end(self) -> None:
        """End it, if it is still there."""
        if self.process.poll() is None:
            self.stop()

    def kill_all(self) -> None:
        """End it and all of its workers at once."""
        os.kill(self.process.pid, signal.SIGSTOP)  # so that it starts no further worker
        for worker in self.workers():
            os.kill(worker, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def kill(self) -> None:
        """End it at once, if it is still there."""
        if self.process.poll() is None:
            if parent_of(self.pid) == self.process.pid:  # or else it has been replaced since
                os.kill(self.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()


def count_descriptors(pid: int | str = "self") -> int:
    """How many descriptors a process has open."""
    if pid == "self":
        gc.collect()  # what an earlier test's errors still hold is not this one's
    return leftovers.count_descriptors(pid)


count_watches = leftovers.count_watches

"""Commands of ours that need not load Python and what they import: each is a fork of a process that has done so.

It has imported modules and begun nothing: it has one thread, and has read no setting of ours. What it forks is a child
of this process, and runs a module as `python -m` does, in the environment and with the files that it was given.
With PYTEST_FRESH in the environment, or anything but our settings that differs, Python is started anew.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import importlib
import json
import os
import runpy
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

_MODULES = ("gunicorn", "flask", "logstream")  # that are run so
_LOADED = (
    *("logstream.cli", "logstream.tail", "logstream.server.worker", "logstream.server.shared_metrics"),
    *("logstream.server.shutdown", "logstream.server.app", "gunicorn.app.wsgiapp", "gunicorn.arbiter", "flask.cli"),
    *("logstream.fleet.dashboard", "logstream.fleet.ship", "concurrent.futures.thread"),
)
# Variables that are read when something begins, and not as it is imported: gunicorn reads some of its own so.
_FREE = ("LOGSTREAM_", "PYTEST_", "GUNICORN_CMD_ARGS", "TERM", "SAGA_SESSION_DIR")
_ADOPT = 36  # PR_SET_CHILD_SUBREAPER


class Popen(subprocess.Popen[Any]):
    """As subprocess has it, but that a command of ours is a fork of the loaded process where that is the same."""

    def _execute_child(self, args: Any, executable: Any, preexec_fn: Any, *rest: Any) -> None:
        _, _, cwd, env, _, _, shell, p2cread, _, _, c2pwrite, _, errwrite, _, *ids, new_session, group = rest
        plain = executable is None and not shell and ids == [None, None, None, -1] and group == -1
        if not (plain and cwd == ROOT and preexec_fn in (None, take_terminal) and _loaded.can_run(args, env)):
            super()._execute_child(args, executable, preexec_fn, *rest)  # type: ignore[misc]
            return
        files = [given if given >= 0 else number for number, given in enumerate((p2cread, c2pwrite, errwrite))]
        job = {
            "arguments": args[2:],
            "environment": dict(env),
            "session": new_session,
            "terminal": preexec_fn is not None,
        }
        self.pid = _loaded.fork(job, files)
        self._child_created = True
        self._close_pipe_fds(*rest[7:13])  # type: ignore[attr-defined]


def take_terminal() -> None:
    """Have the terminal that is this process's input be the one of its session."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def run(command: Sequence[str], *, timeout: float, **options: Any) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` does with `capture_output` and `text`."""
    with Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options) as process:
        try:
            said = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, *said)


class _Loaded:
    """The loaded process, which is started when it is first asked for one. For one thread at a time, under its lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards all that is below
        self._environment: dict[str, str] | None = None  # None: nothing is run by it
        self._sock: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def enable(self) -> None:
        """From now on, in this environment."""
        if sys.platform == "linux" and "PYTEST_FRESH" not in os.environ:
            self._environment = dict(os.environ)

    def can_run(self, args: Any, env: Any) -> bool:
        """Whether a command would be the same."""
        if self._environment is None or env is None or list(args[:2]) != [sys.executable, "-m"]:
            return False
        names = {name for name, _ in self._environment.items() ^ env.items()}
        return (
            args[2] in _MODULES
            and all(isinstance(arg, str) for arg in args)
            and all(name.startswith(_FREE) for name in names)
        )

    def fork(self, job: dict[str, object], files: Sequence[int]) -> int:
        """Have it run: the number of the process, which is a child of this one."""
        libc = ctypes.CDLL(None, use_errno=True)
        with self._lock:
            sock = self._begin() if self._sock is None else self._sock
            # The child's own parent ends at once, and then the next one above that adopts it is this process.
            assert libc.prctl(_ADOPT, 1, 0, 0, 0) == 0
            try:
                socket.send_fds(sock, [json.dumps(job).encode()], files)
                return int(sock.recv(100))
            except BaseException:
                self._end()  # or the next one would be given this answer
                raise
            finally:
                libc.prctl(_ADOPT, 0, 0, 0, 0)

    def _begin(self) -> socket.socket:
        self._sock, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(other.fileno())],
                cwd=ROOT,
                env=self._environment and self._environment | _measuring(),
                stdin=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
            )
        return self._sock

    def close(self) -> None:
        """End the loaded process, if there is one; what it has forked stays."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._sock is not None and self._process is not None:
            self._sock.close()
            self._process.wait()
            self._sock = None


def _measuring() -> dict[str, str]:
    """By what coverage is measured in other processes, too, once it is."""
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


_loaded = _Loaded()
enable, close = _loaded.enable, _loaded.close


def _serve(sock: socket.socket) -> dict[str, Any]:
    """Fork what is asked for. Returns in each of those, with what it is to run."""
    while True:
        message, files, _, _ = socket.recv_fds(sock, 1 << 20, 3)
        if not message:
            os._exit(0)
        said, say = os.pipe()
        between = os.fork()
        if not between:
            pid = os.fork()
            if pid:
                os.write(say, b"%d" % pid)
                os._exit(0)
            for fd in (said, say):
                os.close(fd)
            sock.close()
            for number, fd in enumerate(files):
                os.dup2(fd, number)
                os.close(fd)
            job: dict[str, Any] = json.loads(message)
            return job
        os.waitpid(between, 0)  # only then is its child another one's
        sock.send(os.read(said, 100))
        for fd in (said, say, *files):
            os.close(fd)


def _run(job: dict[str, Any]) -> None:
    """Be the process that was asked for."""
    if job["session"]:
        os.setsid()
    if job["terminal"]:
        take_terminal()
    os.environ.clear()
    os.environ.update(job["environment"])
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        new = open(  # noqa: SIM115
            number, old.mode, encoding=old.encoding, errors=old.errors, closefd=False
        )
        if number:
            new.reconfigure(line_buffering=number == 2 or new.isatty())
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    sys.argv[1:] = job["arguments"][1:]
    runpy.run_module(job["arguments"][0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for _module in _LOADED:
        importlib.import_module(_module)
    assert "prometheus_client" not in sys.modules  # which looks at its settings as it is imported
    gc.collect()
    gc.freeze()
    _run(_serve(socket.socket(fileno=int(sys.argv[1]))))

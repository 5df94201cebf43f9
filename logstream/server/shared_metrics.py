"""The place where several workers put their metrics, so that each of them can answer for all of them.

It is the directory of prometheus_client's multiprocess mode, which has to be named before that is imported.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_KEY = "PROMETHEUS_MULTIPROC_DIR"  # the library's own
_PREFIX = "logstream-metrics-"
_MEMORY = "/dev/shm"  # where a figure never waits for a disk
_LEFTOVER = 60.0  # seconds after which a directory that nobody holds is none that is just being made
_FILES = ("gauge_livesum", "counter", "histogram")  # as the library calls them, and a process's number behind that
_RESERVED = 16 * 1024  # bytes of each, four times what our own figures need


class SharedMetrics:
    """The directory of one gunicorn's workers. In its main process, but for `reserve`."""

    def __init__(self) -> None:
        self._made: Path | None = None
        self._held: int | None = None  # its descriptor, with a lock that also each worker has: none is left, nor is it

    def share(self, server: Any, workers: int) -> None:
        """Have workers share their metrics, if there are several. Before their app is loaded.

        A directory that the operator has named stays the one.
        """
        if self._made is not None:
            return
        if Path(os.environ.get(_KEY, "")).name.startswith(_PREFIX):
            del os.environ[_KEY]  # it is that of the server which has started this one to take over
        if workers < 2 or _KEY in os.environ or _KEY in (server.cfg.env or {}):
            return
        if importlib.util.find_spec("prometheus_client") is None:
            server.log.warning("/healthz answers for one of %d workers at a time: install prometheus-client", workers)
            return
        try:
            base = _MEMORY if os.access(_MEMORY, os.W_OK) else tempfile.gettempdir()
            _clear_leftovers(Path(base))
            self._made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
            self._held = os.open(self._made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            server.log.warning("/healthz and /metrics answer for one of %d workers at a time: %s", workers, error)
            return
        os.environ[_KEY] = str(self._made)

    def clear(self) -> None:
        """Begin without the figures of an earlier server, in a directory that the operator has named."""
        directory = os.environ.get(_KEY)
        if directory and self._made is None:
            Path(directory).mkdir(parents=True, exist_ok=True)
            for file in Path(directory).glob("*.db"):
                file.unlink()

    def reserve(self, worker: Any) -> None:
        """In a worker that has just begun: make its files, with their space on the disk.

        They are written to as memory, and where there was no space left, that would end the process.
        """
        directory = os.environ.get(_KEY)
        if not directory:
            return
        try:
            for name in _FILES:
                _reserve(Path(directory) / f"{name}_{worker.pid}.db")
        except OSError as error:
            worker.log.warning("/healthz and /metrics leave out worker %d: %s", worker.pid, error)
            if "prometheus_client" not in sys.modules:  # or else it has chosen
                del os.environ[_KEY]

    def forget(self, pid: int) -> None:
        """Take the gauges of a worker that has ended out of the others' figures."""
        directory = os.environ.get(_KEY)
        if directory:
            # As the library's `mark_process_dead` does, without it: what imports it here, settles for all workers to
            # come that they write to the directory, be it there or not.
            for file in Path(directory).glob(f"gauge_live*_{pid}.db"):
                file.unlink(missing_ok=True)

    def remove(self) -> None:
        """At the end: leave nothing behind."""
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)
        if self._held is not None:
            os.close(self._held)
            self._held = None


def _clear_leftovers(base: Path) -> None:
    """Take away the directories of servers that were killed."""
    for path in base.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                found = os.fstat(fd)
                if found.st_uid == os.geteuid() and time.time() - found.st_mtime > _LEFTOVER:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path)
            finally:
                os.close(fd)


def _reserve(file: Path) -> None:
    if file.exists():
        return
    unfinished = file.with_suffix(".unfinished")  # others read what ends in .db, and expect it to be whole
    fd = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, _RESERVED)
        else:
            os.pwrite(fd, bytes(_RESERVED), 0)
        unfinished.rename(file)
    except OSError:
        unfinished.unlink()
        raise
    finally:
        os.close(fd)

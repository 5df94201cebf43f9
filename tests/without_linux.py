"""This process without what Linux alone has, as far as Python can take it away: imported before anything of ours.

`python -m tests.without_linux -m gunicorn …` runs a module so, and what it forks is like it. Programs that it starts,
such as tmux and `ps`, have all there is; and so have the tests themselves, which look at /proc for what is left behind.
"""

from __future__ import annotations

import builtins
import ctypes
import errno
import io
import os
import runpy
import select
import selectors
import socket
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

VARIABLE = "PYTEST_WITHOUT_LINUX"  # set where the tests themselves are to run so
_OURS = ("/proc", "/sys", "/dev/shm", "/etc/machine-id")  # places that are none elsewhere
_NAMES: dict[Any, tuple[str, ...]] = {
    os: (
        *("eventfd", "eventfd_read", "eventfd_write", "pidfd_open", "memfd_create", "posix_fallocate", "posix_fadvise"),
        *("preadv", "pwritev", "splice", "copy_file_range", "sched_getaffinity", "getrandom", "pipe2", "setns"),
        *("O_PATH", "O_DIRECT"),
    ),
    select: ("epoll", "EPOLLIN", "EPOLLOUT", "EPOLLEXCLUSIVE"),
    socket: (
        *("TCP_USER_TIMEOUT", "TCP_NOTSENT_LOWAT", "TCP_CORK", "TCP_QUICKACK", "TCP_DEFER_ACCEPT", "TCP_INFO"),
        *("SO_REUSEPORT", "SO_PEERCRED", "SOCK_CLOEXEC", "SOCK_NONBLOCK", "MSG_NOSIGNAL", "AF_PACKET", "AF_NETLINK"),
    ),
}

_ROOT = Path(__file__).resolve().parent.parent
_TESTS = (f"{_ROOT}/tests/", f"{_ROOT}/logstream/testing/")
_STANDARD = (f"{sysconfig.get_path('stdlib')}/", f"{sysconfig.get_path('platstdlib')}/", "<frozen ")
_PACKAGES = "/site-packages/"


def take_away() -> None:
    """From now on, this process has none of it."""
    if ctypes.CDLL is _NoLibrary:
        return
    for module, names in _NAMES.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    selectors.DefaultSelector = selectors.PollSelector  # type: ignore[misc, assignment]
    for module, name in (
        *((os, name) for name in ("open", "stat", "lstat", "listdir", "scandir", "readlink", "access", "statvfs")),
        *((module, "open") for module in (builtins, io)),
    ):
        setattr(module, name, _without_our_places(getattr(module, name)))
    _NoLibrary.real = ctypes.CDLL
    ctypes.CDLL = _NoLibrary  # type: ignore[assignment, misc]


def _without_our_places(call: Callable[..., Any]) -> Callable[..., Any]:
    def look(path: Any = ".", *arguments: Any, **options: Any) -> Any:
        if isinstance(path, (str, os.PathLike)):
            text = os.fspath(path)
            if any(text == place or str(text).startswith(f"{place}/") for place in _OURS) and not _is_for_tests():
                if call.__name__ == "access":
                    return False
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), text)
        return call(path, *arguments, **options)

    look.__name__ = call.__name__
    return look


def _is_for_tests() -> bool:
    """Whether it is a test that looks there, itself or by the standard library."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if _PACKAGES in file or not file.startswith((*_STANDARD, __file__)):
            return file.startswith(_TESTS)
        frame = frame.f_back  # type: ignore[assignment]
    return False


class _NoLibrary:
    """The C library, without inotify and without what sets up glibc's memory."""

    real: Any = None

    def __init__(self, name: str | None = None, *arguments: Any, **options: Any) -> None:
        self._library = _NoLibrary.real(name, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("inotify_") or name in ("mallopt", "fstatfs", "statfs"):
            raise AttributeError(name)
        return getattr(self._library, name)


def main() -> None:
    """Run a module as `python` does: `-m <module> <argument> …`."""
    take_away()
    arguments = sys.argv[sys.argv.index("-m") + 1 :]  # before it, there may be the name of the interpreter
    module = arguments.pop(0)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

"""What the system says of processes: whether one is gone, what its children have open, and when one ends.

Linux says it in /proc, and tells of an end; elsewhere it is `ps` and `lsof` that are asked, and an end is looked for.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass

from . import ps

_LOOK = 1.0  # seconds between two looks for an end, where nothing tells of it
_INEXACT = 1  # seconds that `ps` may be wrong by: some of them add up when a process began, each time
_BOOT = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True, slots=True)
class Process:
    """One process, also when its number has been given to another one since."""

    pid: int
    # Clock ticks since the machine's start, or in `ps` seconds since the epoch; None where we cannot see it: in another
    # container.
    started: int | None

    @classmethod
    def find(cls, pid: int, program: str) -> Process:
        """The process with this number that runs a program whose name begins so, as far as we see it."""
        try:
            name, state, started = _stat(pid)
        except OSError:
            return cls(pid, None)
        return cls(pid, started if name.startswith(program) and state[0] not in _ENDED else None)

    def is_gone(self) -> bool:
        """Whether it is known to have ended."""
        if self.started is None:
            return False
        try:
            _, state, started = _stat(self.pid)
        except (FileNotFoundError, ProcessLookupError):
            return True
        except OSError:
            return False  # no answer
        return state[0] in _ENDED or not self.is_same(Process(self.pid, started))

    def is_same(self, other: Process) -> bool:
        """Whether another one that was seen is this one."""
        if self == other:
            return True
        if self.pid != other.pid or self.started is None or other.started is None or _has_proc():
            return False
        return abs(self.started - other.started) <= _INEXACT


_ENDED = "ZX"  # states of a process that has ended and whose parent has not asked for it yet


def boot_id() -> str:
    """What is another one after the machine has started anew, and on any other machine; empty where nobody knows it."""
    try:
        with open(_BOOT) as file:  # noqa: PTH123
            return file.read().strip()
    except OSError:
        return ps.boot_session()


def with_descendants(pids: Iterable[int]) -> set[int]:
    """These processes and those that they have started, as far as they are not orphaned."""
    found: set[int] = set()
    left = list(pids)
    known = None if _has_proc() else ps.children()
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += _children(pid) if known is None else known.get(pid, [])
    return found


def have_open_for_writing(pids: Iterable[int], file: os.stat_result) -> bool:
    """Whether one of these processes can write to a file."""
    if not _has_proc():
        return ps.have_open_for_writing(pids, file)
    return any(_may_write(pid, number) for pid in pids for number in _descriptors(pid, file))


def open_for_writing(paths: Set[str]) -> set[str]:
    """Which of these files, by their real paths, a process that we can see may write to. With /proc, asks no disk."""
    if not _has_proc():
        return ps.open_for_writing(paths)
    found = set()
    for pid in (int(entry) for entry in _entries("/proc") if entry.isdigit()):
        for number in _entries(f"/proc/{pid}/fd"):
            try:
                path = os.readlink(f"/proc/{pid}/fd/{number}")
            except OSError:
                continue  # closed meanwhile
            if path in paths and _may_write(pid, number):
                found.add(path)
    return found


def name_file(pids: Iterable[int], file_name: str) -> bool:
    """Whether the command line of one of these processes has a file's name in it."""
    pattern = re.compile(rb"(?<![\w.-])" + re.escape(file_name.encode(errors="surrogateescape")) + rb"(?![\w.-])")
    return any(pattern.search(_command_line(pid)) for pid in pids)


def make_bell() -> tuple[int, int]:
    """Two descriptors: one that can be read as soon as something was written to the other. Raises OSError."""
    heard, rung = os.pipe()
    os.set_blocking(rung, False)
    return heard, rung


def await_end(pids: Iterable[int], bell: int) -> bool:
    """Wait until one of these processes ends, or the descriptor `bell` can be read.

    False, at once, where there is nothing to wait for: they are gone, or the system cannot tell.
    """
    poll = select.poll()
    if not hasattr(os, "pidfd_open"):
        poll.register(bell, select.POLLIN)
        left = [pid for pid in pids if _exists(pid)]
        while left and not poll.poll(_LOOK * 1000) and all(map(_exists, left)):
            pass
        return bool(left)
    with contextlib.ExitStack() as opened:
        waiting = False
        for pid in pids:
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            except OSError:  # too many, or the kernel has no such thing
                break
            opened.callback(os.close, descriptor)
            poll.register(descriptor, select.POLLIN)
            waiting = True
        if waiting:
            poll.register(bell, select.POLLIN)
            poll.poll()
    return waiting


def _has_proc() -> bool:
    return os.path.exists("/proc/self/stat")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        pass
    return True


def _stat(pid: int) -> tuple[str, str, int]:
    """A process's name, state and start."""
    if not _has_proc():
        return ps.stat(pid)
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        before, _, after = file.read().rpartition(b")")
    fields = after.split()
    return before.partition(b"(")[2].decode(errors="replace"), fields[0].decode(), int(fields[19])


def _children(pid: int) -> list[int]:
    found = []
    for task in _entries(f"/proc/{pid}/task"):
        found += [int(child) for child in _read(f"/proc/{pid}/task/{task}/children").split()]
    return found


def _descriptors(pid: int, file: os.stat_result) -> Iterator[str]:
    for number in _entries(f"/proc/{pid}/fd"):
        try:
            if os.path.samestat(os.stat(f"/proc/{pid}/fd/{number}"), file):
                yield number
        except OSError:
            pass  # closed meanwhile


def _may_write(pid: int, number: str) -> bool:
    found = re.search(rb"flags:\s+0*([0-7]+)", _read(f"/proc/{pid}/fdinfo/{number}"))
    return found is not None and int(found[1], 8) & os.O_ACCMODE != os.O_RDONLY


def _command_line(pid: int) -> bytes:
    return _read(f"/proc/{pid}/cmdline") if _has_proc() else ps.command_line(pid)


def _entries(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""

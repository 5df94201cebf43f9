"""What Linux says of processes: whether one is gone, what its children have open, and when one ends."""

from __future__ import annotations

import contextlib
import os
import re
import select
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """One process, also when its number has been given to another one since."""

    pid: int
    started: int | None  # clock ticks since the machine's start; None where we cannot see it: in another container

    @classmethod
    def find(cls, pid: int, program: str) -> Process:
        """The process with this number that runs a program whose name begins so, as far as we see it."""
        try:
            name, state, started = _stat(pid)
        except OSError:
            return cls(pid, None)
        return cls(pid, started if name.startswith(program) and state not in _ENDED else None)

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
        return started != self.started or state in _ENDED


_ENDED = "ZX"  # states of a process that has ended and whose parent has not asked for it yet


def with_descendants(pids: Iterable[int]) -> set[int]:
    """These processes and those that they have started, as far as they are not orphaned."""
    found: set[int] = set()
    left = list(pids)
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += _children(pid)
    return found


def have_open_for_writing(pids: Iterable[int], file: os.stat_result) -> bool:
    """Whether one of these processes can write to a file."""
    return any(_may_write(pid, number) for pid in pids for number in _descriptors(pid, file))


def open_for_writing(paths: Set[str]) -> set[str]:
    """Which of these files, by their real paths, some process that we can see may write to. Asks no disk."""
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


def await_end(pids: Iterable[int], bell: int) -> bool:
    """Wait until one of these processes ends, or the descriptor `bell` can be read.

    False, at once, where there is nothing to wait for: they are gone, or the system cannot tell.
    """
    with contextlib.ExitStack() as opened:
        poll = select.poll()
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


def _stat(pid: int) -> tuple[str, str, int]:
    """A process's name, state and start."""
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
    return _read(f"/proc/{pid}/cmdline")


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

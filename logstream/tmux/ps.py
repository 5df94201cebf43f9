"""What `ps`, `lsof` and `sysctl` say of processes, where there is no /proc: more slowly, and less exactly."""

from __future__ import annotations

import calendar
import functools
import os
import subprocess
from collections.abc import Iterable, Iterator, Set

_TIMEOUT = 5.0  # seconds
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def stat(pid: int) -> tuple[str, str, int]:
    """A process's name, state and start, in seconds since the epoch. Raises ProcessLookupError or OSError."""
    said = _run("ps", "-o", "stat=", "-o", "lstart=", "-o", "comm=", "-p", str(pid))
    if not said.strip():
        raise ProcessLookupError(f"there is no process {pid}")
    try:
        state, _, month, day, time, year, name = said.split(None, 6)
        hour, minute, second = map(int, time.split(":"))
        started = calendar.timegm((int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second))
    except ValueError:
        raise OSError(f"ps says of process {pid} what is not understood: {said!r}") from None
    return os.path.basename(name.strip()), state, started  # where programs are told with their paths, too


def children() -> dict[int, list[int]]:
    """The processes that each process has started."""
    found: dict[int, list[int]] = {}
    for line in _ask("ps", "-A", "-o", "pid=", "-o", "ppid=").splitlines():
        pid, parent = map(int, line.split())
        found.setdefault(parent, []).append(pid)
    return found


def command_line(pid: int) -> bytes:
    """A process's command line; nothing where that is not known."""
    return os.fsencode(_ask("ps", "-ww", "-o", "args=", "-p", str(pid)))


def have_open_for_writing(pids: Iterable[int], file: os.stat_result) -> bool:
    """Whether one of these processes can write to a file, as far as `lsof` is there and knows."""
    chosen = ",".join(map(str, pids))
    wanted = {"D": f"{file.st_dev:#x}", "i": str(file.st_ino)}
    fields = _lsof("-a", "-p", chosen, "-F", "faDi") if chosen else iter(())
    return any(one.items() >= wanted.items() for one in fields)


def open_for_writing(paths: Set[str]) -> set[str]:
    """Which of these files, by their real paths, some process may write to, as far as `lsof` is there and knows."""
    return {one["n"] for one in _lsof("-F", "fan", "--", *paths) if one.get("n") in paths} if paths else set()


@functools.cache
def boot_session() -> str:
    """What is another one after the machine has started anew; nothing where `sysctl` knows of no such thing."""
    return _ask("sysctl", "-n", "kern.bootsessionuuid").strip() or _ask("sysctl", "-n", "kern.boottime").strip()


def _lsof(*arguments: str) -> Iterator[dict[str, str]]:
    """The open files that can be written to: what is told of each, by lsof's letters."""
    file: dict[str, str] = {}
    for line in [*_ask("lsof", "-w", "-n", "-P", *arguments).splitlines(), "f"]:
        if line[:1] in ("f", "p"):
            if file.get("a") in ("w", "u"):
                yield file
            file = {}
        file[line[:1]] = line[1:]


def _ask(*command: str) -> str:
    """What a program says; nothing where it is missing, or does not answer."""
    try:
        return _run(*command)
    except OSError:
        return ""


def _run(*command: str) -> str:
    """What a program prints, whatever its exit code. Raises OSError."""
    try:
        ran = subprocess.run(
            command,
            env=os.environ | {"LC_ALL": "C", "TZ": "UTC"},  # as the times and names are read here
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"{command[0]} has said nothing for {_TIMEOUT:g} seconds") from None
    except OSError as error:  # that a file was not found says nothing of a process
        raise OSError(f"{command[0]} cannot be asked: {error.strerror}") from None
    return os.fsdecode(ran.stdout)

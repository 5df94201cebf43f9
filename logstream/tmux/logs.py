"""The log files, as far as they tell whose session it was that ended in tmux."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..engine.questions import Questions
from .names import possible_names

_SETTLED = 2.0  # seconds after which nothing happens any more that a directory's time of change does not show


@dataclass(frozen=True, slots=True)
class State:
    """A log file at one moment; equal to another one's where nothing was written in between."""

    device: int
    inode: int
    size: int  # bytes
    changed: int  # nanoseconds since the epoch

    def is_continued_by(self, later: State) -> bool:
        """Whether a later state is of the same file, which has not been made shorter."""
        return (self.device, self.inode) == (later.device, later.inode) and self.size <= later.size


class Logs:
    """The logs `<directory>/<session><suffix>`. Only for one thread."""

    def __init__(self, directory: str, suffix: str) -> None:
        self._directory = directory
        self._suffix = suffix
        self._listed: int | None = None  # when the directory had changed that is indexed; None to read it anew
        self._is_listed = False
        self._index: dict[str, set[str]] = {}  # by what tmux may call them
        self._questions = Questions(self._ask_disk)
        self._found: dict[str, os.stat_result | None] = {}  # what has been answered within `listed_once`
        self._silent: set[str] = set()  # and what has not

    def file_name(self, name: str) -> str:
        """The name of a session's log in the directory."""
        return name + self._suffix

    def path(self, name: str) -> str:
        """Where a session's log is, by its real path."""
        return os.path.join(os.path.realpath(self._directory), self.file_name(name))

    def look_at(self, names: Iterable[str]) -> None:
        """Ask for all of these at once, which costs less than to ask for each. Within `listed_once`."""
        wanted = {name for name in names if name not in self._found and name not in self._silent}
        found = self._questions.ask(wanted)
        self._found.update(found)
        self._silent |= wanted - found.keys()

    def stat(self, name: str) -> os.stat_result | None:
        """What the kernel says of a log; None where there is none, none that can be seen, or no answer."""
        return self._answers(name).get(name)

    def is_silent(self, name: str) -> bool:
        """Whether nobody knows if there is a log: its disk does not answer."""
        return name not in self._answers(name)

    def may_be_there(self, name: str) -> bool:
        """Whether there is a log, or nobody knows."""
        return self._answers(name).get(name, True) is not None

    def _answers(self, name: str) -> Mapping[str, os.stat_result | None]:
        """What is said of a log, and perhaps of others; without it where it is silent."""
        if not self._is_listed:
            return self._questions.ask([name])
        self.look_at([name])
        return self._found

    def _ask_disk(self, name: str) -> os.stat_result | None:
        path = os.path.join(self._directory, self.file_name(name))
        try:
            found = os.lstat(path.encode(errors="surrogateescape"))  # whatever the locale's encoding is
        except (OSError, ValueError):
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def state(self, name: str) -> State | None:
        """A log as it is now; None as for `stat`."""
        found = self.stat(name)
        return None if found is None else State(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def rivals(self, name: str) -> set[str]:
        """The other sessions with a log that tmux may call by the same name."""
        names = possible_names(name)
        if names == [name] and "_" not in name:
            return set()
        self._read_directory()
        return {rival for possible in names for rival in self._index.get(possible, ())} - {name}

    @contextlib.contextmanager
    def listed_once(self) -> Iterator[None]:
        """Within it, the directory and each log are asked once: what is asked again is answered as of then."""
        self._read_directory()
        self._is_listed = True
        try:
            yield
        finally:
            self._is_listed = False
            self._found.clear()
            self._silent.clear()

    def called(self, session: str) -> set[str]:
        """The logs whose sessions tmux may call by this name."""
        self._read_directory()
        return self._index.get(session, set())

    def _read_directory(self) -> None:
        if self._is_listed:
            return
        try:
            changed = os.stat(self._directory).st_mtime_ns
            if changed == self._listed:
                return
            entries = os.listdir(os.fsencode(self._directory))
        except OSError:
            self._listed, self._index = None, {}
            return
        self._listed = changed if time.time_ns() - changed > _SETTLED * 1e9 else None
        index = defaultdict(set)
        for entry in entries:
            file_name = entry.decode(errors="surrogateescape")
            if file_name.endswith(self._suffix):
                name = file_name.removesuffix(self._suffix)
                for possible in possible_names(name):
                    index[possible].add(name)
        self._index = dict(index)

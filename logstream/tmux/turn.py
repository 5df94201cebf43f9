"""Which process of a host asks tmux: one at a time, for all of them."""

from __future__ import annotations

import logging
import os
import time

from ..engine.state import StateDirectory

logger = logging.getLogger(__name__)


class Turn:
    """A lock on a file, which the kernel frees when its holder ends. Only for one thread, but for `asked_ago`.

    Where the file cannot be made or locked, each process asks for itself.
    """

    def __init__(self, state: StateDirectory | None, file_name: str) -> None:
        """`state` is where the file is, None for no such place."""
        self._state = state
        self._file_name = file_name
        self._fd: int | None = None
        self._asked: float | None = None  # when this process did so last
        self.is_shared = state is not None  # other processes do without asking, and know what this one has seen

    def take(self) -> bool:
        """Whether it is this process that asks from now on."""
        if self._state is None or self._is_held():
            return True
        self.give_up()
        try:
            self._fd = self._state.lock(self._file_name)
        except OSError as error:
            if self.is_shared:
                logger.info(
                    "each process asks tmux for itself, and a session that ends while none looks is not noticed: "
                    "no lock is to be had in %s (%s)",
                    self._state.path,
                    error.strerror,
                )
            self.is_shared = False
            return True
        self.is_shared = True
        return self._fd is not None

    def _is_held(self) -> bool:
        """Whether the lock is this process's, and the file still where others find it."""
        if self._fd is None or self._state is None:
            return False
        found = self._state.stat(self._file_name)
        return found is not None and os.path.samestat(found, os.fstat(self._fd))

    def give_up(self) -> None:
        """Let another process ask."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def note_asked(self) -> None:
        """tmux is asked now."""
        self._asked = time.time()
        if self._fd is not None:
            os.pwrite(self._fd, b"\n", 0)  # an empty one was only locked
            os.utime(self._fd)

    def asked_ago(self) -> float:
        """Seconds since any process asked, as far as this one knows; endless where none did. Any thread."""
        asked = self._asked
        if self.is_shared and self._state is not None:
            found = self._state.stat(self._file_name)
            asked = found.st_mtime if found is not None and found.st_size else None
        ago = time.time() - asked if asked is not None else -1.0
        return ago if ago >= 0 else float("inf")

"""A real limit to how many processes and threads there may be: a control group of the kernel's."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from .serving import wait_until

_PLACES = ("/sys/fs/cgroup/pids", "/sys/fs/cgroup")  # of version 1 and of version 2


class ThreadLimit:
    """A group of processes; what is run with `prefix` belongs to it, with all that it starts."""

    def __init__(self, name: str) -> None:
        """Make it; skip the test where that cannot be."""
        for place in _PLACES:
            self._path = Path(place, name)
            try:
                self._path.mkdir()
            except OSError:
                continue
            if (self._path / "pids.max").exists():
                break
            self._path.rmdir()
        else:
            pytest.skip("needs a pids control group, and to be allowed to make one in it")
        self.prefix = ["sh", "-c", f'echo $$ > {self._path}/cgroup.procs && exec "$@"', "sh"]

    def count(self) -> int:
        """How many processes and threads are in it."""
        return int((self._path / "pids.current").read_text())

    def allow(self, most: int | None) -> None:
        """Let there be so many; None: as many as anybody wants."""
        (self._path / "pids.max").write_text("max" if most is None else str(most))

    def close(self) -> None:
        """Remove it, once all that was in it has ended."""
        wait_until(self._remove)

    def _remove(self) -> bool:
        try:
            os.rmdir(self._path)
        except OSError as error:
            assert error.errno == errno.EBUSY
            return False
        return True

"""Writing to sessions' logs from another process."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from .servers import Server

_WRITER = Path(__file__).with_name("writer.py")


@contextlib.contextmanager
def writing(
    server: Server, names: Iterable[str], *, rate: float, lines: int, size: int = 100
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes stamped lines of `size` bytes to these sessions' logs."""
    paths = [str(server.log(name)) for name in names]
    command = [sys.executable, str(_WRITER), str(rate), str(lines), str(size), *paths]
    with subprocess.Popen(command) as process:
        yield process

"""One process at a time: the others wait for its end, however it ends."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
import uuid
from collections.abc import Iterator

from ..engine.state import StateDirectory
from ..tmux.processes import boot_id

logger = logging.getLogger(__name__)

_LOOK = 0.25  # seconds between two looks whether the other one has ended


@contextlib.contextmanager
def sole(place: StateDirectory, directory: str, host: str, stop: threading.Event) -> Iterator[str | None]:
    """Be the only one that ships a directory as this host, once no other one does, or `stop` is set.

    `place` is where that is written down. Yields what tells this machine and directory from all others, and stays the
    same when the process is started anew; None where that cannot be known.
    """
    fd: int | None = None
    try:
        fd = _await_lock(place, directory, host, stop)
    except OSError as error:
        logger.warning("whether another one ships these logs cannot be known: %s", error)
    try:
        yield _origin(fd) if fd is not None else None
    finally:
        if fd is not None:
            os.close(fd)


def _await_lock(place: StateDirectory, directory: str, host: str, stop: threading.Event) -> int | None:
    """The lock; None where it is not to be waited for any more. Raises OSError where there are no locks."""
    said = False
    while not stop.wait(_LOOK if said else 0):
        fd = place.lock(f"ship-{host}.lock")
        if fd is not None:
            return fd
        if not said:
            logger.warning("another one ships %s as host %s already: waiting for its end", directory, host)
        said = True
    return None


def _origin(fd: int) -> str | None:
    try:
        kept = os.pread(fd, 64, 0)
        if not kept:
            kept = uuid.uuid4().hex.encode()
            os.pwrite(fd, kept, 0)
    except OSError:
        return None
    boot = boot_id()  # or else a copy of the directory would be the same
    return hashlib.sha256(kept + boot.encode()).hexdigest()[:32] if boot else None

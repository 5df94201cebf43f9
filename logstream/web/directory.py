"""Whether the logs' directory can be read, and is in good hands: where others may write, they may show anything."""

from __future__ import annotations

import logging
import os
import stat

from ..engine.sessions import directory_problem

logger = logging.getLogger(__name__)


class DirectoryCheck:
    """Tells the operator once of a directory that cannot be read or trusted, as soon as it is there. Any thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._done = False

    def run(self) -> None:
        """Look, unless that was done."""
        if self._done or not os.path.isdir(self._path):
            return
        self._done = True
        problem = directory_problem(self._path)
        if problem is not None:
            logger.warning("%s is LOGSTREAM_DIRECTORY: %s", self._path, problem)
        reason = why_not_to_trust(self._path)
        if reason is not None:
            logger.warning("LOGSTREAM_DIRECTORY is not to be trusted: %s", reason)


def why_not_to_trust(path: str) -> str | None:
    """What is wrong with a directory's owner or permissions; None where nothing is, or where it is not there."""
    try:
        itself, found = os.lstat(path), os.stat(path)
    except OSError:
        return None
    for state in (itself, found):
        if state.st_uid not in (0, os.geteuid()):
            what = "the link " if stat.S_ISLNK(state.st_mode) else ""
            return f"{what}{path} belongs to the user {state.st_uid}, who may put anything there"
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        return f"everyone may write to {path}, and take away what others have written (chmod +t)"
    return None

"""Which sessions there are, and where: the logs in the directory."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from ..protocol import ProtocolError, check_session_name
from .logfile import Signature, signature_of, stat_log
from .questions import Questions


def file_name(session_name: str, suffix: str) -> str:
    """The name of a session's log. On the disk it is UTF-8, whatever the process's locale."""
    name = session_name + suffix
    return name if name.isascii() else os.fsdecode(name.encode())


def log_path(directory: str, session_name: str, suffix: str) -> str:
    """Where a session's log is."""
    return os.path.join(directory, file_name(session_name, suffix))


@dataclass(frozen=True, slots=True)
class Session:
    """One log as the directory has it."""

    name: str
    size: int  # bytes
    changed: float  # seconds since the epoch
    signature: Signature


def find_session(directory: str, suffix: str, session_name: str) -> Session | None:
    """One session, if there is a log of it."""
    try:
        check_session_name(session_name, suffix)
    except ProtocolError:
        return None
    found = stat_log(log_path(directory, session_name, suffix))
    return Session(session_name, found.st_size, found.st_mtime, signature_of(found)) if found is not None else None


def directory_problem(directory: str) -> str | None:
    """Why the logs in a directory cannot be read, in a sentence; None where they can, or where it is not there."""
    try:
        os.stat(os.path.join(directory, "."))  # as whoever opens a log in it
        with os.scandir(directory):
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        return unreadable(error)


def unreadable(error: OSError) -> str:
    """The sentence for clients that a directory cannot be read."""
    return f"The directory of the logs cannot be read: {error.strerror}."


def list_sessions(directory: str, suffix: str) -> list[Session]:
    """The sessions whose logs are in a directory, as `SessionList` has them. Raises OSError."""
    return SessionList(directory, suffix).read()


class SessionList:
    """The sessions whose logs are in a directory. Any thread.

    One whose disk does not answer is listed as it was last time, and keeps none of the others.
    """

    def __init__(self, directory: str, suffix: str) -> None:
        self._directory = directory
        self._suffix = suffix
        self._questions = Questions(self._look)
        self._last: dict[str, Session] = {}

    def read(self) -> list[Session]:
        """The one that changed last first; none where the directory is not there.

        Raises OSError for a directory that cannot be read.
        """
        try:
            entries = os.listdir(self._directory)
        except FileNotFoundError:
            return []
        names = [name for entry in entries if (name := self._session_name(entry)) is not None]
        found = self._questions.ask(names)
        for problem in found.values():
            if isinstance(problem, PermissionError):
                raise problem  # it is the directory's: a log that may not be read can be listed
        before = self._last
        answers = [found[name] if name in found else before.get(name) for name in names]
        sessions = [answer for answer in answers if isinstance(answer, Session)]
        self._last = {session.name: session for session in sessions}
        return sorted(sessions, key=lambda session: session.changed, reverse=True)

    def _session_name(self, entry: str) -> str | None:
        """The session whose log a file is; None for one that could not be asked for."""
        try:
            file_name = entry if entry.isascii() else os.fsencode(entry).decode()
            if not file_name.endswith(self._suffix):
                return None
            name = file_name.removesuffix(self._suffix)
            check_session_name(name, self._suffix)
        except (ProtocolError, UnicodeDecodeError):
            return None
        return name

    def _look(self, name: str) -> Session | PermissionError | None:
        try:
            found = os.lstat(log_path(self._directory, name, self._suffix))
        except PermissionError as error:
            return error
        except OSError:
            return None  # gone since it was listed
        if not stat.S_ISREG(found.st_mode):
            return None
        return Session(name, found.st_size, found.st_mtime, signature_of(found))

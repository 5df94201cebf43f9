"""Which sessions there are, and where: the logs in the directory."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..protocol import ProtocolError, check_session_name
from .logfile import Signature, signature_of, stat_log


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
    """The sessions whose logs are in a directory, the one that changed last first; none where it is not there.

    Raises OSError for a directory that cannot be read.
    """
    sessions = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    file_name = entry.name if entry.name.isascii() else os.fsencode(entry.name).decode()
                    if not file_name.endswith(suffix) or not entry.is_file(follow_symlinks=False):
                        continue
                    name = file_name.removesuffix(suffix)
                    check_session_name(name, suffix)
                    found = entry.stat(follow_symlinks=False)
                except PermissionError:
                    raise  # it is the directory's: a log that may not be read can be listed
                except (OSError, ProtocolError, UnicodeDecodeError):
                    continue  # gone since it was listed, or nothing that could be asked for
                sessions.append(Session(name, found.st_size, found.st_mtime, signature_of(found)))
    except FileNotFoundError:
        return []
    return sorted(sessions, key=lambda session: session.changed, reverse=True)

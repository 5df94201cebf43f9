"""Which sessions are complete, and how a complete one is told from a new one of the same name."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from .logfile import LogFile, Signature
from .reading import Reader
from .subscription import LogEnd

_MAX_COMPLETIONS = 10_000  # that are remembered; the longest known is forgotten first


@dataclass(frozen=True, slots=True)
class Completion:
    """What the log of a completed session is known by, so that one of its name that starts anew is live again.

    Identity and size are not enough: a new file may get the old one's inode, and hold as much.
    """

    size: int  # bytes, as in the signature
    signature: Signature
    cursor: str

    @classmethod
    def at(cls, end: LogEnd) -> Completion | None:
        """None where there is no file, or one that has gone on already."""
        try:
            if end.file is None:
                return None
            signature = end.file.signature()
            if signature[2] != end.offset:
                return None
            return cls(end.offset, signature, Reader.at(end.file, end.offset).cursor)
        except OSError:
            return None

    def end_in(self, file: LogFile) -> LogEnd | None:
        """Where the session ended, if this file is the log as it was completed."""
        try:
            is_the_same = file.signature() == self.signature and Reader.at(file, self.size).cursor == self.cursor
        except OSError:
            return None
        return LogEnd(file, self.size) if is_the_same else None


class Completions:
    """The sessions that are known as complete. Not for several threads at once, but for `get`."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Completion] = OrderedDict()

    def get(self, session_name: str) -> Completion | None:
        """What a session is known as complete by. Any thread."""
        return self._known.get(session_name)

    def note(self, session_name: str, completion: Completion | None) -> None:
        """Remember a completion; None for what has none to be known by."""
        self.forget(session_name)
        if completion is not None:
            self._known[session_name] = completion
            if len(self._known) > _MAX_COMPLETIONS:
                self._known.popitem(last=False)

    def forget(self, session_name: str) -> None:
        """A session of that name starts anew."""
        self._known.pop(session_name, None)

"""What was seen in tmux, written down: for the other processes, and for those that come after a restart."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ..engine.state import StateDirectory
from ..ratelimit import RateLimitedLog
from .logs import State
from .processes import Process, boot_id
from .server import Session
from .sightings import Sighting

logger = logging.getLogger(__name__)

_VERSION = 1  # of a record
_GONE = -1  # the start of a process that none of today's has

_Stamp = tuple[int, int, int]  # a file's inode, size in bytes, and last change in nanoseconds


@dataclass(frozen=True, slots=True)
class Seen:
    """A log's session as it was last seen in a tmux server."""

    log: str  # the session's name in ours
    session: Session
    server: Process
    file: State | None  # its log
    over: bool = False  # it has ended, and it is not known yet whether its log is complete
    running: bool = True  # as far as is known, it is this log's
    written: tuple[str, ...] = ()  # the logs that its processes were seen to write
    named: tuple[str, ...] = ()  # those that they named

    def sighting(self) -> Sighting:
        """The same, as it is known to who has not seen it."""
        return Sighting(self.server, self.session, recalled=True, left=self.file)


def host_key(socket_path: str) -> str:
    """A file name for what concerns one tmux socket, as the processes of one host and container see it."""
    try:
        with open("/etc/machine-id") as file:  # noqa: PTH123
            machine = file.read().strip()
    except OSError:
        machine = ""
    parts = (machine, os.uname().nodename, _namespace(), socket_path)
    return hashlib.sha256(repr(parts).encode(errors="surrogateescape")).hexdigest()[:16]


class Records:
    """The file with what was last seen at one tmux socket. Any thread may `read`; the rest is for one."""

    def __init__(self, state: StateDirectory | None, file_name: str) -> None:
        """`state` is the directory with the file, None for no such place."""
        self._state = state
        self._file_name = file_name
        self._troubles = RateLimitedLog(logger, lines=1)
        self._known: _Stamp | None = None  # the file as it was last written or recalled here
        self._saved: tuple[Seen, ...] = ()
        self._cache: tuple[_Stamp | None, tuple[Seen, ...]] = (None, ())

    def read(self) -> tuple[Seen, ...]:
        """What any process has seen last."""
        stamp = self._stamp()
        cached, seen = self._cache
        if stamp == cached:
            return seen
        seen = self._load()
        self._cache = stamp, seen
        return seen

    def recall(self) -> tuple[Seen, ...] | None:
        """What another process has seen; None where nobody has written anything since this one did, or recalled it."""
        stamp = self._stamp()
        if stamp is None or stamp == self._known:
            return None
        self._known, self._saved = stamp, self._load()
        return self._saved

    def save(self, seen: tuple[Seen, ...]) -> None:
        """Write down what is seen, unless that is there already."""
        if self._state is None or (seen == self._saved and (self._stamp() == self._known or not seen)):
            return
        try:
            self._state.write(self._file_name, _dump(seen))
        except OSError as error:
            self._troubles.warning(
                "what is seen in tmux cannot be written down in %s (%s): a session that ends while this server is "
                "down will not be complete. LOGSTREAM_STATE names another place",
                self._state.path,
                error.strerror,
            )
            return
        self._saved, self._known = seen, self._stamp()

    def _stamp(self) -> _Stamp | None:
        found = self._state.stat(self._file_name) if self._state is not None else None
        return (found.st_ino, found.st_size, found.st_mtime_ns) if found is not None else None

    def _load(self) -> tuple[Seen, ...]:
        if self._state is None:
            return ()
        try:
            found = self._state.read(self._file_name)
            return _parse(found[0]) if found is not None else ()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            self._troubles.warning("what was written down of tmux is not believed: %s", str(error))
            return ()


def _dump(seen: Iterable[Seen]) -> bytes:
    fields = {
        "version": _VERSION,
        "host": os.uname().nodename,
        "boot": boot_id(),
        "sessions": [
            {
                "log": one.log,
                "session": one.session.name,
                "number": one.session.number,
                "created": one.session.created,
                "panes": one.session.panes,
                "size": one.session.size,
                "exit_status": one.session.exit_status,
                "server": {"pid": one.server.pid, "started": one.server.started},
                "file": [one.file.device, one.file.inode, one.file.size, one.file.changed] if one.file else None,
                "over": one.over,
                "running": one.running,
                "written": one.written,
                "named": one.named,
            }
            for one in seen
        ],
    }
    return orjson.dumps(fields, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _parse(record: bytes) -> tuple[Seen, ...]:
    """Raises ValueError, TypeError, KeyError or AttributeError for what is no record, or one of another version."""
    fields: Any = orjson.loads(record)
    if fields.get("version") != _VERSION:
        raise ValueError("it is of another version")
    same_boot = fields["boot"] == boot_id()
    return tuple(_parse_session(one, same_boot) for one in fields["sessions"])


def _parse_session(fields: Mapping[str, Any], same_boot: bool) -> Seen:
    pid, started = fields["server"]["pid"], fields["server"]["started"]
    size, file = fields["size"], fields["file"]
    panes = {str(pane): pid if same_boot else None for pane, pid in fields["panes"].items()}
    status = fields["exit_status"]
    return Seen(
        str(fields["log"]),
        Session(
            str(fields["number"]),
            str(fields["session"]),
            int(fields["created"]),
            panes,
            (int(size[0]), int(size[1])) if size is not None else None,
            int(status) if status is not None else None,
        ),
        Process(int(pid), (int(started) if same_boot else _GONE) if started is not None else None),
        State(*map(int, file)) if file is not None else None,
        bool(fields["over"]),
        bool(fields["running"]) and same_boot,
        tuple(map(str, fields["written"])),
        tuple(map(str, fields["named"])),
    )


def _namespace() -> str:
    """The numbers of processes mean something only within it."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""

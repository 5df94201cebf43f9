"""Whose session it is, where several logs' names are one name in tmux."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .logs import Logs
from .processes import Process, have_open_for_writing, name_file, with_descendants
from .sightings import Sighting

# Seconds that a file's time may lag behind the clock that tmux looks at: the kernel sets its own with each tick, at
# 100 Hz at least.
_TICK = 0.01

_Key = tuple[Process, str]  # a server, and a session's number there


@dataclass(slots=True)
class _Evidence:
    """What was seen of the processes of one session."""

    candidates: set[str] = field(default_factory=set)  # the logs that it may be of
    written: set[str] = field(default_factory=set)  # those which they have open for writing
    named: set[str] = field(default_factory=set)  # those which they name on their command lines


class Ownership:
    """What was seen of the sessions that could be more than one log's. Only for one thread."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs
        self._evidence: dict[_Key, _Evidence] = {}

    def observe(self, sightings: Iterable[tuple[str, Sighting]]) -> None:
        """Look at what the processes of these sessions write, as long as that is of use and not known."""
        before, self._evidence = self._evidence, {}
        processes: dict[_Key, list[int]] = {}
        for name, sighting in sightings:
            key = (sighting.server, sighting.session.number)
            evidence = self._evidence.setdefault(key, before.get(key) or _Evidence())
            evidence.candidates |= {name} | self._logs.rivals(name)
            processes[key] = [pid for pid in sighting.session.panes.values() if pid is not None]
        for key, evidence in self._evidence.items():
            if len(evidence.candidates) > 1 and not evidence.written:
                self._look(evidence, processes[key])

    def _look(self, evidence: _Evidence, processes: list[int]) -> None:
        pids = with_descendants(processes)
        for name in evidence.candidates:
            found = self._logs.stat(name)
            if found is not None and have_open_for_writing(pids, found):
                evidence.written.add(name)
            if found is not None and name_file(pids, self._logs.file_name(name)):
                evidence.named.add(name)

    def evidence(self, sighting: Sighting) -> tuple[set[str], set[str]]:
        """The logs that the processes of a session were seen to write, and those that they named."""
        evidence = self._evidence.get((sighting.server, sighting.session.number), _Evidence())
        return evidence.written, evidence.named

    def recall(self, name: str, sighting: Sighting, written: set[str], named: set[str]) -> None:
        """Take over what another process has seen of a session that may be of the log `name`."""
        key = (sighting.server, sighting.session.number)
        evidence = self._evidence.setdefault(key, _Evidence())
        evidence.candidates |= {name} | written | named
        evidence.written |= written
        evidence.named |= named

    def contenders(self, name: str, sighting: Sighting) -> set[str]:
        """The logs that a session which is over may have been of, `name` among them or not.

        Those that its processes were seen to write; else those that they named; else those that were written to
        since it began. Where nothing else can be meant, it is `name`.
        """
        evidence = self._evidence.get((sighting.server, sighting.session.number), _Evidence())
        rivals = {one for one in evidence.candidates | self._logs.rivals(name) if self._logs.may_be_there(one)}
        candidates = {name} | rivals
        if len(candidates) == 1:
            return candidates
        return evidence.written or evidence.named or {one for one in candidates if self._was_written(one, sighting)}

    def _was_written(self, name: str, sighting: Sighting) -> bool:
        """Whether a log was written to since a session began, or may have been, as nobody knows."""
        found = self._logs.stat(name)
        if found is None:
            return self._logs.is_silent(name)
        return found.st_mtime >= sighting.session.created - _TICK

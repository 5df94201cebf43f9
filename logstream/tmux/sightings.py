"""Which logs' sessions were seen in tmux, and which of these are over. Asks nobody but the kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .logs import State
from .names import possible_names
from .processes import Process
from .server import Answer, Session


@dataclass(slots=True)
class Sighting:
    """A log's session as it was last seen in one tmux server."""

    server: Process
    session: Session
    unwatched: bool = False  # nobody has looked for a while since
    recalled: bool = False  # it was written down, perhaps by another process, and not seen again since
    left: State | None = None  # the log when that was


class Sightings:
    """What was seen of the followed logs' sessions, and not yet found to be over. Only for one thread.

    A session is over when the server that it was seen in answers, and has neither the session nor any of its panes
    (another session may have them: a group's, or one that they were moved to), or when that server's process is gone.
    No answer, and one of another server, mean nothing.
    """

    def __init__(self) -> None:
        self._seen: dict[str, dict[Process, Sighting]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._seen

    def note(
        self, followed: Iterable[str], answer: Answer, called: Callable[[str], Iterable[str]] = lambda name: ()
    ) -> list[tuple[str, Sighting]]:
        """Take down which logs' sessions there are, and what has become of those seen before.

        That is of the followed logs, and of those which are `called` by the name of a session. Returns those that
        were not seen before.
        """
        server = self._recognize(answer.server)
        before = {(name, sighting.server, sighting.session.number) for name, sighting in self.all()}
        for sightings in self._seen.values():
            sighting = sightings.get(server)
            if sighting is not None and sighting.session.number in answer.sessions:
                sightings[server] = Sighting(server, answer.sessions[sighting.session.number])
        by_name = {session.name: session for session in answer.sessions.values()}
        new = []
        for name in {*followed, *(name for session in by_name for name in called(session))}:
            session = next((by_name[possible] for possible in possible_names(name) if possible in by_name), None)
            if session is not None:
                sighting = self._seen.setdefault(name, {})[server] = Sighting(server, session)
                if (name, server, session.number) not in before:
                    new.append((name, sighting))
        return new

    def recall(self, sightings: Iterable[tuple[str, Sighting]]) -> None:
        """Know these, and nothing else, as if they had been seen here."""
        self._seen = {}
        for name, sighting in sightings:
            self._seen.setdefault(name, {})[sighting.server] = sighting

    def take_over(self, answer: Answer | None) -> list[tuple[str, Sighting]]:
        """The logs whose sessions are over, each with where it was last seen; they are forgotten here."""
        server = None if answer is None else self._recognize(answer.server)
        panes = set() if answer is None else {pane for session in answer.sessions.values() for pane in session.panes}
        over = []
        for name, sightings in list(self._seen.items()):
            for sighting in list(sightings.values()):
                if answer is not None and sighting.server == server:
                    ended = sighting.session.number not in answer.sessions and panes.isdisjoint(sighting.session.panes)
                else:
                    ended = sighting.server.is_gone()
                # Whether a server is gone that is not ours to see is never known once another has its place.
                lost = answer is not None and sighting.server != server and sighting.server.started is None
                if ended or lost:
                    del sightings[sighting.server]
                if ended and not sightings:
                    over.append((name, sighting))
            if not sightings:
                del self._seen[name]
        return over

    def all(self) -> Iterable[tuple[str, Sighting]]:
        """All that was seen and is not over, as far as is known."""
        return [(name, sighting) for name, sightings in self._seen.items() for sighting in sightings.values()]

    def forget_unless(self, wanted: Callable[[str], bool]) -> None:
        """Forget the logs that are not wanted."""
        for name in [name for name in self._seen if not wanted(name)]:
            del self._seen[name]

    def silent_servers(self, answer: Answer | None) -> set[Process]:
        """The servers that still run and have not given this answer, though sessions were seen in them."""
        server = None if answer is None else self._recognize(answer.server)
        return {sighting.server for _, sighting in self.all() if sighting.server != server}

    def _recognize(self, server: Process) -> Process:
        """The server as it was seen before.

        That is also one that cannot be found just now: its answer may have been its last.
        """
        for _, sighting in self.all():
            known = sighting.server
            if known.is_same(server) or (server.started is None and known.pid == server.pid):
                return known
        return server

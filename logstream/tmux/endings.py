"""When a log is complete whose session is over in tmux: its last bytes may be on their way, or it may not be its log.

Decided by the states of logs alone, at times in seconds. Pure.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from .logs import State

GRACE = 0.5  # seconds without a change until a log is complete
_IN_USE = 5.0  # seconds after which a log that is still written to is in use outside tmux
_LAST_WORDS = 2.0  # seconds in which a log may still be written to by a session that is over


class Verdict(enum.Enum):
    """What is known of a log whose session is over."""

    OPEN = enum.auto()
    COMPLETE = enum.auto()
    IN_USE = enum.auto()  # by somebody outside tmux


class Ending:
    """A log since its session was found to be over."""

    def __init__(self, state: State | None, now: float, grace: float = GRACE, quiet: float = 0.0) -> None:
        """`quiet` are the seconds that the log has been without a change already."""
        self._state = state
        self._since = now
        self._quiet_since = now - quiet
        self._grace = grace

    def judge(self, state: State | None, now: float) -> Verdict:
        """What the log's state tells now; None where there is no log."""
        if state is not None and state != self._state:
            if self._state is not None and not self._state.is_continued_by(state):
                return Verdict.IN_USE
            self._state, self._quiet_since = state, now
        if now - self._quiet_since >= self._grace:
            return Verdict.COMPLETE
        return Verdict.IN_USE if now - self._since >= _IN_USE else Verdict.OPEN


class Contest:
    """Logs of which one, nobody knows which, was of a session that is over: none that is written to later."""

    def __init__(self, states: Mapping[str, State | None], now: float) -> None:
        self._states = dict(states)
        self._since = now

    def names(self) -> set[str]:
        """The logs that it can have been."""
        return set(self._states)

    def look(self, states: Mapping[str, State | None], now: float) -> None:
        """Take down how they are now."""
        for name in self.names():
            if states[name] != self._states[name]:
                if now - self._since < _LAST_WORDS:
                    self._states[name] = states[name]
                else:
                    del self._states[name]

"""One client's subscribes: where a disk or another host does not answer, the client's next commands do not wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from wsproto.frame_protocol import CloseReason

from .connection import Connection
from .helpers import Helpers

logger = logging.getLogger(__name__)

_PATIENCE = 0.1  # seconds that the next command waits for a subscribe: while all is well, one is done after the other
_LITTLE = 0.01  # the same, while another one of the client's is late already
_GRACE = 0.5  # seconds that an unsubscribe waits for an answer that is on its way out

Subscribe = Callable[[Callable[[], bool]], object]


class Subscribing:
    """Carries out one client's subscribes. Only for the thread that reads from the client."""

    def __init__(self, connection: Connection, helpers: Helpers) -> None:
        """`helpers` are for the subscribes of all clients."""
        self._connection = connection
        self._helpers = helpers
        self._late: list[_Attempt] = []

    def begin(self, session_name: str, subscribe: Subscribe) -> None:
        """Carry out `subscribe(is_wanted)` in the place of an earlier one to the session, and wait a moment for it.

        The function is to ask `is_wanted()`, which does not block, right before it answers. Where no helper is to be
        had, it is carried out by the calling thread, and raises what it raises.
        """
        self._late = [attempt for attempt in self._late if not attempt.over.is_set()]
        before = self._late_ones_at(session_name)
        for earlier in before:
            earlier.is_wanted = False
        attempt = _Attempt(session_name, subscribe, self._connection, before)
        if not self._helpers.run(attempt.carry_out):
            subscribe(lambda: True)
        elif not attempt.over.wait(_LITTLE if self._late else _PATIENCE):
            self._late.append(attempt)

    def end(self, session_name: str, unsubscribe: Callable[[], bool]) -> None:
        """Carry out `unsubscribe()`, which returns whether the session was followed by then."""
        attempts = self._late_ones_at(session_name)
        for attempt in attempts:
            attempt.is_wanted = False
        if unsubscribe():
            return
        for attempt in attempts:
            if attempt.answers:  # with an error
                attempt.over.wait(_GRACE)

    def end_all(self) -> None:
        """The client is gone: nothing more is answered or followed."""
        for attempt in self._late:
            attempt.is_wanted = False

    def _late_ones_at(self, session_name: str) -> list[_Attempt]:
        return [attempt for attempt in self._late if attempt.session_name == session_name]


class _Attempt:
    """One subscribe, which another thread carries out."""

    __slots__ = ("_before", "_connection", "_subscribe", "answers", "is_wanted", "over", "session_name")

    def __init__(self, session_name: str, subscribe: Subscribe, connection: Connection, before: list[_Attempt]) -> None:
        """`before` are the client's earlier ones at the session; an answer of theirs may be on its way out."""
        self._before = before
        self.session_name = session_name
        self.is_wanted = True  # until the client thinks better of it
        self.answers = False  # it is about to, unless it was told not to
        self.over = threading.Event()
        self._subscribe = subscribe
        self._connection = connection

    def carry_out(self) -> None:
        try:
            for earlier in self._before:
                if earlier.answers:  # perhaps with an error, which would seem to be this one's
                    earlier.over.wait(_GRACE)
            self._before = []
            self._subscribe(self._may_answer)
        except OSError:
            pass  # who reads finds the client gone
        except Exception:
            logger.exception("a connection failed")
            self._connection.shut(CloseReason.INTERNAL_ERROR)
        finally:
            self.over.set()

    def _may_answer(self) -> bool:
        self.answers = True  # first, so that of two threads one sees what the other has set
        return self.is_wanted

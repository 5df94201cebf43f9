"""One client's subscribes: where a disk or another host does not answer, the client's next commands do not wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from wsproto.frame_protocol import CloseReason

from .connection import Connection

logger = logging.getLogger(__name__)

LATE = 64  # subscribes of all clients that may go on beside their clients' next commands
_PATIENCE = 0.1  # seconds that the next command waits for a subscribe: while all is well, one is done after the other
_LITTLE = 0.01  # the same, while another one of the client's is late already
_GRACE = 0.5  # seconds that an unsubscribe waits for an answer that is on its way out

Subscribe = Callable[[Callable[[], bool]], object]


class Subscribing:
    """Carries out one client's subscribes. Only for the thread that reads from the client."""

    def __init__(self, connection: Connection, places: threading.Semaphore) -> None:
        """`places` are for subscribes of all clients that go on at the same time."""
        self._connection = connection
        self._places = places
        self._attempts: list[_Attempt] = []

    def begin(self, session_name: str, subscribe: Subscribe) -> None:
        """Carry out `subscribe(is_wanted)` in the place of an earlier one to the session, and wait a moment for it.

        The function is to ask `is_wanted()`, which does not block, right before it answers. Where there is no place or
        no thread for it, it is carried out by the calling thread, and raises what it raises.
        """
        self._attempts = [attempt for attempt in self._attempts if attempt.is_alive()]
        for earlier in self._attempts_at(session_name):
            earlier.is_wanted = False
        attempt = _Attempt(session_name, subscribe, self._connection, self._places)
        if not attempt.has_begun():
            subscribe(lambda: True)
            return
        attempt.join(_LITTLE if self._attempts else _PATIENCE)
        if attempt.is_alive():
            self._attempts.append(attempt)

    def end(self, session_name: str, unsubscribe: Callable[[], bool]) -> None:
        """Carry out `unsubscribe()`, which returns whether the session was followed by then."""
        attempts = self._attempts_at(session_name)
        for attempt in attempts:
            attempt.is_wanted = False
        if unsubscribe():
            return
        for attempt in attempts:
            if attempt.answers:  # with an error
                attempt.join(_GRACE)

    def end_all(self) -> None:
        """The client is gone: nothing more is answered or followed."""
        for attempt in self._attempts:
            attempt.is_wanted = False

    def _attempts_at(self, session_name: str) -> list[_Attempt]:
        return [attempt for attempt in self._attempts if attempt.session_name == session_name]


class _Attempt(threading.Thread):
    """The thread that carries out one subscribe."""

    def __init__(
        self, session_name: str, subscribe: Subscribe, connection: Connection, places: threading.Semaphore
    ) -> None:
        super().__init__(name="logstream-subscribe", daemon=True)
        self.session_name = session_name
        self.is_wanted = True  # until the client thinks better of it
        self.answers = False  # it is about to, unless it was told not to
        self._subscribe = subscribe
        self._connection = connection
        self._places = places

    def has_begun(self) -> bool:
        """Start, where there is a place and a thread to be had; whether that was so."""
        if not self._places.acquire(blocking=False):
            return False
        try:
            self.start()
        except RuntimeError:
            self._places.release()
            return False
        return True

    def run(self) -> None:
        try:
            self._subscribe(self._may_answer)
        except OSError:
            pass  # who reads finds the client gone
        except Exception:
            logger.exception("a connection failed")
            self._connection.shut(CloseReason.INTERNAL_ERROR)
        finally:
            self._places.release()

    def _may_answer(self) -> bool:
        self.answers = True  # first, so that of two threads one sees what the other has set
        return self.is_wanted

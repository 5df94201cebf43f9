"""Asking the authorize hook again, from time to time, about those who are let in already."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable

from wsproto.frame_protocol import CloseReason

from ..engine.manager import LogStreamManager
from ..protocol import error_message
from ..ratelimit import RateLimitedLog
from .connection import Connection

logger = logging.getLogger(__name__)

_UNANSWERED = 10  # times that the hook may fail, one after the other


class Recheck:
    """What the hook says now of one client and all that it follows. Only for the thread that reads from it."""

    def __init__(
        self,
        connection: Connection,
        manager: LogStreamManager,
        interval: float,
        refusals: RateLimitedLog,
        client: str,
        allows: Callable[[str | None], bool | None],
    ) -> None:
        """`allows` is asked every `interval` seconds, which may be infinite: no longer than that a refusal is unknown.

        With None it says whether the client may be connected, with a session's name whether it may follow that; it
        returns None where there is no answer. `client` is how `refusals`, for the operator, calls it.
        """
        self._connection = connection
        self._manager = manager
        self._interval = interval
        self._refusals = refusals
        self._client = client
        self._allows = allows
        self._unanswered = 0
        self.due = time.monotonic() + interval * random.uniform(0.5, 1) if interval < math.inf else math.inf

    def run(self) -> None:
        """Ask, if it is time.

        Raises ConnectionError or TimeoutError when the client is gone, and BrokenPipeError where it was sent away.
        """
        if time.monotonic() < self.due:
            return
        if self._ask():
            self._unanswered = 0
        else:
            self._unanswered += 1
            if self._unanswered == _UNANSWERED:  # it may come back, and is asked then as a new one
                self._refusals.warning("closed the connection of %s: the authorize hook fails", self._client)
                self._close(CloseReason.TRY_AGAIN_LATER, "It cannot be said whether you may connect.")
        self.due = time.monotonic() + self._interval

    def _ask(self) -> bool:
        """Whether there was an answer each time. No answer ends nothing."""
        allowed = self._allows(None)
        if allowed is False:
            self._refusals.warning("closed the connection of %s: the authorize hook says no by now", self._client)
            self._close(CloseReason.POLICY_VIOLATION, "You may not connect any more.")
        answered = allowed is not None
        for name in self._manager.followed_by(self._connection):
            allowed = self._allows(name) if answered else None
            answered = allowed is not None
            if allowed is False:
                self._end(name)
        return answered

    def _end(self, session_name: str) -> None:
        shown = ascii(session_name[:100])
        self._refusals.warning("%s follows session %s no more: the authorize hook says no by now", self._client, shown)
        self._manager.unsubscribe(session_name, self._connection)
        sentence = f"Session {session_name!r} is not for you to follow any more."
        self._connection.send(error_message(sentence, session_name))

    def _close(self, code: int, reason: str) -> None:
        self._connection.shut(code, reason)
        raise BrokenPipeError("the connection is closed")

"""Sending signals to an app's receivers, which may take their time, on a thread that lives as long as it is needed."""

from __future__ import annotations

import logging
import threading
from collections import deque

from blinker import NamedSignal
from flask import Flask

from ..ratelimit import RateLimitedLog
from ..signals import session_completed, session_started

logger = logging.getLogger(__name__)

_MOST_WAITING = 10_000  # signals, while a receiver does not come back


class Announcer:
    """Sends the signals of one app, one after the other. Any thread; no call blocks."""

    def __init__(self, app: Flask) -> None:
        """The app is the signals' sender."""
        self._app = app
        self._troubles = RateLimitedLog(logger, lines=1)
        # Guards both below.
        self._lock = threading.Lock()
        self._waiting: deque[tuple[NamedSignal, dict[str, object]]] = deque()
        self._thread: threading.Thread | None = None

    def has_receivers(self) -> bool:
        """Whether anybody wants to be told of anything."""
        return any(signal.has_receivers_for(self._app) for signal in (session_completed, session_started))

    def completed(self, session_name: str, exit_status: int | None) -> None:
        """A session is complete."""
        self._send(session_completed, session_name=session_name, exit_status=exit_status)

    def started(self, session_name: str) -> None:
        """tmux has a session that was not seen before."""
        self._send(session_started, session_name=session_name)

    def _send(self, signal: NamedSignal, **arguments: object) -> None:
        if not signal.has_receivers_for(self._app):
            return
        with self._lock:
            if len(self._waiting) >= _MOST_WAITING:
                self._troubles.warning("a receiver of signals does not come back: the signal %r is lost", signal.name)
                return
            self._waiting.append((signal, arguments))
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._serve, name="logstream-signals", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # none to be had: the next signal tries again
                self._thread = None
                self._troubles.warning("no thread is left to send signals with: they wait for the next one")

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                signal, arguments = self._waiting.popleft()
            for receiver in signal.receivers_for(self._app):
                try:
                    with self._app.app_context():
                        receiver(self._app, **arguments)
                except Exception:
                    logger.exception("a receiver of the signal %r failed", signal.name)

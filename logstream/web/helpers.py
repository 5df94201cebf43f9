"""Threads for what may hang: they stay for a moment, since to start one costs more than most of what it does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

_LINGER = 0.5  # seconds that a thread which has nothing to do stays

Task = Callable[[], object]


class Helpers:
    """Runs tasks on threads of its own. Any thread."""

    def __init__(self, most: int) -> None:
        """There are at most so many threads, and none before there is a task."""
        self._most = most
        # Guards all below, and each helper's task.
        self._lock = threading.Lock()
        self._count = 0
        self._idle: list[_Helper] = []

    def run(self, task: Task) -> bool:
        """Have `task()` run by another thread; False where there is none to be had."""
        with self._lock:
            if self._idle:
                self._idle.pop().give(task)
                return True
            if self._count >= self._most:
                return False
            self._count += 1
        try:
            _Helper(self, task).start()
        except RuntimeError:
            with self._lock:
                self._count -= 1
            return False
        return True

    def _await_task(self, helper: _Helper) -> bool:
        """Let a helper wait for its next task. False: it is to end."""
        with self._lock:
            self._idle.append(helper)
        if helper.has_task.acquire(timeout=_LINGER):
            return True
        with self._lock:
            if helper in self._idle:
                self._idle.remove(helper)
                self._count -= 1
                return False
        return helper.has_task.acquire()  # it was given one at the last moment


class _Helper(threading.Thread):
    def __init__(self, helpers: Helpers, task: Task) -> None:
        super().__init__(name="logstream-helper", daemon=True)
        self._helpers = helpers
        self._task = task
        # Guards nothing: it is released for each further task, and waiting for that is waiting for it.
        self.has_task = threading.Lock()
        self.has_task.acquire()

    def give(self, task: Task) -> None:
        """Its next task. With the lock of the helpers held, by who has found it idle."""
        self._task = task
        self.has_task.release()

    def run(self) -> None:
        while True:
            try:
                self._task()
            except Exception:
                logger.exception("a task failed")
            del self._task  # and what it holds
            if not self._helpers._await_task(self):
                return
